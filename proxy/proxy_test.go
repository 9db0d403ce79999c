package proxy_test

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hmaproxy/proxy"
	"hmaproxy/proxy/policy"
)

// A fault has the parts of a SOAP fault that EWS client libraries read.
type fault struct {
	Code    string `xml:"Body>Fault>faultcode"`
	Text    string `xml:"Body>Fault>faultstring"`
	Detail  string `xml:"Body>Fault>detail>ResponseCode"`
	Message string `xml:"Body>Fault>detail>Message"`
	BackOff []struct {
		Name  string `xml:"Name,attr"`
		Value int    `xml:",chardata"`
	} `xml:"Body>Fault>detail>MessageXml>Value"`
}

func readFault(t *testing.T, text string) fault {
	t.Helper()
	var f fault
	if !strings.HasPrefix(text, "<?xml ") {
		t.Errorf("the fault does not begin with an XML declaration: %.60s", text)
	}
	if err := xml.Unmarshal([]byte(text), &f); err != nil {
		t.Fatalf("fault: %v in %s", err, text)
	}
	return f
}

func TestRequestHeadersAreCarriedByName(t *testing.T) {
	r := newTestProxy(t, testConfig{
		adjust: func(c *proxy.Config) { c.ForwardHeaders = []string{"X-Vendor-Trace"} },
	})
	req, _ := http.NewRequest(http.MethodPost, "http://"+r.address+"/ews/exchange.asmx", bytes.NewReader(envelope("alice@contoso.com", getFolder)))
	req.Header = http.Header{
		"Content-Type":            {"text/xml; charset=utf-8"},
		"Accept":                  {"text/xml"},
		"Accept-Encoding":         {"gzip,deflate"},
		"User-Agent":              {"ExchangeServicesClient/15.00.0913.015"},
		"Soapaction":              {`"http://schemas.microsoft.com/exchange/services/2006/messages/GetFolder"`},
		"Client-Request-Id":       {"a-1"},
		"X-Vendor-Trace":          {"kept"},
		"X-Preferserveraffinity":  {"true"},
		"X-Backendoverridecookie": {"BE1~1941996295"},
		"Cookie":                  {"exchangecookie=e1; X-BEResource=localhost~1942062522; session=s; X-BackEndCookie=b@c=Ox8X"},
		"Authorization":           {"Basic ZHVtbXk6ZHVtbXk="},
		"Referer":                 {"http://somewhere/"},
		"X-Forwarded-For":         {"10.0.0.1"},
		"X-Owa-Explicitlogonuser": {"alice@contoso.com"},
		"Proxy-Authorization":     {"Basic eA=="},
		"Connection":              {"Authorization, keep-alive"},
	}
	if resp, text := r.do(t, req); resp.StatusCode != 200 || text != okDocument {
		t.Fatalf("%d %s", resp.StatusCode, text)
	}
	want := http.Header{
		"Content-Type":            {"text/xml; charset=utf-8"},
		"Content-Length":          {fmt.Sprint(len(envelope("alice@contoso.com", getFolder)))},
		"Accept":                  {"text/xml"},
		"Accept-Encoding":         {"gzip,deflate"},
		"User-Agent":              {"ExchangeServicesClient/15.00.0913.015"},
		"Soapaction":              {`"http://schemas.microsoft.com/exchange/services/2006/messages/GetFolder"`},
		"Client-Request-Id":       {"a-1"},
		"X-Vendor-Trace":          {"kept"},
		"X-Preferserveraffinity":  {"true"},
		"X-Anchormailbox":         {"alice@contoso.com"},
		"X-Owa-Explicitlogonuser": {"alice@contoso.com"},
		"Cookie":                  {"exchangecookie=e1; X-BackEndCookie=b@c=Ox8X; X-BackEndOverrideCookie=BE1~1941996295"},
		"Authorization":           {"Bearer " + goodToken},
	}
	got := r.seen()[0].header
	for name := range got {
		if fmt.Sprint(got[name]) != fmt.Sprint(want[name]) {
			t.Errorf("%s = %q, want %q", name, got[name], want[name])
		}
	}
	for name := range want {
		if got[name] == nil {
			t.Errorf("%s did not arrive", name)
		}
	}
}

func TestSOAPActionThatDisagreesIsDropped(t *testing.T) {
	const ns = "http://schemas.microsoft.com/exchange/services/2006/messages/"
	for _, c := range []struct {
		name, action, operation string
		kept                    bool
	}{
		{"same", `"` + ns + `GetFolder"`, getFolder, true},
		{"without quotes", ns + "GetFolder", getFolder, true},
		{"another operation", `"` + ns + `FindItem"`, getFolder, false},
		{"another namespace", `"urn:GetFolder"`, getFolder, false},
		{"streaming, as Exchange's own WSDL has it", `"` + ns + `GetEvents"`,
			`<m:GetStreamingEvents><m:SubscriptionIds/><m:ConnectionTimeout>1</m:ConnectionTimeout></m:GetStreamingEvents>`, true},
		{"an element in Request", `"` + ns + `GetUserOofSettings"`,
			`<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>alice@contoso.com</t:Address></t:Mailbox></m:GetUserOofSettingsRequest>`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newTestProxy(t, testConfig{policy: only(t, "alice@contoso.com")})
			r.post(t, envelope("alice@contoso.com", c.operation), "SOAPAction", c.action)
			if seen := r.seen(); len(seen) != 1 || (seen[0].header["Soapaction"] != nil) != c.kept {
				t.Errorf("arrivals %v", seen)
			}
		})
	}
}

func TestResponseHeaders(t *testing.T) {
	r := newTestProxy(t, testConfig{respond: func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		for _, h := range [][2]string{
			{"Content-Type", "text/xml; charset=utf-8"}, {"request-id", "r-1"}, {"X-FEServer", "EX1"},
			{"Set-Cookie", "exchangecookie=e1; expires=Thu, 31-Dec-2037 23:55:55 GMT; path=/; HttpOnly"},
			{"Set-Cookie", "X-BackEndCookie=u@c.com=Ox8XKw==; path=/EWS; secure; HttpOnly; Domain=contoso.com"},
			{"Set-Cookie", "BIGipServerPool=1.2.3; path=/; Secure"},
			{"Set-Cookie", "X-BEResource=evil; path=/"},
			{"WWW-Authenticate", "Negotiate"}, {"Access-Control-Allow-Origin", "*"},
			{"Strict-Transport-Security", "max-age=1"}, {"Alt-Svc", "h2"}, {"Location", "https://x"},
			{"X-Reflected", "got " + req.Header.Get("Authorization")},
		} {
			w.Header().Add(h[0], h[1])
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "<Envelope/>")
	}})
	resp, text := r.post(t, envelope("alice@contoso.com", getFolder))
	if resp.StatusCode != http.StatusServiceUnavailable || text != "<Envelope/>" {
		t.Errorf("Exchange's own 503 came as %d %q", resp.StatusCode, text)
	}
	wantCookies := []string{
		"exchangecookie=e1; expires=Thu, 31-Dec-2037 23:55:55 GMT; HttpOnly; path=/",
		"X-BackEndCookie=u@c.com=Ox8XKw==; HttpOnly; path=/",
		"BIGipServerPool=1.2.3; path=/",
	}
	if got := resp.Header["Set-Cookie"]; fmt.Sprint(got) != fmt.Sprint(wantCookies) {
		t.Errorf("cookies %q", got)
	}
	for _, name := range []string{"Www-Authenticate", "Access-Control-Allow-Origin", "Strict-Transport-Security", "Alt-Svc", "Location", "X-Reflected"} {
		if resp.Header[name] != nil {
			t.Errorf("%s was relayed", name)
		}
	}
	rec := r.last(t)
	if rec.RequestID != "r-1" || rec.FrontEnd != "EX1" || rec.Upstream != 503 || rec.Status != 503 || rec.BytesOut != 11 {
		t.Errorf("record %+v", rec)
	}
	// the proxy has learned the name of the load balancer's cookie
	r.post(t, envelope("alice@contoso.com", getFolder), "Cookie", "BIGipServerPool=1.2.3; other=x")
	if got := r.seen()[1].header.Get("Cookie"); got != "BIGipServerPool=1.2.3" {
		t.Errorf("cookie upstream %q", got)
	}
}

// TestHopByHopHeadersOfResponses checks that the proxy does not relay a header that a
// Connection header of the response names.
func TestHopByHopHeadersOfResponses(t *testing.T) {
	r := newTestProxy(t, testConfig{respond: func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		w.Header()["Connection"] = []string{"x-one , X-Two", "keep-alive", "X-Three"}
		for _, name := range []string{"X-One", "X-Two", "X-Three", "X-Four"} {
			w.Header().Set(name, "1")
		}
		_, _ = io.WriteString(w, okDocument)
	}})
	resp, _ := r.post(t, envelope("alice@contoso.com", getFolder))
	for name, want := range map[string]string{"X-One": "", "X-Two": "", "X-Three": "", "X-Four": "1"} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// A sizedBody returns parts of given sizes and records the size of the buffer of
// each read.
type sizedBody struct {
	parts []int
	rooms []int
}

func (b *sizedBody) Close() error { return nil }
func (b *sizedBody) Read(p []byte) (int, error) {
	if len(b.parts) == 0 {
		return 0, io.EOF
	}
	b.rooms = append(b.rooms, len(p))
	n := min(len(p), b.parts[0])
	if b.parts[0] -= n; b.parts[0] == 0 {
		b.parts = b.parts[1:]
	}
	return n, nil
}

// TestStreamWaitsWithLittleMemory checks the size of the buffer for each part of a
// response. A stream must release its large buffer after a long event.
func TestStreamWaitsWithLittleMemory(t *testing.T) {
	for _, c := range []struct {
		name, operation string
		length          int64
		parts, rooms    []int
	}{
		{"a stream", "GetStreamingEvents", -1, []int{100, 5000, 700, 3000}, []int{2 << 10, 2 << 10, 64 << 10, 2 << 10, 2 << 10, 64 << 10}},
		{"a long response in chunks", "GetFolder", -1, []int{16000, 16000, 16000, 100, 100}, []int{2 << 10, 64 << 10, 64 << 10, 64 << 10, 64 << 10, 2 << 10}},
		{"a long response", "GetFolder", 70000, []int{20000, 20000, 30000}, []int{64 << 10, 64 << 10, 64 << 10}},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := &sizedBody{parts: c.parts}
			r := newTestProxy(t, testConfig{adjust: func(p *proxy.Config) {
				p.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
					r.Body.Close()
					return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/xml"}}, Body: body, ContentLength: c.length}, nil
				})
			}})
			r.post(t, envelope("alice@contoso.com", "<m:"+c.operation+"/>"))
			if !slices.Equal(body.rooms, c.rooms) {
				t.Errorf("waited with %v, want %v", body.rooms, c.rooms)
			}
		})
	}
}

func TestResponsesThatBecomeFaults(t *testing.T) {
	for _, c := range []struct {
		status     int
		header     [2]string
		code       string
		backOff    int
		retryAfter string
	}{
		{401, [2]string{"WWW-Authenticate", "Bearer"}, "ErrorServerBusy", 10000, "10"},
		{403, [2]string{"WWW-Authenticate", "Bearer realm=x"}, "ErrorServerBusy", 10000, "10"},
		{429, [2]string{"Retry-After", "7"}, "ErrorServerBusy", 7000, "7"},
		{502, [2]string{}, "ErrorServerBusy", 10000, "10"},
		{504, [2]string{}, "ErrorServerBusy", 10000, "10"},
		{407, [2]string{}, "ErrorServerBusy", 10000, "10"},
		{302, [2]string{"Location", "https://evil.example/"}, "ErrorInternalServerTransientError", 0, ""},
		{307, [2]string{"Location", "https://evil.example/"}, "ErrorInternalServerTransientError", 0, ""},
	} {
		t.Run(fmt.Sprint(c.status), func(t *testing.T) {
			r := newTestProxy(t, testConfig{
				adjust: func(p *proxy.Config) { p.Refresher = nil },
				respond: func(w http.ResponseWriter, req *http.Request) {
					_, _ = io.Copy(io.Discard, req.Body)
					if c.header[0] != "" {
						w.Header().Set(c.header[0], c.header[1])
					}
					w.WriteHeader(c.status)
				},
			})
			resp, text := r.post(t, envelope("alice@contoso.com", getFolder))
			f := readFault(t, text)
			if resp.StatusCode != 500 || f.Detail != c.code || f.Code != "a:"+c.code || resp.Header.Get("Location") != "" {
				t.Errorf("response %d %s", resp.StatusCode, text)
			}
			if resp.Header.Get("Content-Type") != "text/xml; charset=utf-8" || resp.Header.Get("Connection") == "close" {
				t.Errorf("header %v", resp.Header)
			}
			if got := resp.Header.Get("Retry-After"); got != c.retryAfter {
				t.Errorf("Retry-After %q", got)
			}
			if c.backOff > 0 && (len(f.BackOff) != 1 || f.BackOff[0].Name != "BackOffMilliseconds" || f.BackOff[0].Value != c.backOff) {
				t.Errorf("back-off %v", f.BackOff)
			}
			if c.code == "ErrorServerBusy" && f.Text != "The server cannot service this request right now. Try again later." {
				t.Errorf("faultstring %q: DavMail waits only for Exchange's own words", f.Text)
			}
			if !strings.Contains(f.Message, resp.Header.Get("Request-Id")) {
				t.Errorf("message %q does not hold the request id", f.Message)
			}
		})
	}
}

func TestForbiddenWithoutABearerChallengeIsExchangesOwn(t *testing.T) {
	r := newTestProxy(t, testConfig{respond: func(w http.ResponseWriter, req *http.Request) {
		w.WriteHeader(403)
		_, _ = io.WriteString(w, "<Envelope/>")
	}})
	if resp, _ := r.post(t, envelope("alice@contoso.com", getFolder)); resp.StatusCode != 403 {
		t.Errorf("response %d", resp.StatusCode)
	}
}

func TestRefusedTokenIsReplacedOnce(t *testing.T) {
	for _, c := range []struct {
		name  string
		size  int
		times int // number of requests that reached the upstream
	}{{"held body", 1000, 2}, {"long body", 3 << 20, 2}} {
		t.Run(c.name, func(t *testing.T) {
			var whole atomic.Int32
			r := newTestProxy(t, testConfig{respond: func(w http.ResponseWriter, req *http.Request) {
				if req.Header.Get("Authorization") != "Bearer "+nextToken {
					w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
					w.Header().Set("x-ms-diagnostics", `2000002;reason="The token has expired.";error_category="token_expired"`)
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				if n, err := io.Copy(io.Discard, req.Body); err == nil && n > int64(c.size) {
					whole.Add(1)
				}
				_, _ = io.WriteString(w, okDocument)
			}})
			body := envelope("alice@contoso.com", createItem(c.size))
			resp, text := r.post(t, body)
			if resp.StatusCode != 200 || text != okDocument || len(r.seen()) != c.times || whole.Load() != 1 {
				t.Errorf("response %d %s after %d arrivals, %d whole", resp.StatusCode, text, len(r.seen()), whole.Load())
			}
			rec := r.last(t)
			if !rec.Replayed || rec.Diagnosis == nil || rec.Diagnosis.Code != 2000002 || rec.Diagnosis.Remedy == "" || r.tokens.replaced != 1 {
				t.Errorf("record %+v, replaced %d", rec, r.tokens.replaced)
			}
		})
	}
}

func TestBodiesBeyondTheBudgetAreStreamed(t *testing.T) {
	for _, c := range []struct {
		name   string
		budget int64
		expect string
	}{{"within", 1 << 20, ""}, {"beyond", 364 << 10, "100-continue"}} {
		t.Run(c.name, func(t *testing.T) {
			r := newTestProxy(t, testConfig{policy: only(t, "alice@contoso.com")})
			r.handler.LimitBuffered(c.budget)
			body := envelope("alice@contoso.com", createItem(100<<10))
			resp, text := r.post(t, body)
			seen := r.seen()
			if resp.StatusCode != 200 || len(seen) != 1 || !seen[0].whole {
				t.Fatalf("response %d %s", resp.StatusCode, text)
			}
			if got := seen[0].header.Get("Expect"); got != c.expect {
				t.Errorf("Expect %q", got)
			}
			if !bytes.Equal(body[bodyOffset(t, body):], seen[0].body[bodyOffset(t, seen[0].body):]) {
				t.Error("the Body changed")
			}
			r.last(t)
			if n := r.handler.Buffered(); n != 0 {
				t.Errorf("%d bytes of the budget are still in use", n)
			}
		})
	}
}

func TestTokenRefusedForGoodIsAFault(t *testing.T) {
	r := newTestProxy(t, testConfig{respond: func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		w.Header().Add("WWW-Authenticate", "NTLM")
		w.Header().Set("x-ms-diagnostics", `2000003;reason="The hostname component of the audience claim value is invalid. Expected 'https://mail.contoso.com'. Actual 'https://x'.";error_category="invalid_resource"`)
		w.WriteHeader(http.StatusUnauthorized)
	}})
	resp, text := r.post(t, envelope("alice@contoso.com", getFolder))
	f := readFault(t, text)
	if resp.StatusCode != 500 || f.Detail != "ErrorServerBusy" || resp.Header["Www-Authenticate"] != nil {
		t.Errorf("response %d %s", resp.StatusCode, text)
	}
	if !strings.Contains(f.Message, "the token's audience is another host") {
		t.Errorf("the fault does not say why: %s", f.Message)
	}
	if n := len(r.seen()); n != 2 {
		t.Errorf("%d arrivals", n)
	}
	d := r.last(t).Diagnosis
	if d == nil || d.Code != 2000003 || d.Category != "invalid_resource" || !strings.Contains(d.Remedy, "HMA_RESOURCE_ID") || !strings.Contains(d.Reason, "Expected 'https://mail.contoso.com'") {
		t.Errorf("diagnosis %+v", d)
	}
}

func TestNoTokenIsAFault(t *testing.T) {
	r := newTestProxy(t, testConfig{})
	r.tokens.err = errors.New("no token")
	resp, text := r.post(t, envelope("alice@contoso.com", getFolder))
	f := readFault(t, text)
	if f.Detail != "ErrorServerBusy" || resp.Header.Get("X-Hmaproxy-Error") != "no-token" || len(r.seen()) != 0 {
		t.Errorf("response %s", text)
	}
}

func TestUnreachableExchangeIsAFault(t *testing.T) {
	r := newTestProxy(t, testConfig{})
	r.Close()
	resp, text := r.post(t, envelope("alice@contoso.com", getFolder))
	if f := readFault(t, text); f.Detail != "ErrorServerBusy" || resp.Header.Get("X-Hmaproxy-Error") != "upstream-unreachable" {
		t.Errorf("response %s", text)
	}
}

func TestExchangeThatCannotBeTrustedIsAFault(t *testing.T) {
	r := newTestProxy(t, testConfig{adjust: func(c *proxy.Config) { c.Transport = &http.Transport{} }})
	resp, text := r.post(t, envelope("alice@contoso.com", getFolder))
	if f := readFault(t, text); f.Detail != "ErrorServerBusy" || resp.Header.Get("X-Hmaproxy-Error") != "upstream-unreachable" || len(r.seen()) != 0 {
		t.Errorf("response %s", text)
	}
}

func TestExchangeCutOffBeforeItsHeadersIsAFault(t *testing.T) {
	r := newTestProxy(t, testConfig{respond: func(w http.ResponseWriter, req *http.Request) { panic(http.ErrAbortHandler) }})
	_, text := r.post(t, envelope("alice@contoso.com", getFolder))
	if f := readFault(t, text); f.Detail != "ErrorInternalServerTransientError" {
		t.Errorf("response %s", text)
	}
}

func TestTruncatedResponseNeverLooksComplete(t *testing.T) {
	for _, version := range []string{"HTTP/1.1", "HTTP/1.0"} {
		t.Run(version, func(t *testing.T) {
			r := newTestProxy(t, testConfig{respond: func(w http.ResponseWriter, req *http.Request) {
				_, _ = io.Copy(io.Discard, req.Body)
				_, _ = w.Write(append([]byte("<Envelope>"), bytes.Repeat([]byte("x"), 100_000)...))
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			}})
			c, err := net.Dial("tcp", r.address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			body := envelope("alice@contoso.com", getFolder)
			fmt.Fprintf(c, "POST /EWS/Exchange.asmx %s\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s", version, len(body), body)
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err == nil {
				t.Error("the client read a half response to a proper end")
			}
			if rec := r.last(t); !rec.Aborted || rec.Reason != proxy.ReasonUpstreamCut {
				t.Errorf("record %+v", rec)
			}
		})
	}
}

func TestStreamingReachesTheClientEventByEvent(t *testing.T) {
	step := make(chan bool)
	r := newTestProxy(t, testConfig{respond: func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		rc := http.NewResponseController(w)
		w.WriteHeader(200)
		_ = rc.Flush()
		for range 3 {
			<-step
			_, _ = io.WriteString(w, "<event/>")
			_ = rc.Flush()
		}
	}})
	req, _ := http.NewRequest(http.MethodPost, "http://"+r.address+"/EWS/Exchange.asmx", bytes.NewReader(envelope("alice@contoso.com",
		`<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>s</t:SubscriptionId></m:SubscriptionIds><m:ConnectionTimeout>30</m:ConnectionTimeout></m:GetStreamingEvents>`)))
	req.Header.Set("Content-Type", "text/xml")
	resp, err := http.DefaultClient.Do(req) // returns after the headers, before any event
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for range 3 {
		step <- true
		event := make([]byte, len("<event/>"))
		if _, err := io.ReadFull(resp.Body, event); err != nil || string(event) != "<event/>" {
			t.Fatalf("%q %v", event, err)
		}
	}
}

// TestClientThatLeavesCancelsUpstream checks with sockets that the request to Exchange
// ends when the client leaves. The HTTP server notices after three seconds that the
// client has left.
func TestClientThatLeavesCancelsUpstream(t *testing.T) {
	gone := make(chan bool)
	r := newTestProxy(t, testConfig{respond: func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		_ = http.NewResponseController(w).Flush()
		<-req.Context().Done()
		close(gone)
	}})
	req, _ := http.NewRequest(http.MethodPost, "http://"+r.address+"/EWS/Exchange.asmx", bytes.NewReader(envelope("alice@contoso.com", "<m:GetStreamingEvents/>")))
	req.Header.Set("Content-Type", "text/xml")
	resp, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	select {
	case <-gone:
	case <-time.After(20 * time.Second):
		t.Error("upstream was never cancelled")
	}
}

func TestClientThatBreaksOffNeverLooksCompleteUpstream(t *testing.T) {
	for _, c := range []struct {
		name    string
		framing string
		chunked bool
	}{
		{"content length", "Content-Length: 5000000\r\n", false},
		{"chunked", "Transfer-Encoding: chunked\r\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newTestProxy(t, testConfig{})
			conn, err := net.Dial("tcp", r.address)
			if err != nil {
				t.Fatal(err)
			}
			body := envelope("alice@contoso.com", createItem(1<<20))
			body = body[:600_000]
			fmt.Fprintf(conn, "POST /EWS/Exchange.asmx HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n%s\r\n", c.framing)
			if c.chunked {
				fmt.Fprintf(conn, "%x\r\n", len(body))
			}
			_, _ = conn.Write(body)
			conn.Close()
			r.last(t)
			for _, a := range r.seen() {
				if a.whole {
					t.Errorf("a request that broke off came to a proper end upstream")
				}
			}
		})
	}
}

func TestRefusedBodyNeverCompletesUpstream(t *testing.T) {
	bad := envelope("alice@contoso.com", createItem(32<<20))
	copy(bad[10<<20:], "<!DOCTYPE x>")
	r := newTestProxy(t, testConfig{policy: only(t, "alice@contoso.com")})
	resp, text := r.post(t, bad)
	if f := readFault(t, text); resp.StatusCode != 500 || f.Detail != "ErrorSchemaValidation" {
		t.Errorf("response %d %s", resp.StatusCode, text)
	}
	for _, a := range r.seen() {
		if a.whole {
			t.Error("it came to a proper end upstream")
		}
	}
}

func TestBodyRefusedAfterTheResponseBeganAbortsIt(t *testing.T) {
	responded := make(chan bool)
	r := newTestProxy(t, testConfig{policy: only(t, "alice@contoso.com"), respond: func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.ReadFull(req.Body, make([]byte, 1000))
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex()
		_, _ = io.WriteString(w, "<Envelope>")
		_ = rc.Flush()
		close(responded)
		_, err := io.Copy(io.Discard, req.Body)
		if err == nil {
			t.Error("the body came to its proper end")
		}
		_, _ = io.WriteString(w, "</Envelope>")
	}})
	bad := envelope("alice@contoso.com", createItem(2<<20))
	reader, writer := io.Pipe()
	go func() {
		_, _ = writer.Write(bad[:1<<20])
		<-responded
		_, _ = writer.Write([]byte("<?pi?>"))
		writer.Close()
	}()
	req, _ := http.NewRequest(http.MethodPost, "http://"+r.address+"/EWS/Exchange.asmx", reader)
	req.Header.Set("Content-Type", "text/xml")
	resp, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
	if err == nil {
		defer resp.Body.Close()
		all, err := io.ReadAll(resp.Body) // if the refusal came before the header of Exchange's response, the proxy responds with a fault
		if err == nil && resp.Header.Get("X-Hmaproxy-Error") != "envelope-refused" {
			t.Errorf("the client read %q to a proper end", all)
		}
	}
}

func TestEarlyResponseReachesAClientThatSendsAllFirst(t *testing.T) {
	r := newTestProxy(t, testConfig{respond: func(w http.ResponseWriter, req *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		_, _ = io.WriteString(w, "<Envelope/>")
	}})
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := envelope("alice@contoso.com", createItem(32<<20))
	fmt.Fprintf(conn, "POST /EWS/Exchange.asmx HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n", len(body))
	if _, err := conn.Write(body); err != nil {
		t.Fatalf("the connection broke while the client was sending: %v", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Fatalf("%v %v", resp, err)
	}
	if text, err := io.ReadAll(resp.Body); err != nil || string(text) != "<Envelope/>" {
		t.Errorf("%q %v", text, err)
	}
}

func TestLongBodiesAreStreamed(t *testing.T) {
	const size = 60 << 20
	var got atomic.Int64
	r := newTestProxy(t, testConfig{policy: only(t, "alice@contoso.com"), respond: func(w http.ResponseWriter, req *http.Request) {
		n, _ := io.Copy(io.Discard, req.Body)
		got.Store(n)
		part := bytes.Repeat([]byte("<Envelope>      "), 4<<10)
		for range size / len(part) {
			_, _ = w.Write(part)
		}
	}})
	parts := bytes.SplitN(envelope("alice@contoso.com", createItem(8)), []byte("QUJDREVG"), 2)
	warm := func(n int64) error {
		body := io.MultiReader(bytes.NewReader(parts[0]), io.LimitReader(letters{}, n), bytes.NewReader(parts[1]))
		req, _ := http.NewRequest(http.MethodPost, "http://"+r.address+"/EWS/Exchange.asmx", body)
		req.Header.Set("Content-Type", "text/xml")
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != size {
			return fmt.Errorf("%d bytes came back: %v", n, err)
		}
		return nil
	}
	if err := warm(1 << 20); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := warm(size); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got.Load() < size {
		t.Errorf("%d bytes arrived", got.Load())
	}
	// The limit is for the allocations of client, proxy and upstream together, while
	// they transfer 60 MiB in each direction. It is not lower, because sync.Pool drops
	// objects under the race detector.
	if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 48<<20 {
		t.Errorf("%d MiB were allocated", grown>>20)
	}
}

// letters is endless base64 text.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'A'
	}
	return len(p), nil
}

func TestDocumentsAndProbes(t *testing.T) {
	r := newTestProxy(t, testConfig{})
	for _, c := range []struct {
		method, target string
		status         int
		uri            string // request target at Exchange; "": no request is sent to Exchange
	}{
		{"GET", "/EWS/Services.wsdl", 200, "/EWS/Services.wsdl"},
		{"GET", "/ews/services.wsdl", 200, "/EWS/Services.wsdl"},
		{"GET", "/ews/messages.xsd", 200, "/EWS/messages.xsd"},
		{"GET", "/EWS/types.xsd", 200, "/EWS/types.xsd"},
		{"GET", "/EWS/Exchange.asmx?wsdl", 200, "/EWS/Exchange.asmx?wsdl"},
		{"GET", "/EWS/Exchange.asmx?WSDL", 200, "/EWS/Exchange.asmx?wsdl"},
		{"GET", "/EWS/Exchange.asmx", 200, ""},
		{"HEAD", "/ews/exchange.asmx", 200, ""},
		{"HEAD", "/EWS/types.xsd", 405, ""},
		{"POST", "/EWS/types.xsd", 405, ""},
		{"POST", "/EWS/Exchange.asmx?wsdl", 405, ""},
		{"GET", "/EWS/Exchange.asmx?", 404, ""},
		{"GET", "/EWS/Exchange.asmx/s/GetUserPhoto?email=ceo@contoso.com&size=HR48x48", 404, ""},
		{"POST", "/EWS/Exchange.asmx/wssecurity", 404, ""},
		{"GET", "/", 404, ""},
		{"GET", "/autodiscover/autodiscover.xml", 404, ""},
	} {
		t.Run(c.method+" "+c.target, func(t *testing.T) {
			before := len(r.seen())
			req, _ := http.NewRequest(c.method, "http://"+r.address+c.target, nil)
			req.URL.Opaque = "" // the target is the path and the query of the URL
			req.Header.Set("Cookie", "exchangecookie=1")
			req.Header.Set("X-AnchorMailbox", "ceo@contoso.com")
			resp, _ := r.do(t, req)
			if resp.StatusCode != c.status {
				t.Errorf("response %d", resp.StatusCode)
			}
			seen := r.seen()[before:]
			if c.uri == "" {
				if len(seen) > 0 {
					t.Errorf("reached Exchange: %v", seen)
				}
				return
			}
			if len(seen) != 1 || seen[0].uri != c.uri || seen[0].header.Get("Authorization") != "Bearer "+goodToken {
				t.Fatalf("arrived as %v", seen)
			}
			if seen[0].header["Cookie"] != nil || seen[0].header["X-Anchormailbox"] != nil {
				t.Errorf("a GET carried cookies or a mailbox: %v", seen[0].header)
			}
		})
	}
}

func TestHostNamesAndBrowsers(t *testing.T) {
	r := newTestProxy(t, testConfig{adjust: func(c *proxy.Config) { c.HostNames = []string{"ews.internal"} }})
	for _, c := range []struct {
		name, host, header, value string
		status                    int
	}{
		{"localhost", "localhost", "", "", 200},
		{"another port", "localhost:9999", "", "", 200},
		{"letter case", "LOCALHOST", "", "", 200},
		{"IPv6", "[::1]:8080", "", "", 200},
		{"configured name", "ews.internal:80", "", "", 200},
		{"another name", "evil.example", "", "", 421},
		{"trailing dot", "localhost.", "", "", 421},
		{"subdomain", "localhost.evil.example", "", "", 421},
		{"empty port", "localhost:", "", "", 421},
		{"user", "x@localhost", "", "", 421},
		{"long port", "localhost:808080", "", "", 421},
		{"origin", "localhost", "Origin", "http://localhost", 403},
		{"null origin", "localhost", "Origin", "null", 403},
		{"fetch", "localhost", "Sec-Fetch-Site", "same-origin", 403},
		{"image", "localhost", "Sec-Fetch-Dest", "image", 403},
		{"Node's fetch", "localhost", "Sec-Fetch-Mode", "cors", 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, _ := http.NewRequest(http.MethodPost, "http://"+r.address+"/EWS/Exchange.asmx", bytes.NewReader(envelope("alice@contoso.com", getFolder)))
			req.Host = c.host
			req.Header.Set("Content-Type", "text/xml")
			if c.header != "" {
				req.Header.Set(c.header, c.value)
			}
			resp, text := r.do(t, req)
			if resp.StatusCode != c.status {
				t.Errorf("response %d %s", resp.StatusCode, text)
			}
			if c.status == 421 && !strings.Contains(text, "HMA_HOST_NAMES") {
				t.Errorf("the text does not name the variable: %s", text)
			}
			if c.status != 200 && !resp.Close {
				t.Error("the connection stays open after a refusal by the guard")
			}
		})
	}
}

func TestLoginUserIsAskedFor(t *testing.T) {
	r := newTestProxy(t, testConfig{policy: mustPolicy(t, policy.Config{Allowed: patterns(t, "alice@contoso.com"), LoginUser: true})})
	resp, _ := r.post(t, envelope("", getFolder))
	if resp.StatusCode != 401 || !strings.HasPrefix(resp.Header.Get("Www-Authenticate"), "Basic ") || len(r.seen()) != 0 {
		t.Fatalf("response %d %v", resp.StatusCode, resp.Header)
	}
	for _, c := range []struct{ user, code string }{
		{"alice@contoso.com", ""}, {"bob@contoso.com", "ErrorImpersonateUserDenied"}, {`CONTOSO\alice`, "ErrorInvalidExchangeImpersonationHeaderData"},
	} {
		req, _ := http.NewRequest(http.MethodPost, "http://"+r.address+"/EWS/Exchange.asmx", bytes.NewReader(envelope("", getFolder)))
		req.Header.Set("Content-Type", "text/xml")
		req.SetBasicAuth(c.user, "anything")
		resp, text := r.do(t, req)
		if c.code != "" {
			if f := readFault(t, text); f.Detail != c.code {
				t.Errorf("%s: %s", c.user, text)
			}
			continue
		}
		seen := r.seen()
		if resp.StatusCode != 200 || len(seen) != 1 {
			t.Fatalf("%s: response %d %s", c.user, resp.StatusCode, text)
		}
		if who := identities(t, seen[0].body); len(who) != 1 || who[0] != c.user {
			t.Errorf("Exchange would act for %q", who)
		}
	}
}

func TestDefaultMailboxIsInjected(t *testing.T) {
	for _, limited := range []bool{true, false} {
		c := policy.Config{DefaultMailbox: "Sync@contoso.com"}
		if limited {
			c.Allowed = patterns(t, "sync@contoso.com")
		}
		for name, doc := range map[string]string{
			"with a header":       string(envelope("", getFolder)),
			"without a header":    strings.Replace(string(envelope("", getFolder)), `<soap:Header><t:RequestServerVersion Version="Exchange2013_SP1"/></soap:Header>`, "", 1),
			"self-closed header":  strings.Replace(string(envelope("", getFolder)), `<soap:Header><t:RequestServerVersion Version="Exchange2013_SP1"/></soap:Header>`, "<soap:Header />", 1),
			"default namespaces":  `<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><GetFolder xmlns="http://schemas.microsoft.com/exchange/services/2006/messages"><FolderIds/></GetFolder></Body></Envelope>`,
			"prefix t is another": `<t:Envelope xmlns:t="http://schemas.xmlsoap.org/soap/envelope/"><t:Header/><t:Body><GetFolder xmlns="http://schemas.microsoft.com/exchange/services/2006/messages"><FolderIds/></GetFolder></t:Body></t:Envelope>`,
		} {
			t.Run(fmt.Sprint(name, " limited ", limited), func(t *testing.T) {
				r := newTestProxy(t, testConfig{policy: mustPolicy(t, c)})
				resp, text := r.post(t, []byte(doc))
				seen := r.seen()
				if resp.StatusCode != 200 || len(seen) != 1 {
					t.Fatalf("response %d %s", resp.StatusCode, text)
				}
				if who := identities(t, seen[0].body); len(who) != 1 || !strings.EqualFold(who[0], "sync@contoso.com") {
					t.Errorf("Exchange would act for %q in %s", who, seen[0].body)
				}
				if !bytes.Equal(seen[0].body[bodyOffset(t, seen[0].body):], []byte(doc)[bodyOffset(t, []byte(doc)):]) {
					t.Error("the Body changed")
				}
				if rec := r.last(t); !rec.Injected || !strings.EqualFold(rec.Mailbox, "sync@contoso.com") {
					t.Errorf("record %+v", rec)
				}
			})
		}
	}
}

func TestWithoutAListNothingIsRefusedForItsContent(t *testing.T) {
	r := newTestProxy(t, testConfig{})
	for name, doc := range map[string]string{
		"no XML at all":    "hello",
		"a DOCTYPE":        `<!DOCTYPE x><x/>`,
		"two mailboxes":    strings.Replace(string(envelope("alice@contoso.com", getFolder)), "</t:ConnectingSID>", "<t:SID>S-1-5</t:SID></t:ConnectingSID>", 1),
		"no mailbox":       string(envelope("", getFolder)),
		"an eDiscovery":    string(envelope("alice@contoso.com", "<m:SearchMailboxes/>")),
		"truncated":        string(envelope("alice@contoso.com", getFolder)[:300]),
		"long, then wrong": string(envelope("alice@contoso.com", createItem(1<<20))) + "<junk>",
	} {
		t.Run(name, func(t *testing.T) {
			before := len(r.seen())
			resp, text := r.post(t, []byte(doc))
			seen := r.seen()[before:]
			if resp.StatusCode != 200 || len(seen) != 1 || !seen[0].whole {
				t.Fatalf("response %d %s", resp.StatusCode, text)
			}
			want := []byte(doc)
			if !bytes.HasPrefix(want, seen[0].body) || len(seen[0].body) < min(len(want), 1<<20) {
				t.Errorf("it arrived changed: %.200s", seen[0].body)
			}
		})
	}
}

func TestAuditModeForwardsAndReports(t *testing.T) {
	r := newTestProxy(t, testConfig{policy: mustPolicy(t, policy.Config{Allowed: patterns(t, "alice@contoso.com"), Audit: true})})
	for _, c := range []struct{ name, doc, audit, mailbox string }{
		{"allowed", string(envelope("alice@contoso.com", getFolder)), "", "alice@contoso.com"},
		{"not on the list", string(envelope("bob@contoso.com", getFolder)), "mailbox-not-allowed", "bob@contoso.com"},
		{"no mailbox", string(envelope("", getFolder)), "no-mailbox", ""},
		{"operation", string(envelope("alice@contoso.com", "<m:AddDelegate/>")), "operation-not-allowed", "alice@contoso.com"},
		{"unreadable", "<!DOCTYPE x><x/>", "envelope-refused", "unreadable"},
		{"another charset", string(envelope("alice@contoso.com", getFolder)), "envelope-refused", "unreadable"},
		{"long, then wrong", string(envelope("alice@contoso.com", createItem(1<<20))) + "<junk>", "envelope-refused", "alice@contoso.com"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(r.seen())
			header := []string{}
			if c.name == "another charset" {
				header = []string{"Content-Type", "text/xml; charset=utf-16"}
			}
			resp, _ := r.post(t, []byte(c.doc), header...)
			rec := r.last(t)
			if seen := r.seen()[before:]; resp.StatusCode != 200 || len(seen) != 1 || !seen[0].whole {
				t.Errorf("response %d", resp.StatusCode)
			}
			if rec.Audit.String() != c.audit || rec.Mailbox != c.mailbox || rec.Reason != proxy.ReasonNone {
				t.Errorf("audit %q mailbox %q reason %q", rec.Audit, rec.Mailbox, rec.Reason)
			}
		})
	}
}

func TestNTLMHandshakeEndsHere(t *testing.T) {
	r := newTestProxy(t, testConfig{})
	const type1 = "NTLM TlRMTVNTUAABAAAABoIIAAAAAAAAAAAAAAAAAAAAAAA="
	for _, method := range []string{"POST", "GET"} {
		req, _ := http.NewRequest(method, "http://"+r.address+"/EWS/Exchange.asmx", nil)
		req.Header.Set("Authorization", type1)
		req.Header.Set("Content-Type", "text/xml")
		resp, _ := r.do(t, req)
		challenge, ok := strings.CutPrefix(resp.Header.Get("Www-Authenticate"), "NTLM TlRMTVNTUAACAAAA")
		if resp.StatusCode != 401 || !ok || len(challenge) < 40 {
			t.Errorf("%s: response %d %v", method, resp.StatusCode, resp.Header)
		}
	}
	if len(r.seen()) != 0 {
		t.Errorf("the handshake reached Exchange: %v", r.seen())
	}
	resp, _ := r.post(t, envelope("alice@contoso.com", getFolder), "Authorization", "NTLM TlRMTVNTUAADAAAA")
	if seen := r.seen(); resp.StatusCode != 200 || len(seen) != 1 || seen[0].header.Get("Authorization") != "Bearer "+goodToken {
		t.Errorf("response %d, arrivals %v", resp.StatusCode, seen)
	}
}
