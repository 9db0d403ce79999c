package app

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/emulator/device"
	"hmaproxy/internal/memnet"
)

// The cases of this file come from public reports about EWS clients, devices in
// front of Exchange, and proxies.

// A fieldRequest is a client's raw request.
type fieldRequest struct {
	name     string
	file     string   // file in testdata/field; "" means that it has the case's name
	settings []string // settings in addition to the allow-list
	want     string   // "served", "forwarded", or the reason of the refusal
	header   string   // text that Exchange must not receive; "" for none
}

func fieldRequests() []fieldRequest {
	const defaultMailbox = "HMA_DEFAULT_MAILBOX=alice@contoso.com"
	return []fieldRequest{
		{name: "plain", want: "served"},
		{name: "thunderbird", settings: []string{defaultMailbox}, want: "served", header: "Sec-Fetch-Site"},
		{name: "asterisk", settings: []string{defaultMailbox}, want: "served"},
		{name: "go-ews", want: "served"},
		{name: "qt-writer", want: "served"},
		{name: "char-ffff", want: "envelope-refused"},
		{name: "charref-0b", want: "envelope-refused"},
		{name: "lt-in-attribute", want: "envelope-refused"},
		{name: "trailing-blank", want: "served"},
		{name: "cookie-equals", want: "served"},
		{name: "unknown-operation", want: "operation-not-allowed"},
		{name: "push", want: "operation-not-allowed"},
		{name: "push-lifted", file: "push", settings: []string{"HMA_ALLOWED_OPERATIONS=+Subscribe:Push"}, want: "forwarded"}, // the emulator has no push subscriptions
		{name: "public-folder", want: "anchor-not-allowed", header: "X-PublicFolderMailbox"},
		{name: "axis1", want: "served"},
		{name: "axis-next", want: "served"},
		{name: "jaxws-nil", want: "served"},
		{name: "xsi-type", want: "envelope-refused"},
		{name: "utf16-declared", want: "envelope-refused"},
		{name: "kerberos-64k", want: "served", header: "Negotiate"},
		{name: "listen-127.0.0.2", file: "listen-host", settings: []string{"HMA_LISTEN=127.0.0.2:8080"}, want: "served"},
		{name: "exchangelib-5.6-wrong-path", file: "trailing-slash", want: "path"},
	}
}

// text returns the bytes of the request.
func (f fieldRequest) text(t *testing.T, address string) string {
	t.Helper()
	name := cmp.Or(f.file, f.name)
	if name == "kerberos-64k" { // a simple request with a very large Kerberos ticket
		text := strings.Replace(read(t, "testdata/field/plain.http"), "Content-Length:", "Authorization: Negotiate "+strings.Repeat("A", 60<<10)+"\nContent-Length:", 1)
		return f.fill(text, address)
	}
	return f.fill(read(t, filepath.Join("testdata/field", name+".http")), address)
}

func (f fieldRequest) fill(text, address string) string {
	head, body, _ := strings.Cut(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n")
	_, port, _ := net.SplitHostPort(address)
	head = strings.NewReplacer("{HOST}", address, "{PORT}", port, "{LEN}", fmt.Sprint(len(body)), "\n", "\r\n").Replace(head)
	return head + "\r\n\r\n" + body
}

var responseCode = regexp.MustCompile(`ResponseCode[^>]*>(\w+)<`)

func TestFieldRequests(t *testing.T) {
	for _, f := range fieldRequests() {
		t.Run(f.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := startTestProduct(t, append([]string{"HMA_ALLOWED_MAILBOXES=alice@contoso.com"}, f.settings...)...).settle()
				defer s.close()
				s.emu.Exchange().ClearHops()
				conn, err := s.memory.DialContext(t.Context(), "tcp", s.clients)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				go io.WriteString(conn, f.text(t, s.clients))
				resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: "POST"})
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(resp.Body)
				synctest.Wait()
				hops := s.emu.Exchange().Hops()
				switch f.want {
				case "served":
					code := responseCode.FindStringSubmatch(string(body))
					if resp.StatusCode != 200 || code == nil || code[1] != "NoError" || len(hops) != 1 {
						t.Errorf("%d %s %s; Exchange was asked %d times", resp.StatusCode, resp.Header, body, len(hops))
					}
				case "forwarded":
					if resp.StatusCode != 200 || len(hops) != 1 || resp.Header.Get("X-Hmaproxy-Error") != "" {
						t.Errorf("%d %s %s; Exchange was asked %d times", resp.StatusCode, resp.Header, body, len(hops))
					}
				default:
					if got := resp.Header.Get("X-Hmaproxy-Error"); got != f.want || len(hops) != 0 {
						t.Errorf("%d %q, want a refusal for %s; Exchange was asked %d times", resp.StatusCode, got, f.want, len(hops))
					}
					if resp.Close {
						t.Error("the connection of a well-formed POST was closed, which some clients take for throttling")
					}
				}
				for _, h := range hops {
					var header bytes.Buffer
					_ = h.Header.Write(&header)
					if f.header != "" && strings.Contains(header.String(), f.header) {
						t.Errorf("Exchange got %s", f.header)
					}
				}
			})
		})
	}
}

// A fieldDevice is a device in front of Exchange.
type fieldDevice struct {
	name     string
	fault    *emulator.Fault // replaces the device of package device that has this name; nil: that device
	settings []string
	size     int    // size of the message; the default is a small request
	want     string // "served", or the reason of the failure
	code     string // response code of the fault; "" means ErrorServerBusy
	says     string // further text in the log line
}

const page = "<html><head><title>Sign in</title></head><body></body></html>"

// responds returns a device that responds in place of Exchange.
func responds(status int, contentType, body string, header ...string) *emulator.Fault {
	h := http.Header{"Content-Type": nil} // the nil value prevents net/http from adding a Content-Type
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	for i := 0; i < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	return &emulator.Fault{Status: status, Header: h, Body: body}
}

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.String()
}

func fieldDevices() []fieldDevice {
	const transient, long = "ErrorInternalServerTransientError", 600_000
	refused := func(challenge ...string) *emulator.Fault {
		f := responds(401, "text/html", page)
		f.Header["Www-Authenticate"] = challenge
		return f
	}
	return []fieldDevice{
		{name: "expect-417", size: long, want: "served"},
		{name: "expect-501-kemp", size: long, want: "served"},
		{name: "expect-swallowed", size: long, want: "served"},
		{name: "page-200", want: "upstream-not-ews", says: "Sign in"},
		{name: "empty-200", want: "upstream-not-ews"},
		{name: "status-440", want: "upstream-not-ews", says: "status 440"},
		{name: "status-404-page", want: "upstream-not-ews", code: "ErrorInternalServerError", says: "status 404"},
		{name: "status-503", fault: responds(503, "text/html", page, "Retry-After", "30"), want: "upstream-not-ews", says: "status 503"},
		{name: "redirect-owa", want: "upstream-redirect", code: transient},
		{name: "401-negotiate-only", want: "upstream-401", says: "bearer"},
		{name: "401-forms", want: "upstream-401", says: "bearer"},
		{name: "tls-rsa-key-exchange", want: "upstream-unreachable", says: "handshake"},
		{name: "tls-rsa-key-exchange, with the setting", settings: []string{"HMA_TLS_COMPATIBILITY=rsa-key-exchange"}, want: "served"},
		{name: "tls-2012r2-hardened", want: "upstream-unreachable", says: "handshake"},
		{name: "tls-2012r2-hardened, with the setting", settings: []string{"HMA_TLS_COMPATIBILITY=cbc"}, want: "served"},
		{name: "tls-2012r2-default", want: "served"},
		{name: "tls-1.0-only", want: "upstream-unreachable", says: "protocol version"},
		{name: "hello-in-two-packets-reset", want: "served"},
		{name: "hello-in-two-packets-dropped", want: "served"},
		{name: "client-certificate-accepted", want: "served"},
		{name: "client-certificate-required", want: "upstream-unreachable"},
		{name: "certificate-negative-serial", want: "served"},
		{name: "certificate-sha1", want: "upstream-unreachable", says: "SHA1"},
		{name: "certificate-without-san", want: "upstream-unreachable", says: "Common Name"},
		{name: "certificate-rsa1024", want: "served"},
		{name: "head-space-before-colon", want: "served"},
		{name: "head-latin1", want: "served"},
		{name: "head-folded", want: "served"},
		{name: "head-no-reason", want: "served"},
		{name: "head-cl-twice", want: "served"},
		{name: "head-cl-and-te", want: "served"},
		{name: "head-lf", want: "served"},
		{name: "head-http10", want: "served"},
		{name: "head-unasked-100", want: "served"},
		{name: "head-trailing-crlf", want: "served"},
		{name: "head-nocolon", want: "upstream-broken", code: transient},

		{name: "expect-400", size: long, want: "served"},
		{name: "expect-411", size: long, want: "served"},
		{name: "expect-closes", size: long, want: "served"},
		{name: "expect-page", size: long, want: "served"},
		{name: "expect-late", size: long, want: "served"},
		{name: "expect-100-twice", size: long, want: "served"},
		{name: "413-before-body", want: "served"},
		{name: "413-before-body, large", size: long, want: "upstream-not-ews", code: "ErrorMessageSizeExceeded", says: "Too Large"},
		{name: "413-in-body", size: long, want: "upstream-not-ews", code: "ErrorMessageSizeExceeded", says: "Too Large"},
		{name: "413-and-reset", size: long, want: "upstream-broken", code: transient},
		{name: "closes-after-head", want: "upstream-broken", code: transient},
		{name: "closes-after-head, large", size: long, want: "upstream-broken", code: transient},
		{name: "page-200, large", size: long, want: "upstream-not-ews", says: "Sign in"},
		{name: "empty-200, large", size: long, want: "upstream-not-ews"},
		{name: "status-440, large", size: long, want: "upstream-not-ews", says: "status 440"},
		{name: "redirect-owa, large", size: long, want: "upstream-redirect", code: transient},
		{name: "401-negotiate-only, large", size: long, want: "upstream-401", says: "bearer"},
		{name: "tls-h2-only", want: "served"}, // the product offers no application protocol
		{name: "tls-unrecognized-name", want: "upstream-unreachable", says: "unrecognized name"},
		{name: "tls-not", want: "upstream-unreachable", says: "does not speak TLS"},
		{name: "tls-small-records", want: "served"},
		{name: "head-interim", want: "served"},
		{name: "head-te-capitals", want: "served"},
		{name: "head-without-length", want: "served"},
		{name: "head-many-cookies", want: "served"},
		{name: "head-huge", want: "upstream-broken", code: transient},
		{name: "head-nul", want: "upstream-broken", code: transient},
		{name: "head-http2-line", want: "upstream-broken", code: transient},
		{name: "certificate-expired", want: "upstream-unreachable", says: "renew the certificate"},
		{name: "certificate-not-yet-valid", want: "upstream-unreachable", says: "correct this machine's clock"},
		{name: "certificate-for-clients", want: "upstream-unreachable", says: "key usage"},
		{name: "certificate-other-name", want: "upstream-unreachable", says: "default.example"},
		{name: "certificate-wildcard", want: "served"},
		{name: "certificate-zero-serial", want: "served"},
		{name: "certificate-p521", want: "served"},
		{name: "certificate-without-intermediate", want: "upstream-unreachable", says: "Contoso Issuing CA"},
		{name: "certificate-chain-disordered", want: "served"},

		// Further devices, which package device does not contain.
		{name: "200, text/plain", fault: responds(200, "text/plain", "The service is unavailable."), want: "upstream-not-ews"},
		{name: "200, JSON", fault: responds(200, "application/json", `{"error":"login_required"}`), want: "upstream-not-ews"},
		{name: "200, a page without a type", fault: responds(200, "", page), want: "upstream-not-ews"},
		{name: "200, a compressed page", fault: responds(200, "text/html", zipped(page), "Content-Encoding", "gzip"), want: "upstream-not-ews", says: "Sign in"},
		{name: "200, SOAP as text/html", fault: responds(200, "text/html", "<s:Envelope/>"), want: "upstream-not-ews"},
		{name: "200, application/xhtml+xml", fault: responds(200, "application/xhtml+xml", page), want: "upstream-not-ews"},
		{name: "200, SOAP 1.2", fault: responds(200, "application/soap+xml", "<s:Envelope/>"), want: "upstream-not-ews"},
		{name: "200, MTOM", fault: responds(200, `multipart/related; type="application/xop+xml"; boundary=x`, "--x--"), want: "upstream-not-ews"},
		{name: "200, a type that begins like XML", fault: responds(200, "text/xml-external-parsed-entity", "<x/>"), want: "upstream-not-ews"},
		{name: "200, two types", fault: responds(200, "text/html", page, "Content-Type", "text/xml"), want: "upstream-not-ews"},
		{name: "200, text/xml and empty", fault: responds(200, "text/xml; charset=utf-8", ""), want: "upstream-not-ews"},
		{name: "204", fault: responds(204, "", ""), want: "upstream-not-ews"},
		{name: "302 to a sign-in host", fault: responds(302, "text/html", page, "Location", "https://login.contoso.com/adfs/ls/"), want: "upstream-redirect", code: transient},
		{name: "307", fault: responds(307, "", "", "Location", "https://mail.contoso.com/EWS/Exchange.asmx/"), want: "upstream-redirect", code: transient},
		{name: "400 of a device", fault: responds(400, "text/html", page), want: "upstream-not-ews"},
		{name: "401, Basic alone", fault: refused(`Basic realm="lb"`), want: "upstream-401", says: "bearer"},
		{name: "401, NTLM alone", fault: refused("NTLM"), want: "upstream-401", says: "bearer"},
		{name: "401 without a challenge", fault: responds(401, "text/html", page), want: "upstream-401"},
		{name: "403, a page", fault: responds(403, "text/html", page), want: "upstream-not-ews"},
		{name: "405", fault: responds(405, "text/html", page), want: "upstream-not-ews", code: "ErrorInternalServerError"},
		{name: "407", fault: responds(407, "text/html", page, "Proxy-Authenticate", "Basic"), want: "upstream-407"},
		{name: "411", fault: responds(411, "text/html", page), want: "upstream-not-ews"},
		{name: "413", fault: responds(413, "text/html", page), want: "upstream-not-ews", code: "ErrorMessageSizeExceeded"},
		{name: "413, large", fault: responds(413, "text/html", page), size: long, want: "upstream-not-ews", code: "ErrorMessageSizeExceeded"},
		{name: "429", fault: responds(429, "text/plain", "slow down"), want: "upstream-429"},
		{name: "431", fault: responds(431, "", ""), want: "upstream-not-ews"},
		{name: "500, a page", fault: responds(500, "text/html", page), want: "upstream-not-ews"},
		{name: "501, a page", fault: responds(501, "text/html", page), want: "upstream-not-ews", code: "ErrorInternalServerError"},
		{name: "502", fault: responds(502, "text/html", page), want: "upstream-502"},
		{name: "503, empty", fault: responds(503, "", ""), want: "upstream-not-ews"},
		{name: "504", fault: responds(504, "", ""), want: "upstream-504"},
		{name: "200, a page as text/xml", fault: responds(200, "text/xml", page), want: "upstream-not-ews", says: "Sign in"},
		{name: "200, a page with a doctype as text/xml", fault: responds(200, "text/xml; charset=utf-8", "\r\n<!DOCTYPE html>\r\n"+page), want: "upstream-not-ews"},
		{name: "200, XHTML as text/xml", fault: responds(200, "text/xml", `<?xml version="1.0"?><!-- gateway --><html xmlns="http://www.w3.org/1999/xhtml"><head><title>Sign in</title></head></html>`), want: "upstream-not-ews"},
		{name: "500, XML other than SOAP", fault: responds(500, "text/xml", `<?xml version="1.0" encoding="utf-8"?><error><code>1</code></error>`), want: "upstream-not-ews"},
		{name: "503, text as text/xml", fault: responds(503, "text/xml", "The service is unavailable."), want: "upstream-not-ews"},
		{name: "200, JSON as text/xml", fault: responds(200, "text/xml", `{"error":"login_required"}`), want: "upstream-not-ews"},
		{name: "200, white space as text/xml", fault: responds(200, "text/xml", "\r\n"), want: "upstream-not-ews"},
		{name: "200, a compressed page as text/xml", fault: responds(200, "text/xml", zipped(page), "Content-Encoding", "gzip"), want: "upstream-not-ews"},
		{name: "200, text/xml before another type", fault: responds(200, "text/xml", page, "Content-Type", "text/html"), want: "upstream-not-ews"},
		{name: "200, two types in one line", fault: responds(200, "text/xml, text/html", page), want: "upstream-not-ews"},
		{name: "500, text/xml and empty", fault: responds(500, "text/xml", ""), want: "upstream-not-ews"},
		{name: "500, empty", fault: responds(500, "", ""), want: "upstream-not-ews"},
		{name: "503, a page as text/xml", fault: responds(503, "text/xml", page), want: "upstream-not-ews"},
		{name: "200, a long title", fault: responds(200, "text/html", "<title>"+strings.Repeat("long ", 100_000)), want: "upstream-not-ews", says: "long long"},
		{name: "200, a title with a script", fault: responds(200, "text/html", "<title>a\x1b[2J\r\n\u202e<script>alert(1)</script></title>"), want: "upstream-not-ews", says: "a?[2J ?"},
		{name: "200, a title in UTF-16", fault: responds(200, "text/html; charset=utf-16", "\xff\xfe<\x00t\x00i\x00t\x00l\x00e\x00>\x00a\x00"), want: "upstream-not-ews"},
		{name: "200, a page of 100 MB", fault: &emulator.Fault{Status: 200, Header: http.Header{"Content-Type": {"text/html"}}, Filler: 100 << 20}, want: "upstream-not-ews"},
		{name: "203", fault: responds(203, "text/html", page), want: "upstream-not-ews"},
		{name: "206", fault: responds(206, "text/html", page), want: "upstream-not-ews"},
		{name: "301", fault: responds(301, "text/html", page, "Location", "http://mail.contoso.com/EWS/Exchange.asmx"), want: "upstream-redirect", code: transient},
		{name: "303 to a sign-in page", fault: responds(303, "", "", "Location", "/my.policy"), want: "upstream-redirect", code: transient},
		{name: "304", fault: responds(304, "", ""), want: "upstream-redirect", code: transient},
		{name: "302 without a location", fault: responds(302, "text/html", page), want: "upstream-redirect", code: transient},
		{name: "401, four challenges", fault: refused("Negotiate", "NTLM", `Bearer client_id="00000002-0000-0ff1-ce00-000000000000"`, `Basic realm="x"`), want: "upstream-401"},
		{name: "401, challenges in one line", fault: refused(`Basic realm="x", Bearer error="invalid_token"`), want: "upstream-401"},
		{name: "403 with a bearer challenge", fault: responds(403, "text/html", page, "Www-Authenticate", `Bearer error="insufficient_scope"`), want: "upstream-401"},
		{name: "408", fault: responds(408, "text/html", page), want: "upstream-not-ews"},
		{name: "416", fault: responds(416, "text/html", page), want: "upstream-not-ews"},
		{name: "418", fault: responds(418, "text/html", page), want: "upstream-not-ews"},
		{name: "505", fault: responds(505, "text/html", page), want: "upstream-not-ews"},
		{name: "520 of a content network", fault: responds(520, "text/html", page, "Server", "cloudflare"), want: "upstream-not-ews", says: "cloudflare"},
	}
}

func TestFieldDevices(t *testing.T) {
	for _, d := range fieldDevices() {
		t.Run(d.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestProduct(t, emulator.Config{})
				s.env["HMA_ALLOWED_MAILBOXES"] = "alice@contoso.com"
				for _, setting := range d.settings {
					name, value, _ := strings.Cut(setting, "=")
					s.env[name] = value
				}
				if d.fault == nil {
					name, _, _ := strings.Cut(d.name, ",")
					s.putDevice(name)
				}
				s.start()
				defer s.close()
				if d.fault != nil {
					s.settle()
					always(s.emu.Exchange().Service, *d.fault)
				}
				s.log.take()
				ask := askFolder
				if d.size > 0 {
					ask = create("long", strings.Repeat("QUJD", d.size/4))
				}
				got := s.send(t.Context(), ask)
				line := s.log.take()
				defer time.Sleep(20 * time.Second) // devices wait before they end a connection with an unread body
				if d.want == "served" {
					if !got.ok() {
						t.Errorf("%d %v %s\n%s", got.status, got.err, got.text, line)
					}
					return
				}
				code, want := responseCode.FindStringSubmatch(got.text), cmp.Or(d.code, "ErrorServerBusy")
				if got.status != 500 || got.header.Get("X-Hmaproxy-Error") != d.want || got.header.Get("Content-Type") != "text/xml; charset=utf-8" || code == nil || code[1] != want {
					t.Errorf("%d %v %q %s; want %s for %s", got.status, got.err, got.header.Get("X-Hmaproxy-Error"), got.text, want, d.want)
				}
				if described := describeLine(line); !strings.HasPrefix(described, "WARN "+d.want) || !strings.Contains(line, d.says) {
					t.Errorf("the log says %q, want a warning for %s with %q\n%s", described, d.want, d.says, line)
				}
			})
		})
	}
}

// putDevice puts a device in front of Exchange.
func (s *testProduct) putDevice(name string) {
	s.t.Helper()
	d, err := device.Named(name)
	if err != nil {
		s.t.Fatal(err)
	}
	exchange := strings.TrimPrefix(s.emu.Exchange().URL(), "https://")
	host, _, err := net.SplitHostPort(exchange)
	if err != nil {
		host = exchange
	}
	l := memnet.NewListener(&net.TCPAddr{IP: net.IPv4(203, 0, 113, 7), Port: 443})
	go s.emu.ServeBehind(d, l, testKeys[0](), host)
	s.t.Cleanup(func() { l.Close() })
	s.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if dialled, _, err := net.SplitHostPort(address); err == nil && dialled == host {
			return l.DialContext(ctx, network, address)
		}
		return s.emu.DialContext(ctx, network, address)
	}
}

// TestVaultPermissionArrivesLate checks that the product is ready within 15 s
// after a role assignment in the vault has taken effect. In Azure that takes
// minutes.
func TestVaultPermissionArrivesLate(t *testing.T) {
	for _, delay := range []time.Duration{30 * time.Second, 10 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			s := newTestProduct(t, emulator.Config{})
			var agreed atomic.Bool
			s.emu.KeyVault().InjectWhile(func() bool { return !agreed.Load() }, emulator.Fault{Status: 403, Header: http.Header{"Content-Type": {"application/json"}},
				Body: `{"error":{"code":"Forbidden","message":"Caller is not authorized to perform action on resource.","innererror":{"code":"ForbiddenByRbac"}}}`})
			s.start()
			defer s.close()
			time.Sleep(delay)
			if got := s.probe("/ready"); got.status == 200 || !strings.Contains(s.log.text(), "ForbiddenByRbac") {
				t.Errorf("after %v: /ready responds %d; log:\n%s", delay, got.status, s.log.text())
			}
			agreed.Store(true)
			time.Sleep(15 * time.Second)
			if got := s.probe("/ready"); got.status != 200 {
				t.Errorf("15 s after the permission works: %d %s", got.status, got.text)
			}
		})
	}
}

// elsewhereTested contains the cases that tests of other packages cover. The
// values are the folder of the test, and its name or a part of its scenario's name.
var elsewhereTested = map[string][2]string{
	"renegotiation":           {"../upstream", "TestRenegotiation"}, // with OpenSSL: Go's server does not renegotiate
	"doctor-rsa-key-exchange": {"../doctor", "TestHandshakeFailures"},
	"doctor-large-hello":      {"../doctor", "TestLongHelloDropped"},
	"doctor-negative-serial":  {"../doctor", "TestUnparsableCertificate"},
	"pfx-negative-serial":     {"../../certsource", "TestFileWithNegativeSerialNumber"},
	"ca-file-bom-two":         {"../config", "TestCAFilesAsTheyAreFound"},
	"ca-file-bom-one":         {"../config", "TestCAFilesAsTheyAreFound"},
	"ca-file-crlf":            {"../config", "TestCAFilesAsTheyAreFound"},
	"old-tls-client":          {"../listener", "TestFailedHandshakesAreLogged"},
	"davmail-417":             {"../../test/interop", "large mail behind a device"},
	"thunderbird-live":        {"../../test/interop", "Thunderbird: "},
}

// TestEveryFieldCase fails for cases and devices that no test covers.
func TestEveryFieldCase(t *testing.T) {
	tested := map[string]bool{"vault-rbac-delay": true} // covered by TestVaultPermissionArrivesLate
	for _, f := range fieldRequests() {
		tested[f.name] = true
	}
	for _, d := range fieldDevices() {
		tested[d.name] = true
	}
	for name, where := range elsewhereTested {
		tested[name] = true
		if !mentioned(t, where[0], where[1]) {
			t.Errorf("%s: %s is not in %s", name, where[1], where[0])
		}
	}
	for _, d := range device.Table() {
		if !tested[d.Name] {
			t.Errorf("no test runs the device %s", d.Name)
		}
	}
	index, err := os.ReadFile("../../../shared/field/index.tsv") // this folder is not part of the repository
	if err != nil {
		t.Log("NOT CHECKED: the collection of cases is not here")
		return
	}
	for line := range strings.Lines(string(index)) {
		if name, _, _ := strings.Cut(line, "\t"); name != "case" && !tested[name] {
			t.Errorf("no test runs the case %s", name)
		}
	}
}

// mentioned reports whether a Go file of a folder contains a word.
func mentioned(t *testing.T, dir, word string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file, "field_test.go") && strings.Contains(read(t, file), word) {
			return true
		}
	}
	return false
}
