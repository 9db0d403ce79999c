package app

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/emulator"
)

var updateFaults = flag.Bool("update-faults", false, "write docs/faults.md")

const faultsDocument = "../../docs/faults.md"

// A brokenCase is one row of docs/faults.md.
type brokenCase struct {
	name    string
	prepare func(h *testProduct) // runs before the start; nil: nothing
	fault   func(h *testProduct) // nil: the request itself is the fault
	send    func(h *testProduct) response
}

// After always(s, f), the fault f applies to every request that s receives.
func always(s *emulator.Service, f emulator.Fault) {
	s.InjectWhile(func() bool { return true }, f)
}

func exchangeFault(f emulator.Fault) func(*testProduct) {
	return func(h *testProduct) { always(h.emu.Exchange().Service, f) }
}

// exchangeResponds returns a function that makes Exchange respond to every request
// with status and body. Unless contentType is "", it is the Content-Type. header
// contains names and values of further header fields in turn.
func exchangeResponds(status int, contentType, body string, header ...string) func(*testProduct) {
	h := http.Header{}
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return exchangeFault(emulator.Fault{Status: status, Header: h, Body: body})
}

// soapFault returns a function that makes Exchange respond to every request with a SOAP
// fault. code is the fault's response code.
func soapFault(code string) func(*testProduct) {
	const form = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode xmlns:a="http://schemas.microsoft.com/exchange/services/2006/types">a:%[1]s</faultcode><faultstring>text</faultstring><detail><e:ResponseCode xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">%[1]s</e:ResponseCode></detail></s:Fault></s:Body></s:Envelope>`
	return exchangeResponds(500, "text/xml; charset=utf-8", fmt.Sprintf(form, code))
}

// The function "without" returns a function that calls strike and then waits until the
// token has expired. strike makes Entra ID or Key Vault fail.
func without(strike func(h *testProduct)) func(*testProduct) {
	return func(h *testProduct) {
		strike(h)
		time.Sleep(90 * time.Minute)
	}
}

// request returns a function that sends a request to the clients' listener. The
// pairs in header replace or add header fields.
func request(method, path, body string, header ...string) func(*testProduct) response {
	return func(h *testProduct) response {
		r, err := http.NewRequest(method, "http://"+h.clients+path, strings.NewReader(body))
		if err != nil {
			return response{err: err}
		}
		r.Header.Set("Content-Type", "text/xml; charset=utf-8")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return h.do(r)
	}
}

// sendAndCancel sends a request and cancels it after a minute.
func sendAndCancel(h *testProduct) response {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return h.send(ctx, askFolder)
}

func brokenCases(t *testing.T) []brokenCase {
	const ews, page = "/EWS/Exchange.asmx", "<html><head><title>Sign in</title></head></html>"
	alice := envelopeWith(askFolder)
	list, lost := writeFile(t, "alice@contoso.com\n"), writeFile(t, "alice@contoso.com\n")
	line := "crm:" + hashOf(t, "right") + " alice@contoso.com\n"
	users, cut := writeFile(t, line), writeFile(t, line)
	return []brokenCase{
		{name: "Exchange refuses connections", fault: func(h *testProduct) { h.emu.Exchange().Stop() }},
		{name: "Exchange closes connections without a response", fault: exchangeFault(emulator.Fault{Drop: true})},
		{name: "Exchange never responds", fault: exchangeFault(emulator.Fault{Hang: true}), send: sendAndCancel},
		{name: "Exchange breaks its response off", fault: exchangeFault(emulator.Fault{TruncateAt: 40})},
		{name: "IIS responds 503", fault: exchangeResponds(503, "text/html", "Service Unavailable")},
		{name: "IIS responds 500 with a page", fault: exchangeResponds(500, "text/html", "<title>Runtime Error</title>")},
		{name: "IIS responds 403 with a page", fault: exchangeResponds(403, "text/html", "<title>403 - Forbidden</title>")},
		{name: "IIS responds 404 with a page", fault: exchangeResponds(404, "text/html", "<title>404</title>")},
		{name: "IIS responds 413", fault: exchangeResponds(413, "text/html", "<title>413</title>")},
		{name: "a device responds 200 with a sign-in page", fault: exchangeResponds(200, "text/html", page)},
		{name: "a device responds 200 without a body", fault: exchangeResponds(200, "", "")},
		{name: "a device responds 440 with a sign-in page", fault: exchangeResponds(440, "text/html", page)},
		{name: "a device redirects to its sign-in page", fault: exchangeResponds(302, "", "", "Location", "https://login.contoso.com/")},
		{name: "a device responds 407", fault: exchangeResponds(407, "text/html", "x")},
		{name: "a device responds 429", fault: exchangeResponds(429, "text/html", "x")},
		{name: "a device responds 502", fault: exchangeResponds(502, "text/html", "x")},
		{name: "a device responds 504", fault: exchangeResponds(504, "text/html", "x")},
		{name: "Exchange refuses every token", fault: exchangeResponds(401, "", "", "Www-Authenticate", "Bearer", "X-Ms-Diagnostics", `2000003;reason="The hostname component of the audience claim value is invalid.";error_category="invalid_resource"`)},
		{name: "Exchange throttles", fault: soapFault("ErrorServerBusy")},
		{name: "a mailbox was moved to Exchange Online", fault: soapFault("ErrorNonExistentMailbox")},
		{name: "a mailbox is named by an alias", fault: soapFault("ErrorNonPrimarySmtpAddress")},
		{name: "Exchange denies impersonation", fault: soapFault("ErrorImpersonateUserDenied")},
		{name: "a mailbox is being moved", fault: soapFault("ErrorMailboxMoveInProgress")},
		{name: "Exchange reaches no domain controller", fault: soapFault("ErrorADUnavailable")},
		{name: "Exchange meets an error of its own", fault: soapFault("ErrorInternalServerError")},
		{name: "a client asks for an item that is gone", fault: soapFault("ErrorItemNotFound")},
		{name: "Entra ID refuses the application", fault: without(func(h *testProduct) { always(h.emu.Entra().Service, emulator.Fault{AADSTS: 700016}) })},
		{name: "Entra ID responds 503", fault: without(func(h *testProduct) { always(h.emu.Entra().Service, emulator.Fault{Status: 503}) })},
		{name: "Key Vault refuses this address", fault: func(h *testProduct) { h.emu.KeyVault().SetFirewall(true); time.Sleep(12 * time.Minute) }},
		deviceCase("the certificate that Exchange presents is of an unknown issuer", foreignCertificate(t, "mail.contoso.com")),
		deviceCase("the certificate that Exchange presents has another name", foreignCertificate(t, "owa.contoso.com")),
		deviceCase("a device in front of Exchange offers RSA key exchange alone", &tls.Config{Certificates: foreignCertificate(t, "mail.contoso.com").Certificates, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}),
		deviceCase("a device in front of Exchange closes every connection in the handshake", nil),
		{name: "this machine's clock is two hours ahead", fault: func(h *testProduct) {
			h.emu.Entra().SetClockSkew(-2 * time.Hour)
			h.emu.KeyVault().SetClockSkew(-2 * time.Hour)
			h.emu.Exchange().SetClockSkew(-2 * time.Hour)
			time.Sleep(time.Hour)
		}},
		{name: "a new certificate is not registered", fault: func(h *testProduct) {
			h.upload(newTestCertificate(h.t, 1, emulator.CertOptions{}))
			time.Sleep(time.Hour)
		}},
		{name: "the certificate in HMA_TLS_CERT_FILE ends within 30 days", prepare: listenerCertificate(30*24*time.Hour + time.Hour), fault: func(*testProduct) { time.Sleep(2 * time.Hour) }},
		{name: "the certificate in HMA_TLS_CERT_FILE has ended", prepare: listenerCertificate(time.Hour), fault: func(*testProduct) { time.Sleep(2 * time.Hour) }},
		{name: "no allow-list is set", prepare: func(h *testProduct) { delete(h.env, "HMA_ALLOWED_MAILBOXES") }},
		{name: "the allow-list file cannot be parsed any more", prepare: listFile(list), fault: func(*testProduct) { replaceFile(t, list, "alice@contoso.com\nbob\n") }},
		{name: "the allow-list file is gone", prepare: listFile(lost), fault: func(*testProduct) { replaceFile(t, lost, "") }},
		{name: "the client-users file is cut off", prepare: usersFile(cut), fault: func(*testProduct) { replaceFile(t, cut, "crm:$2a$04$abc") }, send: crm("alice@contoso.com", "right")},
		{name: "a client user has a wrong password", prepare: usersFile(users), send: crm("alice@contoso.com", "wrong")},
		{name: "a client user names a mailbox beyond its own patterns", prepare: usersFile(users), send: crm("bob@contoso.com", "right")},
		{name: "a group of the allow-list cannot be expanded", prepare: group, fault: func(h *testProduct) { h.emu.Exchange().AddGroup("erp@contoso.com"); time.Sleep(40 * time.Minute) }},
		{name: "a mailbox is not on the allow-list", send: func(h *testProduct) response { return h.as("ceo@contoso.com", "") }},
		{name: "an operation is not allowed", send: func(h *testProduct) response { return h.send(context.Background(), "<m:AddDelegate/>") }},
		{name: "a document cannot be trusted", send: request("POST", ews, "<!DOCTYPE x>"+alice)},
		{name: "a client uses a path that is not served", send: request("POST", "/autodiscover/autodiscover.xml", alice)},
		{name: "a web page sends a request", send: request("POST", ews, alice, "Origin", "https://evil.example")},
	}
}

// listFile returns a function that makes the file at path the product's allow-list.
func listFile(path string) func(*testProduct) {
	return func(h *testProduct) {
		delete(h.env, "HMA_ALLOWED_MAILBOXES")
		h.env["HMA_ALLOWED_MAILBOXES_FILE"] = path
	}
}

// usersFile returns a function that makes the file at path the product's file of client
// users. Clients must then authenticate.
func usersFile(path string) func(*testProduct) {
	return func(h *testProduct) {
		h.env["HMA_CLIENT_USERS_FILE"], h.env["HMA_ALLOWED_MAILBOXES"] = path, "alice@contoso.com,bob@contoso.com"
	}
}

// listenerCertificate returns a function that configures a certificate for the
// clients' listener. The certificate expires after span, and the client trusts it.
func listenerCertificate(span time.Duration) func(*testProduct) {
	return func(h *testProduct) {
		h.t.Helper()
		key := testKeys[0]()
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"autodiscover.contoso.com"},
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(span),
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		if err != nil {
			h.t.Fatal(err)
		}
		pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			h.t.Fatal(err)
		}
		chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		h.env["HMA_TLS_CERT_FILE"] = writeFile(h.t, string(chain))
		h.env["HMA_TLS_KEY_FILE"] = writeFile(h.t, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
		h.roots = x509.NewCertPool()
		h.roots.AppendCertsFromPEM(chain)
	}
}

// group configures an allow-list of the members of a group.
func group(h *testProduct) {
	h.emu.Exchange().AddGroup("erp@contoso.com", "alice@contoso.com")
	delete(h.env, "HMA_ALLOWED_MAILBOXES")
	h.env["HMA_ALLOWED_GROUPS"], h.env["HMA_ALLOWED_GROUPS_AS"] = "erp@contoso.com", "alice@contoso.com"
}

// crm returns a function that sends a request for the mailbox, with the credentials
// of the client user crm.
func crm(mailbox, password string) func(*testProduct) response {
	return func(h *testProduct) response { return h.asUser(mailbox, "crm", password) }
}

// replaceFile replaces a file, or removes it if the content is "". It waits until
// the product has checked the file.
func replaceFile(t *testing.T, path, content string) {
	t.Helper()
	err := os.Remove(path)
	if content != "" {
		err = os.WriteFile(path, []byte(content), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Minute)
}

// deviceCase returns a case in which a device receives the connections to
// Exchange from the beginning of the fault. The device has the TLS configuration
// c, or does not speak TLS if c is nil.
func deviceCase(name string, c *tls.Config) brokenCase {
	var there atomic.Bool
	return brokenCase{
		name: name,
		prepare: func(h *testProduct) {
			h.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if !there.Load() || !strings.HasPrefix(address, "mail.contoso.com:") {
					return h.emu.DialContext(ctx, network, address)
				}
				near, far := net.Pipe()
				go func() {
					defer far.Close()
					if c == nil {
						_, _ = far.Read(make([]byte, 100))
						return
					}
					_ = tls.Server(far, c).HandshakeContext(ctx)
				}()
				return near, nil
			}
		},
		fault: func(h *testProduct) {
			there.Store(true)
			time.Sleep(10 * time.Minute) // until the connections that bypass the device have been idle too long and are closed
		},
	}
}

// foreignCertificate returns a TLS configuration with a certificate for name from
// an unknown root.
func foreignCertificate(t *testing.T, name string) *tls.Config {
	t.Helper()
	key := testKeys[0]()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name, Organization: []string{"Contoso"}}, DNSNames: []string{name},
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// variable matches the parts of texts that differ from run to run.
var variable = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9A-F]{40}|20[0-9]{2}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(Z| UTC)?`)

// row runs a case and returns its row of the table of faults, without the
// column of alerts. series is the input from which promtool computes that
// column.
func (c brokenCase) row(t *testing.T) (row string, series []string) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestProduct(t, emulator.Config{})
		h.env["HMA_ALLOWED_MAILBOXES"] = "alice@contoso.com"
		if c.prepare != nil {
			c.prepare(h)
		}
		h.start()
		defer h.close()
		time.Sleep(time.Minute)
		settled := h.ask
		if h.env["HMA_CLIENT_USERS_FILE"] != "" {
			settled = func() response { return h.asUser("alice@contoso.com", "crm", "right") }
		}
		if a := settled(); !a.ok() {
			t.Fatalf("%s: before the fault: %+v", c.name, a)
		}
		h.log.take()
		before := h.look("/metrics")
		if c.fault != nil {
			c.fault(h)
		}
		send := c.send
		if send == nil {
			send = (*testProduct).ask
		}
		client := describeClient(send(h))
		synctest.Wait()
		ready := h.probe("/ready")
		after := h.probe("/metrics").text
		series = lasting(t, before, after)
		cells := []string{c.name, client, describeLine(h.log.take()), describeReady(ready), risen(before, after), describePage(t, h)}
		for i, cell := range cells {
			cells[i] = strings.ReplaceAll(strings.ReplaceAll(variable.ReplaceAllString(cell, "…"), "|", `\|`), "\n", " ")
			if cells[i] == "" {
				cells[i] = "—"
			}
		}
		row = "| " + strings.Join(cells, " | ") + " | "
	})
	return row, series
}

func describeClient(a response) string {
	if a.err != nil {
		return "no response"
	}
	text := fmt.Sprint(a.status)
	if code := regexp.MustCompile(`ResponseCode[^>]*>(\w+)<`).FindStringSubmatch(a.text); code != nil {
		text += " " + code[1]
	}
	return text
}

// describeLine returns level, reason, fault and detail of the request's log line.
func describeLine(log string) string {
	for line := range strings.Lines(log) {
		var l struct {
			Level, Msg, Reason, Fault, Detail string
			Asked                             string `json:"asked_for"`
		}
		if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "request" {
			return strings.TrimSpace(strings.Join(strings.Fields(l.Level+" "+l.Reason+l.Fault+" "+l.Asked+" "+l.Detail), " "))
		}
	}
	return "no line"
}

func describeReady(a response) string {
	return fmt.Sprint(a.status) + " " + strings.TrimSpace(a.text)
}

// risen lists the counters of refusals, failures and faults that differ between
// before and after.
func risen(before, after string) string {
	var names []string
	for line := range strings.Lines(after) {
		name := strings.Fields(line)[0]
		for _, family := range []string{"hmaproxy_denials_total", "hmaproxy_failures_total", "hmaproxy_exchange_faults_total"} {
			if strings.HasPrefix(name, family) && !strings.Contains(before, line) {
				names = append(names, "`"+name+"`")
			}
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func describePage(t *testing.T, h *testProduct) string {
	var s struct {
		Problems []struct{ Outcome, Remedy string }
		Requests []struct{ Outcome string }
	}
	if err := json.Unmarshal([]byte(h.look("/status.json")), &s); err != nil {
		t.Fatal(err)
	}
	switch {
	case len(s.Problems) > 0 && s.Problems[0].Remedy != "":
		return s.Problems[0].Outcome + ", with the remedy"
	case len(s.Problems) > 0:
		return s.Problems[0].Outcome
	}
	return "among all requests: " + s.Requests[0].Outcome
}

// TestFaultMatrix runs every case. It compares the effects with docs/faults.md,
// and the metrics with the file alertTests. The command
//
//	go test ./internal/app -run TestFaultMatrix -update-faults
//
// writes both files. It needs promtool.
func TestFaultMatrix(t *testing.T) {
	text := "# Effects of each fault\n\n" +
		"A test runs each fault against the emulator, with one request, and writes this file<!-- source -->: `go test ./internal/app -run TestFaultMatrix\n-update-faults`. Another run of the test compares<!-- /source -->. The alerts are those of [hmaproxy.rules.yaml](../deploy/monitoring/hmaproxy.rules.yaml)\nthat Prometheus' own tool finds firing when each minute of two hours is like the one of the test. [operations.md](operations.md)\nexplains reasons, alerts and metrics.\n\n" +
		"| what broke | client | log line of the request | `/ready` | counters that rise | status page | alerts while it lasts |\n|---|---|---|---|---|---|---|\n"
	tests := alertTestsHead
	cases := brokenCases(t)
	if len(cases) < 30 {
		t.Errorf("only %d faults", len(cases))
	}
	documented := read(t, faultsDocument)
	for _, c := range cases {
		row, series := c.row(t)
		var alerts []string
		if *updateFaults {
			alerts = promtoolAlerts(t, series)
		} else if _, rest, ok := strings.Cut(documented, row); ok {
			cell, _, _ := strings.Cut(rest, " |\n")
			alerts = strings.Split(strings.TrimPrefix(cell, "—"), ", ")
			alerts = slices.DeleteFunc(alerts, func(a string) bool { return a == "" })
		}
		cell := strings.Join(alerts, ", ")
		if cell == "" {
			cell = "—"
		}
		text += row + cell + " |\n"
		tests += alertTest(c.name, series, alerts)
	}
	for path, content := range map[string]string{faultsDocument: text, alertTests: tests} {
		if *updateFaults {
			if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		written := strings.Split(read(t, path), "\n")
		for i, line := range strings.Split(content, "\n") {
			if i >= len(written) || written[i] != line {
				t.Fatalf("line %d of %s should be\n%s", i+1, path, line)
			}
		}
	}
}
