package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"hmaproxy/internal/config"
)

// testFacts returns the facts of a configuration for which nothing was
// gathered.
func testFacts(t *testing.T, environ ...string) *facts {
	t.Helper()
	c, err := config.Load(append([]string{
		"HMA_EWS_URL=https://mail.contoso.com/EWS/Exchange.asmx",
		"HMA_TENANT_ID=0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e47",
		"HMA_APP_ID=6a1de0b4-41c7-4c2f-8f5d-93f0b7a2d611",
		"HMA_KEY_VAULT_URI=https://contoso.vault.azure.net",
		"HMA_KEY_VAULT_CERT_NAME=HMA-Cert",
		"HMA_KEY_VAULT_APP_ID=b87c2d35-0e94-4f6a-a1c8-5d7e3b9f0a26",
		"HMA_KEY_VAULT_CLIENT_SECRET=Kv8~canary-client-secret-7f3a",
	}, environ...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return newFacts(Options{Config: c})
}

// TestRenegotiation checks the result for a server that asks for TLS renegotiation.
// The test uses the error of the product's transport, because Go's TLS server
// cannot ask for renegotiation.
func TestRenegotiation(t *testing.T) {
	f := testFacts(t)
	u, err := url.Parse("https://mail.contoso.com/EWS/Exchange.asmx")
	if err != nil {
		t.Fatal(err)
	}
	r := evaluateFailure(f, connection{
		target:    target{url: u, variable: "HMA_EWS_URL", exchange: true},
		route:     route{connected: true},
		handshake: handshake{begun: true, version: 0x0303, wantsCertificate: true},
		err:       errors.New("upstream: local error: tls: no renegotiation"),
	})
	if !strings.Contains(r.Detail, "asks for TLS renegotiation") || !strings.Contains(r.Cause, "client certificate by renegotiation") || !strings.Contains(strings.Join(r.Repair, " "), "SSL Settings") {
		t.Errorf("got %+v", r)
	}
}

// TestEveryRuleHasACause checks that every rule has a cause and a repair, and that
// every word in braces is replaced. The cases of the other tests do not reach every
// rule.
func TestEveryRuleHasACause(t *testing.T) {
	f := testFacts(t)
	u, err := url.Parse("https://mail.contoso.com/EWS/Exchange.asmx")
	if err != nil {
		t.Fatal(err)
	}
	fc := failedConnection{conn: connection{target: target{url: u, variable: "HMA_EWS_URL", exchange: true}}, facts: f, dns: &net.DNSError{Name: "mail.contoso.com"}}
	n := untrusted{conn: fc.conn, facts: f, leaf: new(x509.Certificate), top: new(x509.Certificate)}.names(fc.names())
	for _, word := range []string{ // words whose values the checks add
		"{no-identity}", "{auth}", "{code}", "{meaning}", "{login-host}", "{login-remedy}", "{remedy}", "{version-option}",
		"{not-before}", "{now}", "{why}", "{tenant-id}", "{redirect-host}", "{redirect-path}", "{server}", "{other-server}",
		"{expected}", "{status}", "{mailbox}", "{app}",
	} {
		n = n.with(word, "x")
	}
	tables := map[string][]explanation{
		"idMistakes": explanations(idMistakes), "proxyFailures": explanations(proxyFailures), "nameFailures": explanations(nameFailures),
		"unreachableHosts": explanations(unreachableHosts), "handshakeFailures": explanations(handshakeFailures),
		"oldTLSRules": explanations(oldTLSRules), "unparsableCertificates": explanations(unparsableCertificates),
		"trustRules": explanations(trustRules), "loginFailures": explanations(loginFailures),
		"unknownLoginFailures": explanations(unknownLoginFailures), "closedVault": explanations(closedVault),
		"forbiddenSecrets": explanations(forbiddenSecrets), "secretFailures": explanations(secretFailures),
		"certificateRules": explanations(certificateRules), "tokenFailures": explanations(tokenFailures),
		"claimRules": explanations(claimRules), "challengeRules": explanations(challengeRules),
		"foreignResponses": explanations(foreignResponses), "responsesWithToken": explanations(responsesWithToken),
		"tokenRefusals": explanations(tokenRefusals),
		"alertRules":    codeExplanations(alertRules), "signingFailures": codeExplanations(signingFailures), "getFolderCodes": codeExplanations(getFolderCodes),
	}
	for table, all := range tables {
		for _, e := range all {
			r := n.failed("observed", e)
			text := strings.Join(append([]string{r.Detail, r.Cause}, r.Repair...), "\n")
			if word := regexp.MustCompile(`\{[a-z0-9-]+\}`).FindString(text); word != "" || r.Cause == "" || len(r.Repair) == 0 {
				t.Errorf("%s: %q is left, or there is no cause or repair: %+v", table, word, r)
			}
		}
	}
	for _, r := range aadstsRepairs {
		for _, line := range codeRepairs(r.codes[0], "", "{hma-app}") {
			if text := n.expand(line); strings.Contains(text, "{") && !strings.Contains(text, "ServicePrincipalNames") {
				t.Errorf("%d: %q", r.codes[0], text)
			}
		}
	}
}

func explanations[T any](rules []rule[T]) []explanation {
	var all []explanation
	for _, r := range rules {
		all = append(all, explanation{r.detail, r.cause, r.repair})
	}
	return all
}

func codeExplanations[C comparable](rules []codeRule[C]) []explanation {
	var all []explanation
	for _, r := range rules {
		all = append(all, explanation{cause: r.cause, repair: r.repair})
	}
	return all
}

// TestNoCommonTLS checks the cause and repair if the server has no cipher suite or
// no TLS version in common with hmaproxy. The test uses the alerts of openssl
// s_server, because Go's TLS server cannot offer suites that hmaproxy lacks.
func TestNoCommonTLS(t *testing.T) {
	f := testFacts(t)
	for _, c := range []struct {
		name   string
		alert  uint8
		cause  string
		repair string
	}{
		{"no common cipher suite", alertHandshakeFailure, "no cipher suite in common", "Enable-TlsCipherSuite"},
		{"no common version", alertProtocolVersion, "no TLS version that hmaproxy does", "enable TLS 1.2"},
	} {
		r := evaluateFailure(f, connection{
			target:    target{url: f.config.EWS.URL, variable: "HMA_EWS_URL", exchange: true},
			route:     route{connected: true},
			handshake: handshake{begun: true},
			err:       &net.OpError{Op: "remote error", Err: tls.AlertError(c.alert)},
		})
		if !strings.Contains(r.Cause, c.cause) || !strings.Contains(strings.Join(r.Repair, " "), c.repair) || strings.Contains(strings.Join(r.Repair, " "), "HMA_TLS_COMPATIBILITY") {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
}
