package doctor_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"hmaproxy/internal/emulator"
)

func TestWrongExchange(t *testing.T) {
	header := func(pairs ...string) http.Header {
		h := http.Header{"X-Feserver": {"EX01"}}
		for i := 0; i < len(pairs); i += 2 {
			h.Add(pairs[i], pairs[i+1])
		}
		return h
	}
	edited := func(old, new string, emptyOnly bool) func(*testSetup) {
		return func(r *testSetup) {
			challenge(r, 401, header("Www-Authenticate", strings.ReplaceAll(goodChallenge(r), old, new), "Www-Authenticate", "Negotiate"), emptyOnly)
		}
	}
	run(t, []misconfiguration{
		{"HMA off", emulator.Config{}, edited("authorization_uri", "issuer_kind", false), "challenge", "HMA.* is not switched on", "OAuth2ClientProfileEnabled"},
		{"HMA off for the domain", emulator.Config{}, func(r *testSetup) {
			challenge(r, 401, header("X-Ms-Diagnostics", `4000000;reason="Flighting is not enabled for domain 'mail.contoso.com'.";error_category="oauth_not_available"`, "Www-Authenticate", "Negotiate"), false)
		}, "challenge", "HMA.* is not switched on", "OAuth2ClientProfileEnabled"},
		{"OAuth off on the directory", emulator.Config{}, func(r *testSetup) {
			challenge(r, 401, header("Www-Authenticate", "Negotiate", "Www-Authenticate", "NTLM"), false)
		}, "challenge", "OAuth is switched off", "-OAuthAuthentication"},
		{"another tenant trusted", emulator.Config{}, func(r *testSetup) { edited(r.e.Config().TenantID, otherID, false)(r) }, "challenge", "does not trust the tenant", "Get-AuthServer"},
		{"no app-only tokens", emulator.Config{}, edited(" service_asserted_app_v1", "", false), "challenge", "no app-only tokens", "update"},
		{"pre-authentication by redirect", emulator.Config{}, func(r *testSetup) {
			challenge(r, 302, http.Header{"Location": {"https://adfs.contoso.com/adfs/ls/?wa=signin"}}, false)
		}, "challenge", "pre-authentication", "pass /EWS/"},
		{"pre-authentication by Basic", emulator.Config{}, func(r *testSetup) {
			challenge(r, 401, http.Header{"Www-Authenticate": {`Basic realm="gateway"`}}, false)
		}, "challenge", "device in front of Exchange", "HMA_EWS_CONNECT"},
		{"web application firewall", emulator.Config{}, func(r *testSetup) { challenge(r, 403, nil, false) }, "challenge", "WAF", "permit POST"},
		{"EWS not permitted to programs", emulator.Config{}, func(r *testSetup) { challenge(r, 403, header(), false) }, "challenge", "EwsApplicationAccessPolicy", "Get-OrganizationConfig"},
		{"application pool stopped", emulator.Config{}, func(r *testSetup) { challenge(r, 503, nil, false) }, "challenge", "MSExchangeServicesAppPool", "Test-ServiceHealth"},
		{"no healthy server", emulator.Config{}, func(r *testSetup) { challenge(r, 502, nil, false) }, "challenge", "load balancer", "Get-ServerComponentState"},
		{"EWS not published", emulator.Config{}, func(r *testSetup) { challenge(r, 404, nil, false) }, "challenge", "no EWS under this name: .*not published", "/EWS/Exchange.asmx"},
		{"another web server", emulator.Config{}, func(r *testSetup) { challenge(r, 200, nil, false) }, "challenge", "not Exchange", "Get-WebServicesVirtualDirectory"},
		{"name leads back to hmaproxy", emulator.Config{}, func(r *testSetup) {
			challenge(r, 421, http.Header{"X-Hmaproxy-Error": {"host-not-allowed"}}, false)
		}, "challenge", "hmaproxy itself", "HMA_EWS_CONNECT"},
		{"wrong path", emulator.Config{}, set("HMA_EWS_URL", "https://mail.contoso.com/EWS2/Exchange.asmx"), "acceptance", "path in HMA_EWS_URL is wrong", "HMA_EWS_URL=https://mail.contoso.com/EWS/Exchange.asmx"},
		{"signing keys stale", emulator.Config{}, func(r *testSetup) {
			if _, err := r.e.Entra().Grant("https://mail.contoso.com"); err != nil {
				r.t.Fatal(err)
			}
			r.e.Entra().RollSigningKey()
		}, "acceptance", "key that signed the token", "RefreshAuthMetadata"},
		{"audience compared with another name", emulator.Config{}, refusal(2000003, "invalid_resource", "The hostname component of the audience claim value is invalid. Expected 'https://ex01.corp.contoso.com'. Actual 'https://mail.contoso.com'."), "acceptance", "audience", "HMA_RESOURCE_ID"},
		{"token takes for expired", emulator.Config{}, refusal(2000002, "token_expired", "The token has expired."), "acceptance", "expired", "clocks|w32tm"},
		{"reason that echoes the token", emulator.Config{}, func(r *testSetup) {
			refusal(2000001, "invalid_token", "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln "+vaultSecret)(r)
		}, "acceptance", "kind of token", "."},
		{"Exchange Online", emulator.Config{ExchangeURL: "https://outlook.office365.com"}, func(r *testSetup) { challenge(r, 403, nil, true) }, "challenge", "2026-10-01.*2027-04-01", "Graph"},
		{"throttled", emulator.Config{}, func(r *testSetup) { challenge(r, 429, nil, false) }, "challenge", "limits the rate", "try again"},
		{"reasonless refusal", emulator.Config{}, func(r *testSetup) {
			r.e.Exchange().InjectWhile(func() bool { return true }, emulator.Fault{
				Match:  func(req *http.Request) bool { return len(req.Header.Get("Authorization")) > 20 },
				Status: 401, Header: http.Header{"Www-Authenticate": {"Negotiate"}},
			})
		}, "acceptance", "offers no bearer authentication", "Get-WebServicesVirtualDirectory"},
		{"page of a load balancer", emulator.Config{}, func(r *testSetup) {
			r.e.Exchange().InjectWhile(func() bool { return true }, emulator.Fault{
				Match:  func(req *http.Request) bool { return len(req.Header.Get("Authorization")) > 20 },
				Status: 200, Body: "<html>maintenance</html>",
			})
		}, "acceptance", "not EWS", "."},
		{"mailbox unknown", emulator.Config{}, func(r *testSetup) { r.opts.Mailbox = "nobody@contoso.com" }, "mailbox", "no mailbox nobody@contoso.com", "Get-Recipient"},
		{"impersonation denied", emulator.Config{}, func(r *testSetup) { deny(r, "alice@contoso.com") }, "mailbox", "does not let the application act", "ApplicationImpersonation"},
	})
}

// TestEveryDiagnostic checks that every code of Microsoft's table has a cause of
// its own and a remedy.
func TestEveryDiagnostic(t *testing.T) {
	seen := map[string]int{}
	for _, code := range []int{2000000, 2000001, 2000002, 2000003, 2000004, 2000005, 2000006, 2000007, 2000008, 2000009, 2000010, 4000000} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTestSetup(t, emulator.Config{})
				refusal(code, "category", "a reason")(r)
				f := r.examine().first()
				if f.Check != "acceptance" || f.Cause == "" || len(f.Repair) == 0 || !strings.Contains(f.Detail, strconv.Itoa(code)) {
					t.Errorf("first is %+v", f)
				}
				if other := seen[f.Cause]; other != 0 {
					t.Errorf("the cause is that of %d", other)
				}
				seen[f.Cause] = code
			})
		})
	}
}

func TestExchangeOnlineIsRecognised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newTestSetup(t, emulator.Config{ExchangeURL: "https://outlook.office365.com"}).examine()
		if o.code != 0 || strings.Count(o.text, "2026-10-01") != 2 || strings.Count(o.text, "2027-04-01") != 2 {
			t.Errorf("exit code %d\n%s", o.code, o.text)
		}
	})
}

// refusal makes Exchange refuse tokens with a reason. The layout of the
// response is taken from Microsoft's "Instrumenting client requests for EWS and
// REST in Exchange".
func refusal(code int, category, reason string) func(*testSetup) {
	return func(r *testSetup) {
		r.e.Exchange().InjectWhile(func() bool { return true }, emulator.Fault{
			Match:  func(req *http.Request) bool { return len(req.Header.Get("Authorization")) > 20 },
			Status: 401,
			Header: http.Header{"Www-Authenticate": {goodChallenge(r)}, "X-Ms-Diagnostics": {
				strconv.Itoa(code) + `;reason="` + reason + `";error_category="` + category + `"`}},
		})
	}
}

// passwordProtected returns a PFX whose password is not certPassword. It was
// made with: openssl pkcs12 -export -passout pass:right
func passwordProtected(t *testing.T) []byte {
	t.Helper()
	pfx, err := os.ReadFile(filepath.Join("testdata", "password.pfx"))
	if err != nil {
		t.Fatal(err)
	}
	return pfx
}
