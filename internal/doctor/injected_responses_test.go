package doctor_test

import (
	"net/http"
	"strings"
	"time"

	"hmaproxy/internal/emulator"
)

// The functions below select requests that get an injected response.

func always() bool { return true }

func withToken(req *http.Request) bool { return len(req.Header.Get("Authorization")) > 20 }

func asMailbox(req *http.Request) bool { return req.Header.Get("X-AnchorMailbox") != "" }

func posted(req *http.Request) bool { return req.Method == http.MethodPost }

func assertion(req *http.Request) bool {
	_ = req.ParseForm()
	return req.PostForm.Get("client_assertion") != ""
}

// exchangeFault, vaultFault and entraFault inject f as the response to every
// request for which match returns true.
func exchangeFault(match func(*http.Request) bool, f emulator.Fault) func(*testSetup) {
	f.Match = match
	return func(r *testSetup) { r.e.Exchange().InjectWhile(always, f) }
}

func vaultFault(match func(*http.Request) bool, f emulator.Fault) func(*testSetup) {
	f.Match = match
	return func(r *testSetup) { r.e.KeyVault().InjectWhile(always, f) }
}

func entraFault(match func(*http.Request) bool, f emulator.Fault) func(*testSetup) {
	f.Match = match
	return func(r *testSetup) { r.e.Entra().InjectWhile(always, f) }
}

// page returns a response with an HTML page, as portals, web filters and
// devices send.
func page(status int) emulator.Fault {
	return emulator.Fault{Status: status, Header: http.Header{"Content-Type": {"text/html"}},
		Body: "<html><head><title>Sign in</title></head><body>eyJhbGciOiJub25lIn0.e30.x</body></html>"}
}

// vaultSays returns an error response of Key Vault in the layout of Microsoft's
// reference.
func vaultSays(status int, code, inner string) emulator.Fault {
	return emulator.Fault{Status: status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: `{"error":{"code":"` + code + `","message":"Caller is not authorized.","innererror":{"code":"` + inner + `"}}}`}
}

// ewsError makes Exchange respond to requests for a mailbox with a response code,
// in the layout of a captured response.
func ewsError(code string) func(*testSetup) {
	return exchangeFault(asMailbox, emulator.Fault{Status: http.StatusOK,
		Header: http.Header{"Content-Type": {"text/xml; charset=utf-8"}, "X-Feserver": {"EX01"}},
		Body: `<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>` +
			`<m:GetFolderResponse xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"><m:ResponseMessages>` +
			`<m:GetFolderResponseMessage ResponseClass="Error"><m:MessageText>no</m:MessageText><m:ResponseCode>` + code +
			`</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey></m:GetFolderResponseMessage></m:ResponseMessages></m:GetFolderResponse></s:Body></s:Envelope>`})
}

func redirect(status int, name, location string) emulator.Fault {
	return emulator.Fault{Status: status, Header: http.Header{name: {location}, "X-Feserver": {"EX01"}}}
}

// iisForbids returns IIS's own 403. IIS does not show the substatus number to
// remote callers.
func iisForbids() emulator.Fault {
	return emulator.Fault{Status: http.StatusForbidden, Header: http.Header{"Server": {"Microsoft-IIS/10.0"}, "Content-Type": {"text/html"}},
		Body: "<h2>403 - Forbidden: Access is denied.</h2>"}
}

// expected(name) makes Exchange refuse the token. The response says that Exchange
// expected name in the token's audience.
func expected(name string) func(*testSetup) {
	return refusal(2000003, "invalid_resource", "The hostname component of the audience claim value is invalid. Expected '"+name+"'. Actual 'https://mail.contoso.com'.")
}

// The function "both" sets HMA_APP_ID and HMA_KEY_VAULT_APP_ID to the same value.
// from is the name of the setting that has this value already.
func both(from string) func(*testSetup) {
	return func(r *testSetup) {
		id := r.env[from]
		r.env["HMA_APP_ID"], r.env["HMA_KEY_VAULT_APP_ID"] = id, id
	}
}

// stored replaces the certificate in the vault by a secret that a person has
// written. content returns its value; kind is its content type.
func stored(content func(*testSetup) string, kind string) func(*testSetup) {
	return func(r *testSetup) { r.e.KeyVault().PutSecret("HMA-Cert", content(r), kind) }
}

// secretAltered sets the client secret to an altered value.
func secretAltered(change func(string) string) func(*testSetup) {
	return set("HMA_KEY_VAULT_CLIENT_SECRET", change(vaultSecret))
}

func skewed(r *testSetup, d time.Duration) {
	r.e.Entra().SetClockSkew(d)
	r.e.KeyVault().SetClockSkew(d)
	r.e.Exchange().SetClockSkew(d)
}

func replaced(old, new string) func(string) string {
	return func(s string) string { return strings.ReplaceAll(s, old, new) }
}
