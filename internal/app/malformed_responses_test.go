package app

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/emulator"
)

var elsewhere = http.Header{"Location": {"https://attacker.example/collect"}}

// TestMalformedResponsesOfEntra checks undocumented responses of Entra ID: the
// product does not crash or log secrets, logs the cause, and recovers
// afterwards.
func TestMalformedResponsesOfEntra(t *testing.T) {
	token := func(s *testProduct) func(*http.Request) bool { return s.forMailboxes }
	metadata := func(*testProduct) func(*http.Request) bool {
		return func(r *http.Request) bool { return strings.Contains(r.URL.Path, ".well-known") }
	}
	for _, c := range []struct {
		name  string
		match func(*testProduct) func(*http.Request) bool
		fault emulator.Fault
		says  string
	}{
		{"a token without its lifetime", token, emulator.Fault{NoExpiresIn: true}, "responded 200 without the token's lifetime"},
		{"a huge body", token, emulator.Fault{Status: 200, Filler: 64 << 20}, "responded 200 with more than"},
		{"a redirection elsewhere", token, emulator.Fault{Status: 307, Header: elsewhere}, "remedy: redirects are not followed"},
		{"HTML", token, emulator.Fault{Status: 200, Body: "<html><body>Please log in to the WLAN"}, "not a JSON object; remedy: look for a proxy or captive portal"},
		{"HTML and 502", token, emulator.Fault{Status: 502, Body: "<html>Bad Gateway"}, "responded 502"},
		{"an empty object", token, emulator.Fault{Status: 200, Body: "{}"}, "responded 200 without an access token"},
		{"a truncated token response", token, emulator.Fault{TruncateAt: 700}, "incomplete body: the connection was cut"},
		{"an invalid lifetime", token, emulator.Fault{Status: 200, Body: `{"token_type":"Bearer","expires_in":"soon","access_token":"eyJzZWNyZXQ.eyJzZWNyZXQ.c2VjcmV0"}`}, "responded 200"},
		{"a token that splits the header", token, emulator.Fault{Status: 200, Body: `{"token_type":"Bearer","expires_in":3599,"access_token":"eyJzZWNyZXQ\r\nX-Evil: 1"}`}, "a token that is not of the form of a bearer token"},
		{"metadata with a redirection", metadata, emulator.Fault{Status: 307, Header: elsewhere}, "307"},
		{"metadata in HTML", metadata, emulator.Fault{Status: 200, Body: "<html>"}, "log in"},
		{"metadata of another issuer", metadata, emulator.Fault{Status: 200, Body: `{"issuer":"https://attacker.example/","authorization_endpoint":"https://attacker.example/a","token_endpoint":"https://attacker.example/collect"}`}, "log in"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestProduct(t, emulator.Config{})
				watch := s.watchDials()
				fault := c.fault
				fault.Match = c.match(s)
				s.emu.Entra().InjectWhile(func() bool { return true }, fault)
				s.start()
				defer s.close()
				s.checkNoToken(c.says)
				s.emu.Entra().ClearFaults()
				time.Sleep(5 * time.Minute) // some of these errors count as configuration errors, which are retried slowly
				s.allSucceed(seldom, 30*time.Minute)

				// While there is a token, requests succeed in spite of the
				// malformed response.
				s.emu.Entra().InjectWhile(func() bool { return true }, fault)
				s.allSucceed(often, 20*time.Minute)
				s.emu.Entra().ClearFaults()
				s.allSucceed(seldom, time.Hour)
				s.checkNoSecrets()
				watch.only(t, "login.microsoftonline.com:443", "contoso.vault.azure.net:443", "mail.contoso.com:443")
			})
		})
	}
}

func TestMalformedResponsesOfKeyVault(t *testing.T) {
	challenge := func(authority, resource string) emulator.Fault {
		return emulator.Fault{Status: 401, Header: http.Header{"Www-Authenticate": {`Bearer authorization="` + authority + `", resource="` + resource + `"`}}}
	}
	for _, c := range []struct {
		name  string
		fault emulator.Fault
		says  string
	}{
		{"a challenge without a tenant", emulator.Fault{NoTenantInChallenge: true}, "certsource: get secret HMA-Cert"},
		{"a challenge without anything", emulator.Fault{Status: 401, Header: http.Header{"Www-Authenticate": {"Bearer"}}}, "certsource: get secret HMA-Cert"},
		{"no challenge", emulator.Fault{Status: 401}, "certsource: get secret HMA-Cert"},
		{"a challenge with a foreign authority", challenge("https://attacker.example/0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e47", "https://vault.azure.net"), "certsource: "},
		{"a challenge for another resource", challenge("https://login.microsoftonline.com/0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e47", "https://graph.microsoft.com"), "certsource: get secret HMA-Cert"},
		{"HTML", emulator.Fault{Status: 200, Body: "<html>"}, "certsource: get secret HMA-Cert"},
		{"an empty object", emulator.Fault{Status: 200, Body: "{}"}, "certsource: get secret HMA-Cert"},
		{"a huge body", emulator.Fault{Status: 200, Filler: 16 << 20}, "certsource: get secret HMA-Cert"},
		{"a redirection elsewhere", emulator.Fault{Status: 307, Header: elsewhere}, "certsource: get secret HMA-Cert"},
		{"a secret that breaks off", emulator.Fault{TruncateAt: 500}, "certsource: get secret HMA-Cert"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestProduct(t, emulator.Config{})
				watch := s.watchDials()
				s.emu.KeyVault().InjectWhile(func() bool { return true }, c.fault)
				s.start()
				defer s.close()
				s.checkNoToken(c.says)
				s.emu.KeyVault().ClearFaults()
				time.Sleep(40 * time.Second)
				s.allSucceed(often, 5*time.Minute)

				s.emu.KeyVault().InjectWhile(func() bool { return true }, c.fault)
				s.allSucceed(seldom, 70*time.Minute)
				s.checkNoSecrets()
				watch.only(t, "login.microsoftonline.com:443", "contoso.vault.azure.net:443", "mail.contoso.com:443")
			})
		})
	}
}

// checkNoToken checks the response to a client, the response of /ready and the log while
// there is no token. The response of /ready and the log must contain the argument cause.
func (s *testProduct) checkNoToken(cause string) {
	s.t.Helper()
	a := s.ask()
	if a.status != 500 || a.header.Get("X-Hmaproxy-Error") != "no-token" || a.took > 5*time.Second {
		s.t.Errorf("the client got %+v", a)
	}
	time.Sleep(30 * time.Second)
	ready := s.probe("/ready")
	if ready.status != http.StatusServiceUnavailable || !strings.Contains(ready.text, cause) {
		s.t.Errorf("readiness says %d %s, want %q", ready.status, ready.text, cause)
	}
	if n := strings.Count(s.log.text(), `"level":"ERROR"`); n == 0 || n > 6 {
		s.t.Errorf("%d errors in the log, want one for each thing that is wrong:\n%s", n, s.log)
	}
	if !strings.Contains(s.log.text(), cause) {
		s.t.Errorf("the log does not say %q:\n%s", cause, s.log)
	}
	s.log.Write([]byte(a.text + ready.text)) // lets checkNoSecrets search these texts too
}

// checkNoSecrets checks that no secret is in the log or in a response. Every token
// and assertion begins with eyJ, the base64 of a JSON object's first bytes.
func (s *testProduct) checkNoSecrets() {
	s.t.Helper()
	text := s.log.text()
	for _, secret := range []string{"eyJ", s.emu.Config().VaultSecret, "PRIVATE KEY", "attacker.example/collect", "c2VjcmV0"} {
		if at := strings.Index(text, secret); at >= 0 {
			s.t.Errorf("%q is in: %.300s", secret, text[max(0, at-200):])
		}
	}
	hops := slices.DeleteFunc(s.tokenRequests(), func(h emulator.Hop) bool { return !strings.HasPrefix(h.Form.Get("client_assertion"), "eyJ") })
	if len(hops) == 0 || !strings.HasPrefix(s.emu.Exchange().LastHop().Header.Get("Authorization"), "Bearer eyJ") {
		s.t.Error("no secret was in use, so the check has no effect")
	}
}

// The type "dials" records the addresses that the product connects to.
type dials struct {
	mu   sync.Mutex
	seen []string
}

func (s *testProduct) watchDials() *dials {
	d := &dials{}
	s.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		d.mu.Lock()
		d.seen = append(d.seen, address)
		d.mu.Unlock()
		return s.emu.DialContext(ctx, network, address)
	}
	return d
}

func (d *dials) only(t *testing.T, addresses ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.seen {
		if !slices.Contains(addresses, a) {
			t.Errorf("connected to %s", a)
			return
		}
	}
}
