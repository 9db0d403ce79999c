package policy

import "hmaproxy/proxy/ews"

// A Reason is the class of a refusal. The set is closed.
type Reason uint8

// The reasons. The zero Reason is none of them.
const (
	MailboxNotAllowed   Reason = 1 + iota // the impersonated mailbox is not on the allow-list
	NoMailbox                             // the request names no mailbox, and there is no default
	OperationNotAllowed                   // the operation is refused by default, or not on the list of operations
	EnvelopeRefused                       // the request cannot be read, or its SOAP Header contains a block that must not be sent or cannot be checked
	ReferenceNotAllowed                   // the Body acts on a mailbox that is not on the allow-list
	AnchorNotAllowed                      // X-AnchorMailbox names a mailbox that is not on the allow-list
	LoginRequired                         // the policy impersonates the Basic user, but the client sent no user name: ask for Basic credentials
	LoginNameInvalid                      // the policy impersonates the Basic user, but the user's name is not an address
)

// Reasons returns all reasons.
func Reasons() []Reason {
	return []Reason{
		MailboxNotAllowed, NoMailbox, OperationNotAllowed, EnvelopeRefused,
		ReferenceNotAllowed, AnchorNotAllowed, LoginRequired, LoginNameInvalid,
	}
}

// String returns the word for r in logs, metrics and response headers, such as
// "mailbox-not-allowed". The words never change.
func (r Reason) String() string {
	switch r {
	case MailboxNotAllowed:
		return "mailbox-not-allowed"
	case NoMailbox:
		return "no-mailbox"
	case OperationNotAllowed:
		return "operation-not-allowed"
	case EnvelopeRefused:
		return "envelope-refused"
	case ReferenceNotAllowed:
		return "reference-not-allowed"
	case AnchorNotAllowed:
		return "anchor-not-allowed"
	case LoginRequired:
		return "login-required"
	case LoginNameInvalid:
		return "login-name-invalid"
	}
	return "unknown"
}

// Code returns the EWS response code that a client gets for r.
func (r Reason) Code() ews.ResponseCode {
	switch r {
	case MailboxNotAllowed, AnchorNotAllowed:
		return ews.ErrorImpersonateUserDenied
	case NoMailbox, LoginRequired, LoginNameInvalid:
		return ews.ErrorInvalidExchangeImpersonationHeaderData
	case EnvelopeRefused:
		return ews.ErrorSchemaValidation
	}
	// Exchange sends this code to a user who has no rights on one object. A
	// client that gets it continues to use its account.
	return ews.ErrorAccessDenied
}

// A Refusal says why a request must not be sent. It contains no data of the
// client and no entry of the allow-list, so it may be logged and sent to the
// client.
type Refusal struct {
	Reason Reason
	Detail string // constant text
}

// Error returns the reason and the detail.
func (r *Refusal) Error() string { return r.Reason.String() + ": " + r.Detail }

// Always reports whether the refusal also applies without an allow-list and in
// audit mode. This is so if the policy impersonates the Basic user and the client
// has sent no user name that can be impersonated.
func (r *Refusal) Always() bool {
	return r.Reason == LoginRequired || r.Reason == LoginNameInvalid
}
