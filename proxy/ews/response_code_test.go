package ews_test

import (
	"testing"

	"hmaproxy/proxy/ews"
)

// TestResponseCodes compares each code with its spelling in the enumeration
// ResponseCodeType of Microsoft's messages.xsd.
func TestResponseCodes(t *testing.T) {
	for code, want := range map[ews.ResponseCode]string{
		ews.ErrorAccessDenied:                           "ErrorAccessDenied",
		ews.ErrorImpersonateUserDenied:                  "ErrorImpersonateUserDenied",
		ews.ErrorInternalServerError:                    "ErrorInternalServerError",
		ews.ErrorInternalServerTransientError:           "ErrorInternalServerTransientError",
		ews.ErrorInvalidExchangeImpersonationHeaderData: "ErrorInvalidExchangeImpersonationHeaderData",
		ews.ErrorMessageSizeExceeded:                    "ErrorMessageSizeExceeded",
		ews.ErrorSchemaValidation:                       "ErrorSchemaValidation",
		ews.ErrorServerBusy:                             "ErrorServerBusy",
	} {
		if string(code) != want {
			t.Errorf("%s, want %s", code, want)
		}
	}
}
