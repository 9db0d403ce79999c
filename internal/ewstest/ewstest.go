// Package ewstest writes requests of EWS clients, for tests and the demo. It
// imports nothing of the module, so that a mistake in hmaproxy cannot be repeated
// in its tests.
package ewstest

// Envelope returns a request as the EWS Managed API writes it, without
// ExchangeImpersonation if mailbox is "".
func Envelope(mailbox, operation string) string {
	impersonation := ""
	if mailbox != "" {
		impersonation = `<t:ExchangeImpersonation><t:ConnectingSID><t:SmtpAddress>` + mailbox +
			`</t:SmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>`
	}
	return `<?xml version="1.0" encoding="utf-8"?>` +
		`<soap:Envelope xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"` +
		` xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"` +
		` xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Header>` +
		`<t:RequestServerVersion Version="Exchange2013_SP1"/>` + impersonation + `</soap:Header><soap:Body>` +
		operation + `</soap:Body></soap:Envelope>`
}
