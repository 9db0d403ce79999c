package doctor_test

import (
	"net"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/doctor"
	"hmaproxy/internal/emulator"
	"hmaproxy/internal/emulator/device"
	"hmaproxy/internal/privateca"
)

// The function "behind" puts a device in front of Exchange.
func behind(name string) func(*testSetup) {
	return func(r *testSetup) { r.putDevice("mail.contoso.com:443", name) }
}

// putDevice makes a device serve an address. Exchange is behind the device.
func (r *testSetup) putDevice(address, name string) {
	r.t.Helper()
	d, err := device.Named(name)
	if err != nil {
		r.t.Fatal(err)
	}
	host, _, _ := net.SplitHostPort(address)
	l := r.listen(address)
	go r.e.ServeBehind(d, l, certKey(), host)
	r.ended = append(r.ended, func() { l.Close() })
}

// TestHandshakeFailures checks the causes of failed handshakes. In some cases doctor
// finds the cause by a second, different handshake.
func TestHandshakeFailures(t *testing.T) {
	none := emulator.Config{}
	run(t, []misconfiguration{
		{"cipher suites with RSA key exchange only", none, behind("tls-rsa-key-exchange"), "exchange", "^the server offers only cipher suites with RSA key exchange", "Enable-TlsCipherSuite.*\nuntil then set HMA_TLS_COMPATIBILITY=rsa-key-exchange"},
		{"Windows Server 2012 R2, hardened", none, behind("tls-2012r2-hardened"), "exchange", "^the server offers only cipher suites that are off.*CBC", "HMA_TLS_COMPATIBILITY=cbc"},
		{"TLS 1.0 only", none, behind("tls-1.0-only"), "exchange", "^the server speaks TLS 1.0 at most", "enable TLS 1.2"},
		{"large ClientHello reset on the way to Key Vault", none, func(r *testSetup) { r.putDevice("contoso.vault.azure.net:443", "hello-in-two-packets-reset") }, "vault", "ClientHello is larger than one packet", "GODEBUG=tlsmlkem=0"},
		{"client certificate required", none, behind("client-certificate-required"), "exchange", "wants a client certificate", "SSL Settings"},
		{"signed with SHA-1 by the device", none, behind("certificate-sha1"), "exchange", "clients refuse certificates signed with SHA-1", "New-ExchangeCertificate"},
		{"common name alone on the device", none, behind("certificate-without-san"), "exchange", "common name alone", "New-ExchangeCertificate"},
	})
}

// TestLongHelloDropped checks that doctor only warns about a device in front of
// Exchange that drops a ClientHello of two packets, because the product
// connects to Exchange in spite of such a device.
func TestLongHelloDropped(t *testing.T) {
	for _, name := range []string{"hello-in-two-packets-reset", "hello-in-two-packets-dropped"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTestSetup(t, emulator.Config{})
				behind(name)(r)
				o := r.examine()
				if got := strings.Join(o.get("exchange").Warnings, "\n"); o.code != 0 || !strings.Contains(got, "ClientHello is larger than one packet") || !strings.Contains(got, "HMA_TLS_COMPATIBILITY=classic-groups") {
					t.Errorf("exit code %d, warnings %q\n%s", o.code, got, o.text)
				}
			})
		})
	}
}

func TestUnparsableCertificate(t *testing.T) {
	t.Setenv("GODEBUG", "x509negativeserial=0")
	run(t, []misconfiguration{
		{"negative serial number", emulator.Config{}, behind("certificate-negative-serial"), "exchange", "^the certificate has a negative serial number", "GODEBUG=x509negativeserial=1"},
	})
}

// TestUnusualTLSWorks checks that doctor reports no failure for devices with which
// the product works, although their TLS is old or unusual, or they mishandle
// "Expect: 100-continue".
func TestUnusualTLSWorks(t *testing.T) {
	for _, name := range []string{"tls-2012r2-default", "certificate-negative-serial", "certificate-rsa1024", "client-certificate-accepted", "expect-417", "expect-501-kemp", "expect-swallowed"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTestSetup(t, emulator.Config{})
				behind(name)(r)
				if o := r.examine(); o.first().Check != "none" || o.get("mailbox").Status != doctor.OK {
					t.Errorf("%s failed\n%s", o.first().Check, o.text)
				}
			})
		})
	}
}

// TestExpectation checks the warnings: each names the way in which a device
// treats "Expect: 100-continue".
func TestExpectation(t *testing.T) {
	for _, c := range []struct {
		device  string
		warning string // "" for no warning
	}{
		{"tls-2012r2-default", ""}, // this device does not change HTTP
		{"expect-417", "refuses “Expect: 100-continue” with 417.*HMA_EXPECT_CONTINUE=never"},
		{"expect-501-kemp", "does not understand “Expect: 100-continue”.*501.*HMA_EXPECT_CONTINUE=never"},
		{"expect-swallowed", "swallows “Expect: 100-continue”.*HMA_EXPECT_CONTINUE=never"},
	} {
		t.Run(c.device, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTestSetup(t, emulator.Config{})
				behind(c.device)(r)
				o := r.examine()
				got := o.get("expect")
				if got.Status != doctor.OK || o.code != 0 || (c.warning == "") != (len(got.Warnings) == 0) || !regexp.MustCompile(c.warning).MatchString(strings.Join(got.Warnings, "\n")) {
					t.Errorf("exit code %d, %+v\n%s", o.code, got, o.text)
				}
			})
		})
	}
}

func TestExpectationIsNeverSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTestSetup(t, emulator.Config{})
		behind("expect-501-kemp")(r)
		r.env["HMA_EXPECT_CONTINUE"] = "never"
		o := r.examine()
		if got := o.get("expect"); o.code != 0 || got.Status != doctor.OK || len(got.Warnings) > 0 || !strings.Contains(got.Detail, "HMA_EXPECT_CONTINUE=never") {
			t.Errorf("exit code %d, %+v", o.code, got)
		}
	})
}

// TestTLSCompatibility checks that the setting in a repair makes the connection
// work.
func TestTLSCompatibility(t *testing.T) {
	for device, setting := range map[string]string{
		"tls-rsa-key-exchange":         "rsa-key-exchange",
		"tls-2012r2-hardened":          "cbc",
		"hello-in-two-packets-dropped": "classic-groups",
	} {
		t.Run(device, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTestSetup(t, emulator.Config{})
				behind(device)(r)
				r.env["HMA_TLS_COMPATIBILITY"] = setting
				o := r.examine()
				if o.code != 0 || o.first().Check != "none" || len(o.get("exchange").Warnings) > 0 {
					t.Errorf("exit code %d, %s failed\n%s", o.code, o.first().Check, o.text)
				}
				if !strings.Contains(strings.Join(o.get("configuration").Warnings, "\n"), "HMA_TLS_COMPATIBILITY") {
					t.Errorf("no warning about the setting\n%s", o.text)
				}
			})
		})
	}
}

// TestEndOfListenerCertificate checks that the end of a certificate in
// HMA_TLS_CERT_FILE is a warning and not a failure, because only connections of
// clients need this certificate.
func TestEndOfListenerCertificate(t *testing.T) {
	const day = 24 * time.Hour
	for _, tc := range []struct {
		name string
		left time.Duration
		want string // "": no warning
	}{
		{"31 days", 31 * day, ""},
		{"29 days", 29 * day, "the certificate for autodiscover.contoso.com in HMA_TLS_CERT_FILE ends in 29 days: clients will refuse to connect"},
		{"ended", -3 * day, "clients refuse to connect: the certificate for autodiscover.contoso.com in HMA_TLS_CERT_FILE ended 3 days ago"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTestSetup(t, emulator.Config{})
				b, err := privateca.Issue(privateca.Request{Names: []string{"autodiscover.contoso.com"}, Now: time.Now().Add(-5 * day), Valid: 5*day + tc.left})
				if err != nil {
					t.Fatal(err)
				}
				r.env["HMA_TLS_CERT_FILE"], r.env["HMA_TLS_KEY_FILE"] = r.file("tls.pem", b.Chain), r.file("tls.key", b.Key)
				o := r.examine()
				warnings := strings.Join(o.get("configuration").Warnings, "\n")
				if o.code != 0 || !strings.Contains(warnings, tc.want) || tc.want == "" && strings.Contains(warnings, "HMA_TLS_CERT_FILE") {
					t.Errorf("exit code %d, want the warning %q\n%s", o.code, tc.want, warnings)
				}
			})
		})
	}
}

// TestEveryDevice checks the outcome for every device in the emulator's table.
func TestEveryDevice(t *testing.T) {
	type outcome struct{ check, cause string } // check is "" for a set-up that works
	want := map[string]outcome{
		"expect-417": {}, "expect-501-kemp": {}, "expect-swallowed": {}, // see TestExpectation
		"page-200":                {"challenge", "sign-in page of a device"},
		"empty-200":               {"challenge", "is not Exchange's EWS"},
		"status-440":              {"challenge", "sign-in by form"},
		"status-404-page":         {"challenge", "no EWS under this name"},
		"redirect-owa":            {"challenge", "pre-authentication"},
		"401-negotiate-only":      {"challenge", "OAuth is switched off"},
		"401-forms":               {"challenge", "asks for credentials of its own"},
		"head-space-before-colon": {}, "head-latin1": {}, "head-folded": {}, "head-no-reason": {}, "head-cl-twice": {}, "head-cl-and-te": {},
		"head-lf": {}, "head-http10": {}, "head-unasked-100": {}, "head-trailing-crlf": {},
		"head-nocolon": {"exchange", "not HTTP"},
		"expect-400":   {}, "expect-411": {}, "expect-closes": {}, "expect-page": {}, "expect-late": {}, "expect-100-twice": {},
		"413-before-body": {}, "413-in-body": {}, "413-and-reset": {}, "closes-after-head": {"acceptance", "drops requests with a token or a body"},
		"tls-h2-only": {}, "tls-unrecognized-name": {"exchange", "no site of this name"}, "tls-not": {"exchange", "plain HTTP"}, "tls-small-records": {},
		"head-interim": {}, "head-te-capitals": {}, "head-without-length": {}, "head-many-cookies": {},
		"head-huge": {"exchange", "hangs or is starting"}, "head-nul": {"exchange", "not HTTP"}, "head-http2-line": {"exchange", "not HTTP"},
		"certificate-expired": {"exchange", "has expired or is not valid yet"}, "certificate-not-yet-valid": {"exchange", "has expired or is not valid yet"}, "certificate-for-clients": {"exchange", "server authentication"},
		"certificate-other-name": {"exchange", "is for another host"}, "certificate-wildcard": {}, "certificate-zero-serial": {}, "certificate-p521": {},
		"certificate-without-intermediate": {"exchange", "Contoso Issuing CA"}, "certificate-chain-disordered": {},
		"tls-rsa-key-exchange":         {"exchange", "RSA key exchange"},
		"tls-2012r2-hardened":          {"exchange", "CBC"},
		"tls-2012r2-default":           {},
		"tls-1.0-only":                 {"exchange", "TLS 1.0 at most"},
		"hello-in-two-packets-reset":   {}, // see TestLongHelloDropped
		"hello-in-two-packets-dropped": {},
		"client-certificate-accepted":  {},
		"client-certificate-required":  {"exchange", "client certificate"},
		"certificate-negative-serial":  {}, // see TestUnparsableCertificate
		"certificate-sha1":             {"exchange", "SHA-1"},
		"certificate-without-san":      {"exchange", "common name alone"},
		"certificate-rsa1024":          {},
	}
	for _, d := range device.Table() {
		t.Run(d.Name, func(t *testing.T) {
			expected, known := want[d.Name]
			if !known {
				t.Fatalf("no outcome is expected of %s", d.Name)
			}
			synctest.Test(t, func(t *testing.T) {
				r := newTestSetup(t, emulator.Config{})
				behind(d.Name)(r)
				o := r.examine()
				first := o.first()
				if expected.check == "" {
					expected.check = "none"
				}
				if first.Check != expected.check || !strings.Contains(first.Cause, expected.cause) {
					t.Errorf("first is %+v\n%s", first, o.text)
				}
			})
		})
	}
}
