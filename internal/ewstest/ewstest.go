// Package ewstest writes requests of EWS clients, for tests and the demo. It
// imports no other package of the module, so that a mistake in hmaproxy cannot
// be repeated in its tests.
package ewstest

// Declaration is the XML declaration at the beginning of an envelope.
const Declaration = `<?xml version="1.0" encoding="utf-8"?>`

// Namespaces declares the prefixes soap, t and m on the Envelope element.
const Namespaces = `xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"` +
	` xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"` +
	` xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"`

// ServerVersion is the header block in which a client names its schema version.
const ServerVersion = `<t:RequestServerVersion Version="Exchange2013_SP1"/>`

// Document returns an envelope with the given content of Header and Body.
func Document(header, body string) string {
	return Declaration + `<soap:Envelope ` + Namespaces + `><soap:Header>` + header + `</soap:Header><soap:Body>` +
		body + `</soap:Body></soap:Envelope>`
}

// Impersonation returns the header block that names a mailbox in an element of
// ConnectingSID, such as SmtpAddress.
func Impersonation(element, mailbox string) string {
	return `<t:ExchangeImpersonation><t:ConnectingSID><t:` + element + `>` + mailbox + `</t:` + element +
		`></t:ConnectingSID></t:ExchangeImpersonation>`
}

// Envelope returns a request as the EWS Managed API writes it, without
// ExchangeImpersonation if mailbox is "".
func Envelope(mailbox, operation string) string {
	header := ServerVersion
	if mailbox != "" {
		header += Impersonation("SmtpAddress", mailbox)
	}
	return Document(header, operation)
}
