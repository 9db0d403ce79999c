package app

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/emulator"
)

var updateFaults = flag.Bool("update-faults", false, "write docs/faults.md")

const faultsDocument = "../../docs/faults.md"

// A brokenCase is one row of docs/faults.md.
type brokenCase struct {
	name  string
	fault func(h *testProduct) // nil: the request itself is the fault
	send  func(h *testProduct) response
	alert string // of deploy/monitoring that fires while it lasts; "": none
}

// always injects a fault into every request.
func always(s *emulator.Service, f emulator.Fault) {
	s.InjectWhile(func() bool { return true }, f)
}

func exchangeFault(f emulator.Fault) func(*testProduct) {
	return func(h *testProduct) { always(h.emu.Exchange().Service, f) }
}

// exchangeResponds makes Exchange respond with a page or an empty body.
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

// soapFault makes Exchange respond with a SOAP fault of its own.
func soapFault(code string) func(*testProduct) {
	const form = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode xmlns:a="http://schemas.microsoft.com/exchange/services/2006/types">a:%[1]s</faultcode><faultstring>text</faultstring><detail><e:ResponseCode xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">%[1]s</e:ResponseCode></detail></s:Fault></s:Body></s:Envelope>`
	return exchangeResponds(500, "text/xml; charset=utf-8", fmt.Sprintf(form, code))
}

// without waits until the token has ended, with Entra ID or Key Vault failing.
func without(strike func(h *testProduct)) func(*testProduct) {
	return func(h *testProduct) {
		strike(h)
		time.Sleep(90 * time.Minute)
	}
}

// request sends a request that differs from alice's GetFolder.
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

// impatient sends a request and leaves after a minute.
func impatient(h *testProduct) response {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return h.send(ctx, askFolder)
}

func brokenCases() []brokenCase {
	const ews, page = "/EWS/Exchange.asmx", "<html><head><title>Sign in</title></head></html>"
	alice := envelopeWith(askFolder)
	return []brokenCase{
		{"Exchange refuses connections", func(h *testProduct) { h.emu.Exchange().Stop() }, nil, "HmaproxyExchangeFailing"},
		{"Exchange closes connections without a response", exchangeFault(emulator.Fault{Drop: true}), nil, "HmaproxyExchangeFailing"},
		{"Exchange never responds", exchangeFault(emulator.Fault{Hang: true}), impatient, "HmaproxyClientsLeave"},
		{"Exchange breaks its response off", exchangeFault(emulator.Fault{TruncateAt: 40}), nil, "HmaproxyExchangeFailing"},
		{"IIS responds 503", exchangeResponds(503, "text/html", "Service Unavailable"), nil, "HmaproxyServerErrors"},
		{"IIS responds 500 with a page", exchangeResponds(500, "text/html", "<title>Runtime Error</title>"), nil, "HmaproxyExchangeFailing"},
		{"IIS responds 403 with a page", exchangeResponds(403, "text/html", "<title>403 - Forbidden</title>"), nil, "HmaproxyExchangeFailing"},
		{"IIS responds 404 with a page", exchangeResponds(404, "text/html", "<title>404</title>"), nil, "HmaproxyExchangeFailing"},
		{"IIS responds 413", exchangeResponds(413, "text/html", "<title>413</title>"), nil, "HmaproxyExchangeFailing"},
		{"a device responds 200 with a sign-in page", exchangeResponds(200, "text/html", page), nil, "HmaproxyExchangeFailing"},
		{"a device responds 200 without a body", exchangeResponds(200, "", ""), nil, "HmaproxyExchangeFailing"},
		{"a device responds 440 with a sign-in page", exchangeResponds(440, "text/html", page), nil, "HmaproxyExchangeFailing"},
		{"a device redirects to its sign-in page", exchangeResponds(302, "", "", "Location", "https://login.contoso.com/"), nil, "HmaproxyExchangeFailing"},
		{"a device responds 407", exchangeResponds(407, "text/html", "x"), nil, "HmaproxyExchangeFailing"},
		{"a device responds 429", exchangeResponds(429, "text/html", "x"), nil, "HmaproxyExchangeFailing"},
		{"a device responds 502", exchangeResponds(502, "text/html", "x"), nil, "HmaproxyExchangeFailing"},
		{"a device responds 504", exchangeResponds(504, "text/html", "x"), nil, "HmaproxyExchangeFailing"},
		{"Exchange refuses every token", exchangeResponds(401, "", "", "Www-Authenticate", "Bearer", "X-Ms-Diagnostics", `2000003;reason="The hostname component of the audience claim value is invalid.";error_category="invalid_resource"`), nil, "HmaproxyTokenRefused"},
		{"Exchange throttles", soapFault("ErrorServerBusy"), nil, "HmaproxyThrottled"},
		{"a mailbox was moved to Exchange Online", soapFault("ErrorNonExistentMailbox"), nil, "HmaproxyMailboxGone"},
		{"a mailbox is named by an alias", soapFault("ErrorNonPrimarySmtpAddress"), nil, ""},
		{"Exchange denies impersonation", soapFault("ErrorImpersonateUserDenied"), nil, ""},
		{"a mailbox is being moved", soapFault("ErrorMailboxMoveInProgress"), nil, ""},
		{"Exchange reaches no domain controller", soapFault("ErrorADUnavailable"), nil, "HmaproxyExchangeNotServing"},
		{"Exchange meets an error of its own", soapFault("ErrorInternalServerError"), nil, "HmaproxyExchangeNotServing"},
		{"a client asks for an item that is gone", soapFault("ErrorItemNotFound"), nil, ""},
		{"Entra ID refuses the application", without(func(h *testProduct) { always(h.emu.Entra().Service, emulator.Fault{AADSTS: 700016}) }), nil, "HmaproxyNotReady"},
		{"Entra ID responds 503", without(func(h *testProduct) { always(h.emu.Entra().Service, emulator.Fault{Status: 503}) }), nil, "HmaproxyNotReady"},
		{"Key Vault refuses this address", func(h *testProduct) { h.emu.KeyVault().SetFirewall(true); time.Sleep(12 * time.Minute) }, nil, "HmaproxyCertificateLookupFailing"},
		{"a mailbox is not on the allow-list", nil, func(h *testProduct) response { return h.as("ceo@contoso.com", "") }, "HmaproxyRefusals"},
		{"an operation is not allowed", nil, func(h *testProduct) response { return h.send(context.Background(), "<m:AddDelegate/>") }, "HmaproxyRefusals"},
		{"a document cannot be trusted", nil, request("POST", ews, "<!DOCTYPE x>"+alice), "HmaproxyRefusals"},
		{"a client uses a path that is not served", nil, request("POST", "/autodiscover/autodiscover.xml", alice), ""},
		{"a web page sends a request", nil, request("POST", ews, alice, "Origin", "https://evil.example"), "HmaproxyRefusals"},
	}
}

// variable are the parts of texts that differ from run to run.
var variable = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9A-F]{40}|20[0-9]{2}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(Z| UTC)?`)

// row runs a case and describes what is seen of it, as a row of the table.
func (c brokenCase) row(t *testing.T) (row string) {
	synctest.Test(t, func(t *testing.T) {
		h := startWatched(t)
		defer h.close()
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
		cells := []string{c.name, client, describeLine(h.log.take()), describeReady(ready), risen(before, h.probe("/metrics").text), describePage(t, h), c.alert}
		for i, cell := range cells {
			cells[i] = strings.ReplaceAll(strings.ReplaceAll(variable.ReplaceAllString(cell, "…"), "|", `\|`), "\n", " ")
			if cells[i] == "" {
				cells[i] = "—"
			}
		}
		row = "| " + strings.Join(cells, " | ") + " |\n"
	})
	return row
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

// risen lists the counters of problems that rose.
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

// TestFaultMatrix runs every case and compares what is seen of it with
// docs/faults.md. To write the file: go test ./internal/app -run TestFaultMatrix
// -update-faults
func TestFaultMatrix(t *testing.T) {
	text := "# What is seen of each fault\n\n" +
		"A test runs each fault against the emulator, with one request, and writes this file<!-- source -->: `go test ./internal/app -run TestFaultMatrix\n-update-faults`. Another run of the test compares<!-- /source -->. [operations.md](operations.md) explains reasons, alerts and metrics; the\nalert is the one to expect while the fault lasts, from [hmaproxy.rules.yaml](../deploy/monitoring/hmaproxy.rules.yaml).\n\n" +
		"| what broke | client | log line of the request | `/ready` | counters that rise | status page | alert while it lasts |\n|---|---|---|---|---|---|---|\n"
	cases, alerts := brokenCases(), read(t, rules)
	if len(cases) < 30 {
		t.Errorf("only %d faults", len(cases))
	}
	for _, c := range cases {
		if c.alert != "" && !strings.Contains(alerts, "- alert: "+c.alert+"\n") {
			t.Errorf("%s: there is no alert %s", c.name, c.alert)
		}
		text += c.row(t)
	}
	if *updateFaults {
		if err := os.WriteFile(faultsDocument, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	documented := strings.Split(read(t, faultsDocument), "\n")
	for i, line := range strings.Split(text, "\n") {
		if i >= len(documented) || documented[i] != line {
			t.Errorf("line %d of docs/faults.md should be\n%s", i+1, line)
		}
	}
}
