// Package ews defines types for the values of an Exchange Web Services request:
// the operation, the impersonated mailbox, the mailboxes that the Body names,
// and the response codes of SOAP faults.
//
// The package makes no decisions. A program that reads requests fills these
// types, and package policy decides about their values.
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
	Identity   Identity      // mailbox of the first ExchangeImpersonation without a Problem
	Operation  string        // local name of the Body's element, as the client wrote it: "GetFolder"
	Push       bool          // the request is a Subscribe for push notifications
	BodyOffset int64         // offset of the "<" of the Body's start tag in the document
}

// A HeaderBlock is a child element of the SOAP Header.
type HeaderBlock struct {
	Space, Name    string // namespace URI and local name
	MustUnderstand bool   // the attribute mustUnderstand is "1" or "true", or its value is not a boolean
	Nil            bool   // the block is empty, and xsi:nil="true" is its only attribute apart from namespace declarations

	// Problem says why a block must not be sent. Either the kind of the block
	// is known, but the block cannot be written from its values. Or the block
	// is meant for another actor. Problem is a constant text without anything
	// from the client. It is empty for a block without a problem.
	Problem string
}
