package proxy_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	lean "hmaproxy/internal/upstream"
	"hmaproxy/proxy"
	"hmaproxy/proxy/policy"
)

// TestRules runs the rule table. For every sentence of "One request" in
// docs/design.md that package proxy decides, the table has requests on both
// sides of the boundary. Subtests are named for the sections of that document.
// Unless it says otherwise, each rule runs with an allow-list in enforce mode,
// with an allow-list in audit mode, and without a list. Each of these modes runs
// with client users and without. Expected values come from the document.
//
// Other packages decide some of the sentences, and their tests cover these:
// the names that HMA_FORWARD_HEADERS must not contain (internal/config), the
// number of connections of a listener and of each peer (internal/listener), the
// rate of forced refreshes (token), log and metrics.
func TestRules(t *testing.T) {
	exchangeCertificate() // make the certificate before the synctest bubbles begin
	sections := []struct {
		name  string
		rules []rule
	}{
		{"Guard", guardRules()},
		{"Inspect", inspectRules()},
		{"Authorise", authoriseRules()},
		{"Rewrite", rewriteRules()},
		{"Headers", headerRules()},
		{"Authenticate", authenticateRules()},
		{"Autodiscover", autodiscoverRules()},
		{"Forward", forwardRules()},
		{"Upstream401", upstream401Rules()},
		{"Response", responseRules()},
		{"Errors", errorRules()},
	}
	names := make(map[string]bool)
	for _, section := range sections {
		for _, r := range section.rules {
			name := section.name + "/" + r.name
			if names[name] {
				t.Errorf("two rules are named %s", name)
			}
			names[name] = true
		}
	}
	for name := range pending {
		if !names[name] {
			t.Errorf("pending names %s, which is not a rule of the table", name)
		}
	}
	for _, section := range sections {
		t.Run(section.name, func(t *testing.T) {
			for _, r := range section.rules {
				t.Run(r.name, func(t *testing.T) { r.run(t, pending[section.name+"/"+r.name]) })
			}
		})
	}
}

// pending lists the rules that do not hold yet, because a behaviour in docs/design.md
// is not implemented. Such a rule must fail in at least one setup. When the behaviour
// is implemented, the rule must be removed from this map.
var pending = map[string]bool{}

// A rule is a request and its expected result.
type rule struct {
	name    string
	request request
	first   []request                           // requests sent before this one, on their own connections
	config  func(*proxy.Config)                 // changes the proxy; nil: no change
	policy  func(*policy.Config)                // changes the policy; nil: no change
	reply   func(attempt int, s *sent) response // responses of Exchange; nil: 200 with a SOAP response

	// The expected results. list, audit and open are the results in these modes. The
	// field all is the result in each mode whose own field is not set. A mode is not
	// run if neither its own field nor the field all is set.
	all, list, audit, open want
}

// A setup is one way to run a rule.
type setup struct {
	mode  string // "list", "audit" or "open" (no list)
	users bool
}

func (s setup) String() string {
	if s.users {
		return s.mode + ", client users"
	}
	return s.mode
}

func (r rule) run(t *testing.T, pending bool) {
	ran, problems := 0, 0
	for _, mode := range []struct {
		name string
		want want
	}{{"list", r.list}, {"audit", r.audit}, {"open", r.open}} {
		w := mode.want
		if w.status == 0 {
			w = r.all
		}
		if w.status == 0 {
			continue
		}
		for _, s := range []setup{{mode.name, false}, {mode.name, true}} {
			if w.users != nil && *w.users != s.users {
				continue
			}
			ran++
			t.Run(s.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					got := r.try(t, s)
					for _, problem := range append(w.check(got), invariants(s, got)...) {
						problems++
						if !pending {
							t.Error(problem)
						}
					}
				})
			})
		}
	}
	switch {
	case ran == 0:
		t.Error("the rule states nothing")
	case pending && problems == 0:
		t.Error("the rule now holds: remove it from pending")
	}
}

// The allow-list of the table, the client user, and the configured EWS URL.
const (
	listed        = "alice@contoso.com, *@rooms.contoso.com, upn:dora@contoso.com, sid:S-1-5-21-1-2-3-500"
	clientUser    = "alice@contoso.com"
	clientPass    = "correct horse"
	configuredURL = "https://mail.contoso.com/Published/Exchange.asmx"
)

// The method "try" runs the rule in the setup s: the mode of the allow-list, with or
// without client users. It must run in a synctest bubble.
func (r rule) try(t *testing.T, s setup) *result {
	p := newRuleProxy(t, r, s)
	defer p.close()
	for _, q := range r.first {
		p.send(q.prepare(s))
		synctest.Wait()
		p.records = nil
	}
	got := p.send(r.request.prepare(s))
	synctest.Wait()
	p.upstream.mu.Lock()
	defer p.upstream.mu.Unlock()
	got.sent = slices.Clone(p.upstream.sent)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.records) > 0 {
		got.record = p.records[0]
	}
	return got
}

// A ruleProxy is a proxy between a raw client and a double of Exchange. The
// double records the bytes that it receives. The proxy is connected to the
// client and to the double in memory.
type ruleProxy struct {
	t         *testing.T
	upstream  *double
	tokens    *tokens
	server    server
	transport transport
	accept    chan net.Conn
	closed    chan struct{}
	local     net.Addr

	mu      sync.Mutex
	records []proxy.Record
}

func newRuleProxy(t *testing.T, r rule, s setup) *ruleProxy {
	t.Helper()
	p := &ruleProxy{
		t: t, upstream: &double{reply: r.reply}, tokens: &tokens{current: goodToken},
		accept: make(chan net.Conn), closed: make(chan struct{}),
		local: &net.TCPAddr{IP: net.ParseIP(cmp.Or(r.request.listener, "127.0.0.1")), Port: 8080},
	}
	pc := policy.Config{}
	if s.mode != "open" {
		pc.Allowed, pc.Audit = patterns(t, listed), s.mode == "audit"
	}
	if r.policy != nil {
		r.policy(&pc)
	}
	inForce, err := newPolicy(pc, r.policy == nil)
	if err != nil {
		t.Fatal(err)
	}
	ews, err := url.Parse(configuredURL)
	if err != nil {
		t.Fatal(err)
	}
	p.transport = newRuleTransport(t, ews.Host, p.upstream.dial)
	config := proxy.Config{
		EWS: ews, Tokens: p.tokens, Refresher: p.tokens, Transport: p.transport,
		HostNames:      []string{"ews.internal"},
		Settings:       testSettings,
		ForwardHeaders: []string{"X-Vendor-Trace"},
		Policy:         func() *policy.Policy { return inForce },
		Done: func(rec *proxy.Record) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.records = append(p.records, *rec)
		},
	}
	if s.users {
		config.Policy = func() *policy.Policy { return new(policy.Policy) } // allows no mailbox, because the client has its own policy
		config.Client = func(_ context.Context, _, user, password string) (*policy.Policy, error) {
			// This function accepts empty credentials too. So a test fails if the
			// proxy calls it for a request without credentials instead of refusing the
			// request.
			if user == clientUser && password == clientPass || user == "" && password == "" {
				return inForce, nil
			}
			return nil, proxy.ErrCredentials
		}
	}
	if r.config != nil {
		r.config(&config)
	}
	handler, err := proxy.New(config)
	if err != nil {
		t.Fatal(err)
	}
	p.server = newServer(handler)
	go p.server.Serve(p)
	return p
}

// common caches the policies that most rules share. The key says whether there is a
// list and whether the mode is audit.
var common sync.Map

func newPolicy(c policy.Config, isCommon bool) (*policy.Policy, error) {
	if !isCommon {
		return policy.New(c)
	}
	key := [2]bool{c.Allowed != nil, c.Audit}
	if p, ok := common.Load(key); ok {
		return p.(*policy.Policy), nil
	}
	p, err := policy.New(c)
	common.Store(key, p)
	return p, err
}

// newRuleTransport returns the product's transport. It uses a fast key exchange,
// because nearly every rule performs a TLS handshake.
func newRuleTransport(t *testing.T, host string, open dial) transport {
	roots := x509.NewCertPool()
	roots.AddCert(exchangeCertificate().Leaf)
	made, err := lean.New(lean.Config{
		Host: host, Address: host + ":443", Dial: open,
		TLS:              &tls.Config{RootCAs: roots, ServerName: "example.com", CurvePreferences: []tls.CurveID{tls.CurveP256}},
		HandshakeTimeout: 10 * time.Second, ContinueTimeout: 2 * time.Second, IdleTimeout: 55 * time.Second,
		MaxIdle: 256, MaxHead: 256 << 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func (p *ruleProxy) close() {
	close(p.closed)
	p.server.Close()
	p.transport.CloseIdleConnections()
	time.Sleep(time.Minute) // net/http waits before it closes some connections
}

// A ruleProxy is its own net.Listener.

func (p *ruleProxy) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *ruleProxy) Close() error   { return nil }
func (p *ruleProxy) Addr() net.Addr { return p.local }

// A clientConn is the proxy's end of a client's connection.
type clientConn struct {
	net.Conn
	local net.Addr
}

func (c clientConn) LocalAddr() net.Addr { return c.local }
func (c clientConn) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 50000}
}

// A result is the outcome of a request on both sides of hmaproxy.
type result struct {
	request request // the request as it was sent
	began   time.Time

	status    int
	proto     string
	header    http.Header
	lines     []string // header lines of the response, unchanged
	body      string
	truncated bool          // the response is incomplete
	firstByte time.Duration // time from the start of the request to the first byte of the response's body
	kept      bool          // the connection served another request

	sent   []sent // requests that reached Exchange
	record proxy.Record
}

// send writes a request on its own connection and reads the response. Then it
// tests the connection with a probe to which hmaproxy responds itself.
func (p *ruleProxy) send(q request) *result {
	got := &result{request: q, began: time.Now()}
	here, there := net.Pipe()
	defer here.Close()
	if q.tls {
		config := &tls.Config{Certificates: []tls.Certificate{exchangeCertificate()}, SessionTicketsDisabled: true}
		p.accept <- tls.Server(clientConn{there, p.local}, config)
		here = tls.Client(here, &tls.Config{InsecureSkipVerify: true})
	} else {
		p.accept <- clientConn{there, p.local}
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = here.Write(q.bytes())
	}()
	_ = here.SetReadDeadline(time.Now().Add(time.Hour))
	in := bufio.NewReader(here)
	for got.read(in); got.status == 100; got.read(in) {
	}
	<-written
	go io.WriteString(here, "GET /EWS/Exchange.asmx HTTP/1.1\r\nHost: localhost\r\n\r\n")
	_ = here.SetReadDeadline(time.Now().Add(time.Minute))
	_, err := http.ReadResponse(in, nil)
	got.kept = err == nil
	return got
}

func (r *result) read(in *bufio.Reader) {
	var head strings.Builder
	r.status, r.lines = 0, nil
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return // status 0: no response
		}
		head.WriteString(line)
		if line == "\r\n" {
			break
		}
		r.lines = append(r.lines, strings.TrimSuffix(line, "\r\n"))
	}
	resp, err := http.ReadResponse(bufio.NewReader(io.MultiReader(strings.NewReader(head.String()), in)), &http.Request{Method: r.request.method})
	if err != nil {
		return
	}
	r.status, r.proto, r.header = resp.StatusCode, resp.Proto, resp.Header
	body := bufio.NewReader(resp.Body)
	_, _ = body.Peek(1)
	r.firstByte = time.Since(r.began)
	text, err := io.ReadAll(body)
	r.body, r.truncated = string(text), err != nil
}

// A request is the bytes that a client sends.
type request struct {
	method, target, proto string
	header                []string // "Name: value"
	body                  []byte
	chunked               bool
	trailer               []string
	anonymous             bool   // without credentials, even in setups with client users
	listener              string // address of the listener that gets the request; "": 127.0.0.1
	tls                   bool   // the listener uses TLS

	// If lines is not 0, prepare adds headers until there are this many header lines.
	// If size is not 0, prepare adds headers until they have this many bytes. Host is
	// not counted.
	lines, size int
}

// post returns a SOAP request as most clients send it. A header in header replaces
// the default header of the same name.
func post(body []byte, header ...string) request {
	q := request{method: "POST", target: "/EWS/Exchange.asmx", proto: "HTTP/1.1", body: body}
	return q.with("Host: localhost:8080", "Content-Type: text/xml; charset=utf-8").with(header...)
}

func get(target string, header ...string) request {
	q := request{method: "GET", target: target, proto: "HTTP/1.1"}
	return q.with("Host: localhost:8080").with(header...)
}

func headerName(line string) string {
	name, _, _ := strings.Cut(line, ":")
	return strings.ToLower(name)
}

// The method "without" removes headers by name.
func (q request) without(names ...string) request {
	q.header = slices.Clone(q.header)
	for _, name := range names {
		q.header = slices.DeleteFunc(q.header, func(line string) bool { return headerName(line) == strings.ToLower(name) })
	}
	return q
}

// The method "with" adds header lines. It first removes the lines with the same names.
func (q request) with(lines ...string) request {
	for _, line := range lines {
		q = q.without(headerName(line)).and(line)
	}
	return q
}

// The method "and" adds header lines. It keeps existing lines with the same name.
func (q request) and(lines ...string) request {
	q.header = append(slices.Clone(q.header), lines...)
	return q
}

func (q request) to(target string) request    { q.target = target; return q }
func (q request) by(method string) request    { q.method = method; return q }
func (q request) in(proto string) request     { q.proto = proto; return q }
func (q request) inChunks() request           { q.chunked = true; return q }
func (q request) withoutCredentials() request { q.anonymous = true; return q }

// prepare adds header lines: the credentials if the setup has client users, the length
// or the encoding of the body, and the padding that the fields "lines" and "size" ask for.
func (q request) prepare(s setup) request {
	named := slices.ContainsFunc(q.header, func(line string) bool { return headerName(line) == "authorization" })
	if s.users && !q.anonymous && !named {
		q = q.and("Authorization: " + basic(clientUser, clientPass))
	}
	switch {
	case q.chunked:
		q = q.and("Transfer-Encoding: chunked")
	case q.body != nil || q.method == "POST":
		q = q.and("Content-Length: " + strconv.Itoa(len(q.body)))
	}
	lines, size := 0, 0
	for _, line := range q.header {
		if headerName(line) != "host" {
			lines, size = lines+1, size+len(line)+len("\r\n")
		}
	}
	for ; lines < q.lines; lines++ {
		q = q.and(fmt.Sprintf("X-Pad-%d: x", lines))
	}
	if left := q.size - size - len("X-Pad: \r\n"); left > 0 {
		q = q.and("X-Pad: " + strings.Repeat("x", left))
	}
	return q
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func (q request) bytes() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s\r\n", q.method, q.target, q.proto)
	for _, line := range q.header {
		b.WriteString(line + "\r\n")
	}
	b.WriteString("\r\n")
	if !q.chunked {
		b.Write(q.body)
		return b.Bytes()
	}
	for part := range slices.Chunk(q.body, 5000) {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(part), part)
	}
	b.WriteString("0\r\n")
	for _, line := range q.trailer {
		b.WriteString(line + "\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// A sent is a request as it reached Exchange, byte for byte.
type sent struct {
	line   string   // "POST /Published/Exchange.asmx HTTP/1.1"
	header []string // "Name: value", unchanged and in the order in which they arrived
	body   []byte
	whole  bool // the body is complete
}

// values returns the values of a header.
func (s *sent) values(name string) (values []string) {
	for _, line := range s.header {
		if headerName(line) == strings.ToLower(name) {
			_, v, _ := strings.Cut(line, ":")
			values = append(values, strings.Trim(v, " "))
		}
	}
	return values
}

func (s *sent) value(name string) string {
	return strings.Join(s.values(name), " | ")
}

// A response says what the double of Exchange sends, and when.
type response struct {
	raw    string // head and body
	early  bool   // sent before the body was read, even if the client waits for 100 Continue
	hangUp bool   // close the connection afterwards
	delay  time.Duration

	parts []string // sent after raw, each after a pause
	pause time.Duration
}

// soapResponse returns a response with a SOAP document.
func soapResponse(status int, body string, header ...string) response {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	if !slices.ContainsFunc(header, func(line string) bool { return headerName(line) == "content-type" }) {
		b.WriteString("Content-Type: text/xml; charset=utf-8\r\n")
	}
	for _, line := range header {
		b.WriteString(line + "\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return response{raw: b.String()}
}

// The function "always" returns a reply function that gives the same response to every
// attempt.
func always(r response) func(int, *sent) response {
	return func(int, *sent) response { return r }
}

// A double replaces Exchange and records the requests.
type double struct {
	reply func(attempt int, s *sent) response
	mu    sync.Mutex
	sent  []sent
}

// exchangeCertificate is the certificate of the double. It has an ECDSA key, because
// ECDSA signatures are fast and nearly every rule performs a TLS handshake.
var exchangeCertificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"example.com"},
		NotBefore: time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
})

func (u *double) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	go u.serve(tls.Server(there, &tls.Config{
		Certificates:           []tls.Certificate{exchangeCertificate()},
		SessionTicketsDisabled: true, // a session ticket that the client has not read yet blocks a pipe without a buffer
	}))
	return here, nil
}

func (u *double) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for u.serveRequest(c, in) {
	}
}

// serveRequest serves one request and reports whether the connection stays open.
func (u *double) serveRequest(c net.Conn, in *bufio.Reader) bool {
	var s sent
	for n := 0; ; n++ {
		line, err := in.ReadString('\n')
		if err != nil {
			return false
		}
		switch line = strings.TrimSuffix(line, "\r\n"); {
		case n == 0:
			s.line = line
			continue
		case line != "":
			s.header = append(s.header, line)
			continue
		}
		break
	}
	at := u.add(s)
	reply := u.decide(at, &s)
	if !reply.early {
		if s.value("Expect") != "" {
			_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
		}
		s.readBody(in)
		u.update(at, s)
		if !s.whole {
			return false
		}
	}
	time.Sleep(reply.delay)
	_, err := io.WriteString(c, reply.raw)
	for _, part := range reply.parts {
		time.Sleep(reply.pause)
		_, err = io.WriteString(c, part)
	}
	return err == nil && !reply.hangUp && !reply.early
}

func (s *sent) readBody(in *bufio.Reader) {
	var err error
	if s.value("Transfer-Encoding") == "chunked" {
		err = s.readChunks(in)
	} else {
		n, _ := strconv.Atoi(cmp.Or(s.value("Content-Length"), "0"))
		s.body = make([]byte, n)
		n, err = io.ReadFull(in, s.body)
		s.body = s.body[:n]
	}
	s.whole = err == nil
}

func (s *sent) readChunks(in *bufio.Reader) error {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(strings.TrimSuffix(line, "\r\n"), 16, 31)
		if err != nil {
			return err
		}
		part := make([]byte, n+2)
		m, err := io.ReadFull(in, part)
		s.body = append(s.body, part[:min(uint64(m), n)]...)
		if n == 0 || err != nil {
			return err
		}
	}
}

func (u *double) add(s sent) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sent = append(u.sent, s)
	return len(u.sent)
}

func (u *double) update(at int, s sent) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sent[at-1] = s
}

func (u *double) decide(at int, s *sent) response {
	if u.reply == nil {
		return soapResponse(200, okDocument)
	}
	return u.reply(at, s)
}
