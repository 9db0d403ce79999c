package ews

// A ResponseCode is an EWS response code: the content of ResponseCode in the
// detail of a SOAP fault.
type ResponseCode string

// The response codes that this module sends.
const (
	ErrorAccessDenied                           ResponseCode = "ErrorAccessDenied"
	ErrorImpersonateUserDenied                  ResponseCode = "ErrorImpersonateUserDenied"
	ErrorInternalServerError                    ResponseCode = "ErrorInternalServerError"
	ErrorInternalServerTransientError           ResponseCode = "ErrorInternalServerTransientError"
	ErrorInvalidExchangeImpersonationHeaderData ResponseCode = "ErrorInvalidExchangeImpersonationHeaderData"
	ErrorMessageSizeExceeded                    ResponseCode = "ErrorMessageSizeExceeded"
	ErrorSchemaValidation                       ResponseCode = "ErrorSchemaValidation"
	ErrorServerBusy                             ResponseCode = "ErrorServerBusy"
)
