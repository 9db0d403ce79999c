package app

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"hmaproxy/internal/textcheck"
)

// outlookAsks returns a function that asks Autodiscover for a mailbox.
func outlookAsks(mailbox string) func(*testProduct) response {
	return request(http.MethodPost, "/autodiscover/autodiscover.xml", `<?xml version="1.0" encoding="utf-8"?>`+
		`<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>`+mailbox+`</EMailAddress>`+
		`<AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>`)
}

// TestAutodiscover sends Autodiscover requests to the whole product and checks
// its log, metrics and status page. Exchange must get no request.
func TestAutodiscover(t *testing.T) {
	const requests = `hmaproxy_requests_total{operation="Autodiscover:POX",status="200"} 1`
	for _, tc := range []struct {
		name, mailbox string
		settings      []string
		text, log     string
		metrics       []string
		history       string // the outcome on the status page
	}{
		{"listed", "alice@contoso.com", nil, "/EWS/Exchange.asmx</EwsUrl>", `"level":"INFO"`, []string{requests}, `"outcome":"served"`},
		{"fixed URL", "alice@contoso.com", []string{"HMA_AUTODISCOVER=https://ews-proxy.contoso.com", "HMA_HOST_NAMES=ews-proxy.contoso.com"},
			"<EwsUrl>https://ews-proxy.contoso.com/EWS/Exchange.asmx</EwsUrl>", `"level":"INFO"`, []string{requests}, `"outcome":"served"`},
		{"not listed", "ceo@contoso.com", nil, "<ErrorCode>500</ErrorCode>", `"reason":"mailbox-not-allowed"`,
			[]string{requests, `hmaproxy_denials_total{reason="mailbox-not-allowed"} 1`}, `"outcome":"refused"`},
		{"not listed, audit mode", "ceo@contoso.com", []string{"HMA_ALLOW_LIST_MODE=audit"}, "/EWS/Exchange.asmx</EwsUrl>", `"audit":"mailbox-not-allowed"`,
			[]string{requests, `hmaproxy_audit_refusals_total{reason="mailbox-not-allowed"} 1`}, `"outcome":"audited"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := startWatched(t, append([]string{"HMA_AUTODISCOVER=auto"}, tc.settings...)...)
				defer s.close()
				s.log.take()
				before := len(s.emu.Exchange().Hops())
				got := outlookAsks(tc.mailbox)(s)
				synctest.Wait()
				if got.err != nil || got.status != http.StatusOK || !strings.Contains(got.text, tc.text) {
					t.Errorf("response %+v, want %s", got, tc.text)
				}
				line := s.log.take()
				for _, part := range []string{tc.log, `"operation":"Autodiscover:POX"`, `"mailbox":"` + tc.mailbox + `"`, `"status":200`} {
					if !strings.Contains(line, part) {
						t.Errorf("no %s in the log: %s", part, line)
					}
				}
				page := s.look("/metrics")
				for _, metric := range tc.metrics {
					textcheck.Contains(t, page, metric)
				}
				textcheck.Contains(t, strings.Join(strings.Fields(s.look("/status.json")), ""), tc.history)
				if n := len(s.emu.Exchange().Hops()) - before; n != 0 {
					t.Errorf("Exchange got %d requests", n)
				}
			})
		})
	}
}
