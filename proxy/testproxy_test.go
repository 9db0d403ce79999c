package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"hmaproxy/internal/ewstest"
	"hmaproxy/internal/httpserver"
	"hmaproxy/proxy"
	"hmaproxy/proxy/policy"
)

const (
	goodToken = "eyJ.good-token.sig"
	nextToken = "eyJ.next-token.sig"
)

// An arrival is a request as it reached the upstream.
type arrival struct {
	method, uri, host string
	header            http.Header
	body              []byte
	whole             bool // the body is complete
}

// upstream is a double of Exchange. It records requests and responds to them.
type upstream struct {
	*httptest.Server
	mu       sync.Mutex
	arrivals []arrival
	// respond writes the response. Its Content-Type is text/xml unless respond changes
	// it. nil: the response is 200 with a small document.
	respond func(w http.ResponseWriter, r *http.Request)
}

const okDocument = `<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>`

func newUpstream(t testing.TB, respond func(http.ResponseWriter, *http.Request)) *upstream {
	u := &upstream{respond: respond}
	u.Server = httptest.NewUnstartedServer(u)
	u.Server.Config.ErrorLog = nil
	u.StartTLS()
	t.Cleanup(u.Close)
	return u
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	at := len(u.arrivals)
	if at == 1000 { // enough for any test; a benchmark sends more
		u.mu.Unlock()
		u.respond(w, r)
		return
	}
	u.arrivals = append(u.arrivals, arrival{method: r.Method, uri: r.RequestURI, host: r.Host, header: r.Header.Clone()})
	u.mu.Unlock()
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	if u.respond != nil {
		copied := *r // a copy, because net/http requires that its request keeps its own body
		copied.Body = &recorder{r.Body, u, at}
		u.respond(w, &copied)
		return
	}
	_, _ = io.Copy(io.Discard, &recorder{r.Body, u, at})
	_, _ = io.WriteString(w, okDocument)
}

// recorder records the first MiB read from a request's body, and whether the body
// was complete.
type recorder struct {
	io.ReadCloser
	u  *upstream
	at int
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.u.mu.Lock()
	defer r.u.mu.Unlock()
	a := &r.u.arrivals[r.at]
	if len(a.body) < 1<<20 {
		a.body = append(a.body, p[:n]...)
	}
	a.whole = a.whole || errors.Is(err, io.EOF)
	return n, err
}

func (u *upstream) seen() []arrival {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]arrival(nil), u.arrivals...)
}

// tokens is a token source that has a token from the start and can replace it. If
// err is set, both methods fail.
type tokens struct {
	mu       sync.Mutex
	current  string
	err      error
	replaced int
}

func (s *tokens) Token(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current, s.err
}

func (s *tokens) Replace(ctx context.Context, rejected string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == rejected {
		s.current = nextToken
		s.replaced++
	}
	return s.current, s.err
}

// A testProxy is a proxy in front of an upstream.
type testProxy struct {
	*upstream
	handler *proxy.Handler
	address string
	tokens  *tokens
	mu      sync.Mutex
	records []proxy.Record
	done    chan struct{}
}

type testConfig struct {
	policy  *policy.Policy
	respond func(http.ResponseWriter, *http.Request)
	adjust  func(*proxy.Config)
}

// A server is the HTTP server that calls a Handler.
type server interface {
	Serve(net.Listener) error
	Close() error
}

// underNetHTTP says which HTTP server tests use. The default is the product's own
// server. Other programs may run a Handler in net/http's server.
var underNetHTTP = flag.Bool("net-http", false, "run the tests under net/http's server")

func newServer(handler *proxy.Handler) server {
	if *underNetHTTP {
		return newNetHTTPServer(handler)
	}
	return httpserver.From(handler.Server(discarded()))
}

func newNetHTTPServer(handler *proxy.Handler) server { return handler.Server(discarded()) }

func discarded() *log.Logger { return log.New(io.Discard, "", 0) }

func newTestProxy(t testing.TB, c testConfig) *testProxy {
	t.Helper()
	r := &testProxy{upstream: newUpstream(t, c.respond), tokens: &tokens{current: goodToken}, done: make(chan struct{}, 1000)}
	target, err := url.Parse(r.URL + "/EWS/Exchange.asmx")
	if err != nil {
		t.Fatal(err)
	}
	if c.policy == nil {
		c.policy = open(t)
	}
	transport := newTransport(t, target.Host, target.Host, r.Certificate(), new(net.Dialer).DialContext)
	t.Cleanup(transport.CloseIdleConnections)
	config := proxy.Config{
		EWS: target, Tokens: r.tokens, Refresher: r.tokens, Transport: transport,
		Policy:   func() *policy.Policy { return c.policy },
		Settings: testSettings,
		Done:     r.record,
	}
	if c.adjust != nil {
		c.adjust(&config)
	}
	handler, err := proxy.New(config)
	if err != nil {
		t.Fatal(err)
	}
	r.handler = handler
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(handler)
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	r.address = l.Addr().String()
	return r
}

func (r *testProxy) record(rec *proxy.Record) {
	r.mu.Lock()
	r.records = append(r.records[max(0, len(r.records)-100):], *rec)
	r.mu.Unlock()
	r.done <- struct{}{}
}

// The method "last" waits until one more request has ended. It returns the record of
// that request.
func (r *testProxy) last(t testing.TB) proxy.Record {
	t.Helper()
	select {
	case <-r.done:
	case <-time.After(20 * time.Second):
		t.Fatal("the request was never over")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.records[len(r.records)-1]
}

func (r *testProxy) post(t testing.TB, body []byte, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+r.address+"/EWS/Exchange.asmx", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			req.Header.Del(header[i])
		} else {
			req.Header.Set(header[i], header[i+1])
		}
	}
	return r.do(t, req)
}

func (r *testProxy) do(t testing.TB, req *http.Request) (*http.Response, string) {
	t.Helper()
	client := &http.Client{
		Transport:     &http.Transport{DisableCompression: true, DisableKeepAlives: true, ExpectContinueTimeout: time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       30 * time.Second,
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", req.URL, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s: read the response: %v", req.URL, err)
	}
	return resp, string(text)
}

// The function "open" returns a policy without an allow-list.
func open(t testing.TB) *policy.Policy { return mustPolicy(t, policy.Config{}) }

// The function "only" returns a policy with this allow-list.
func only(t testing.TB, list string) *policy.Policy {
	return mustPolicy(t, policy.Config{Allowed: patterns(t, list)})
}

func patterns(t testing.TB, list string) []policy.Pattern {
	t.Helper()
	p, err := policy.ParsePatterns(list)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustPolicy(t testing.TB, c policy.Config) *policy.Policy {
	t.Helper()
	p, err := policy.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// envelope returns a SOAP request that impersonates mailbox. If mailbox is "", the
// request impersonates none.
func envelope(mailbox, operation string) []byte { return []byte(ewstest.Envelope(mailbox, operation)) }

const getFolder = `<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>` +
	`<m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>`

// createItem returns a CreateItem operation of about n bytes. Its MIME message has one
// header field, a Subject.
func createItem(n int) string {
	return `<m:CreateItem MessageDisposition="SaveOnly"><m:Items><t:Message><t:MimeContent>` + "U3ViamVjdDogeHkNCg0K" +
		strings.Repeat("QUJDREVG", n/8) + `</t:MimeContent></t:Message></m:Items></m:CreateItem>`
}

// targetsConfig returns the configuration of a policy with an allow-list and the scope
// "targets". With this scope the policy also checks the mailboxes to which the Body
// refers.
func targetsConfig(t testing.TB) policy.Config {
	return policy.Config{Allowed: patterns(t, "alice@contoso.com"), Targets: true}
}

// testSettings are some of hmaproxy's environment variables.
var testSettings = proxy.Settings{HostNames: "HMA_HOST_NAMES", Autodiscover: "HMA_AUTODISCOVER", Resource: "HMA_RESOURCE_ID"}
