package policy

// A Code is an EWS response code, as ResponseCode carries it in a SOAP fault.
type Code string

// The codes that a refusal can carry. Every EWS client library knows them.
const (
	CodeMailbox   Code = "ErrorImpersonateUserDenied"                  // a mailbox that is not allowed
	CodeNobody    Code = "ErrorInvalidExchangeImpersonationHeaderData" // nobody usable is named
	CodeAccess    Code = "ErrorAccessDenied"                           // an operation, or a mailbox inside the Body
	CodeMalformed Code = "ErrorSchemaValidation"                       // an envelope that cannot be trusted
)

// A Reason is the short stable word for X-Hmaproxy-Error, log and metric. The
// set is closed.
type Reason string

// The reasons.
const (
	MailboxNotAllowed   Reason = "mailbox-not-allowed"   // impersonated, by the client or by injection, and not on the list
	NoMailbox           Reason = "no-mailbox"            // the request names nobody and nothing is set for that case
	OperationNotAllowed Reason = "operation-not-allowed" // refused by default, or not on the list of operations
	EnvelopeRefused     Reason = "envelope-refused"      // the SOAP Header holds what must not be sent or cannot be judged
	ReferenceNotAllowed Reason = "reference-not-allowed" // the Body acts on a mailbox off the list
	AnchorNotAllowed    Reason = "anchor-not-allowed"    // X-AnchorMailbox off the list
	LoginRequired       Reason = "login-required"        // the login user is to be impersonated, and there is none: answer 401 Basic
	LoginNameInvalid    Reason = "login-name-invalid"    // the login user is to be impersonated, and the name is no address
)

// A Refusal says why a request must not be sent. It holds nothing of the
// client's and nothing of the list's, so that it may go into the log and to the
// client alike.
type Refusal struct {
	Code   Code
	Reason Reason
	Detail string // one of this package's or package soap's constant texts
}

// Error returns the reason and the detail.
func (r *Refusal) Error() string { return string(r.Reason) + ": " + r.Detail }

// Always reports whether the refusal holds without a list and in audit mode
// too: it is then about the identity that the proxy itself would have to add,
// and there is no request to forward without it.
func (r *Refusal) Always() bool {
	return r.Reason == LoginRequired || r.Reason == LoginNameInvalid
}
