// Package ews is the vocabulary of an Exchange Web Services request: its
// operation, the mailbox that it impersonates, the mailboxes in its Body, and
// the response code of a SOAP fault.
//
// The package makes no decisions. Programs that read requests, and programs
// that decide about them, such as package policy, share its types.
package ews

// The namespaces of an EWS request.
const (
	EnvelopeNS = "http://schemas.xmlsoap.org/soap/envelope/"
	TypesNS    = "http://schemas.microsoft.com/exchange/services/2006/types"
	MessagesNS = "http://schemas.microsoft.com/exchange/services/2006/messages"
)

// A Request is the content of the head of an EWS request. The head ends with
// the start tag of the only element in the Body; for Subscribe it ends with the
// start tag of that element's first child.
type Request struct {
	Blocks     []HeaderBlock // header blocks, in the document's order
	Identity   Identity      // the first ExchangeImpersonation without a Problem
	Operation  string        // local name of the Body's element, as the client wrote it: "GetFolder"
	Push       bool          // the request is a Subscribe for push notifications
	BodyOffset int64         // offset of the "<" of the Body's start tag in the document
}

// A HeaderBlock is a child element of the SOAP Header.
type HeaderBlock struct {
	Space, Name    string // namespace URI and local name
	MustUnderstand bool   // mustUnderstand is "1", "true" or not a boolean
	Nil            bool   // the block is empty, and xsi:nil="true" is its only attribute

	// Problem says why a block must not be sent: either the kind of the block is
	// known, but the block cannot be written from its values, or the block is
	// meant for another actor. Problem is a constant text without anything from
	// the client. It is empty for a block without a problem.
	Problem string
}
