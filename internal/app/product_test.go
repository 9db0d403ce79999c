package app

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hmaproxy/internal/config"
	"hmaproxy/internal/emulator"
	"hmaproxy/internal/ewstest"
	"hmaproxy/internal/httpclient"
	"hmaproxy/internal/memnet"
)

// The tests share these keys, because making a key takes longer than most tests.
// Certificates with the same key differ by their dates and serial numbers.
var testKeys = [...]func() *rsa.PrivateKey{testKey(2048), testKey(2048)}

// testSigningKey returns the key with which Entra signs its tokens. The product
// does not check the tokens' signatures, so the key is as short as Go permits,
// which saves most of the time that a signature takes.
var testSigningKey = testKey(1024)

func testKey(bits int) func() *rsa.PrivateKey {
	return sync.OnceValue(func() *rsa.PrivateKey {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		return key
	})
}

const askFolder = `<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape><m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>`

// Intervals between requests. "often" is so short that connections stay open between
// requests. This saves TLS handshakes, which take more processor time than requests.
// "seldom" is for simulated hours in which only a lasting failure matters.
const (
	often  = 50 * time.Second
	seldom = 10 * time.Minute
)

// A testProduct is the whole product between a client and the emulated services.
type testProduct struct {
	t      *testing.T
	emu    *emulator.Emulator
	env    map[string]string // environment of the product; change it before start
	log    *testLog
	memory *memnet.Network   // nil means real sockets
	dial   httpclient.Dialer // replaces the connections to the services; set it before start
	roots  *x509.CertPool    // not nil: the client connects by TLS and trusts these roots; set it before start

	app     *app
	clients string // address of the clients' listener
	admin   string
	client  *http.Client
	end     func()
}

// newTestProduct emulates the services over in-memory connections, for a
// synctest bubble. It does not start the product; start does.
func newTestProduct(t *testing.T, c emulator.Config) *testProduct {
	t.Helper()
	s := testProductWith(t, c)
	if err := s.emu.StartPipes(); err != nil {
		t.Fatal(err)
	}
	s.memory = memnet.New()
	s.env = s.emu.Env()
	return s
}

// newTestProductOnSockets emulates the services over TLS on loopback.
func newTestProductOnSockets(t *testing.T, c emulator.Config) *testProduct {
	t.Helper()
	s := testProductWith(t, c)
	if err := s.emu.Start(); err != nil {
		t.Fatal(err)
	}
	s.env = s.emu.Env()
	s.env["HMA_LISTEN"], s.env["HMA_ADMIN_LISTEN"] = "127.0.0.1:0", "127.0.0.1:0"
	return s
}

func testProductWith(t *testing.T, c emulator.Config) *testProduct {
	t.Helper()
	if c.Cert == nil {
		c.Cert = newTestCertificate(t, 0, emulator.CertOptions{})
	}
	c.SigningKey = testSigningKey()
	e, err := emulator.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return &testProduct{t: t, emu: e, log: &testLog{}}
}

// newTestCertificate makes a certificate with one of the two shared keys. The
// vault returns it as PEM, because decoding a PFX takes as long as fifty
// requests.
func newTestCertificate(t *testing.T, key int, o emulator.CertOptions) *emulator.Certificate {
	t.Helper()
	if o.Key == nil && !o.EC {
		o.Key = testKeys[key]()
	}
	if !o.NonExportable {
		o.Format = emulator.PEM
	}
	c, err := emulator.NewCertificate(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// startTestProduct starts a product with further settings. The test must run in a
// synctest bubble.
func startTestProduct(t *testing.T, settings ...string) *testProduct {
	t.Helper()
	s := newTestProduct(t, emulator.Config{})
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		s.env[name] = value
	}
	if s.env["HMA_ALLOWED_MAILBOXES_FILE"] != "" {
		delete(s.env, "HMA_ALLOWED_MAILBOXES")
	}
	return s.start()
}

// writeFile writes a file into a new directory and returns its path.
func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// start runs the product until stop or close.
func (s *testProduct) start() *testProduct {
	s.t.Helper()
	a, addresses := s.makeApp()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.run(ctx) }()
	select {
	case <-addresses:
	case err := <-ended:
		cancel()
		s.t.Fatalf("the product ended: %v", err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 2000}
	if s.memory != nil {
		transport.DialContext = s.memory.DialContext
	}
	if s.roots != nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: s.roots}
	}
	s.app, s.client = a, &http.Client{Transport: transport}
	s.end = func() {
		transport.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("the product ended with %v", err)
		}
	}
	return s
}

func (s *testProduct) makeApp() (*app, <-chan struct{}) {
	s.t.Helper()
	environ := []string{"HMA_CA_FILE=emulator.pem", "HMA_LOG_LEVEL=debug", "HMA_SHUTDOWN_TIMEOUT=5s"}
	for name, value := range s.env {
		environ = append(environ, name+"="+value)
	}
	c, err := config.Load(environ, func(name string) ([]byte, error) {
		if name == "emulator.pem" {
			return s.emu.CAPEM(), nil
		}
		return os.ReadFile(name)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	started := make(chan struct{})
	o := Options{Config: c, Log: slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: s.noDurations}))}
	o.Started = func(clients []net.Addr, admin net.Addr) {
		s.clients, s.admin = clients[0].String(), admin.String()
		close(started)
	}
	if s.memory != nil {
		o.Dial, o.Listen = s.emu.DialContext, s.memory.Listen
	}
	if s.dial != nil {
		o.Dial = s.dial
	}
	a, err := newApp(o)
	if err != nil {
		s.t.Fatal(err)
	}
	return a, started
}

// noDurations fails the test if a log attribute is a time.Duration: JSON would
// contain nanoseconds under a key without a unit.
func (s *testProduct) noDurations(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		s.t.Errorf("the value of the log key %s is a duration and has no unit", a.Key)
	}
	return a
}

// stop ends the product and leaves the services running.
func (s *testProduct) stop() {
	if s.end != nil {
		s.end()
		s.end = nil
	}
}

// close ends the product and the services.
func (s *testProduct) close() {
	s.stop()
	s.emu.Close()
}

// settle waits until the product has a token.
func (s *testProduct) settle() *testProduct {
	s.t.Helper()
	if a := s.ask(); a.status != http.StatusOK {
		s.t.Fatalf("the first request: %+v\n%s", a, s.log)
	}
	return s
}

// A response is the response that a client received, or its error.
type response struct {
	status int
	header http.Header
	text   string
	took   time.Duration
	err    error
}

func (a response) ok() bool {
	return a.err == nil && a.status == http.StatusOK && strings.Contains(a.text, "NoError")
}

// ask sends a small request that impersonates alice.
func (s *testProduct) ask() response { return s.send(context.Background(), askFolder) }

func (s *testProduct) send(ctx context.Context, operation string) response {
	return s.sendText(ctx, envelopeWith(operation))
}

// sendEnvelope sends a complete SOAP envelope.
func (s *testProduct) sendEnvelope(envelope string) response {
	return s.sendText(context.Background(), envelope)
}

// url returns the URL of a path for clients.
func (s *testProduct) url(path string) string {
	if s.roots != nil {
		return "https://" + s.clients + path
	}
	return "http://" + s.clients + path
}

func (s *testProduct) sendText(ctx context.Context, envelope string) response {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url("/EWS/Exchange.asmx"), strings.NewReader(envelope))
	if err != nil {
		return response{err: err}
	}
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	return s.do(req)
}

// envelopeWith returns an envelope with the given operation that impersonates
// alice.
func envelopeWith(operation string) string { return ewstest.Envelope("alice@contoso.com", operation) }

// create returns an operation with a side effect: it creates a message.
func create(subject, content string) string {
	return `<m:CreateItem MessageDisposition="SaveOnly"><m:Items><t:Message><t:MimeContent>` + content + `</t:MimeContent><t:Subject>` + subject + `</t:Subject></t:Message></m:Items></m:CreateItem>`
}

func (s *testProduct) do(req *http.Request) response {
	began := time.Now()
	resp, err := s.client.Do(req)
	if err != nil {
		return response{err: err, took: time.Since(began)}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	took := time.Since(began)
	if s.memory != nil {
		// The product writes its log line and its counters after the response.
		// Wait for them: in a synctest bubble a sleep ends only when every
		// goroutine waits. synctest.Wait must not be called by several goroutines
		// at the same time, and some tests send requests at the same time.
		time.Sleep(time.Nanosecond)
	}
	return response{resp.StatusCode, resp.Header, string(text), took, err}
}

// probe sends a GET request to the admin listener.
func (s *testProduct) probe(path string) response {
	req, err := http.NewRequest(http.MethodGet, "http://"+s.admin+path, nil)
	if err != nil {
		return response{err: err}
	}
	return s.do(req)
}

// A failedRequest is the time and response of a request that failed.
type failedRequest struct {
	at time.Time
	response
}

// The method "every" sends a request at each interval for d. It returns the number
// of requests and the requests that failed.
func (s *testProduct) every(interval, d time.Duration) (sent int, failed []failedRequest) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(min(interval, time.Until(end))) {
		at := time.Now()
		sent++
		if a := s.ask(); !a.ok() {
			failed = append(failed, failedRequest{at, a})
		}
	}
	return sent, failed
}

// allSucceed sends requests for d and fails the test if any of them fails.
func (s *testProduct) allSucceed(interval, d time.Duration) {
	s.t.Helper()
	began := time.Now()
	sent, failed := s.every(interval, d)
	if len(failed) > 0 {
		s.t.Fatalf("%d of %d requests failed, the first after %v: %+v\n%s", len(failed), sent, failed[0].at.Sub(began), failed[0].response, s.log)
	}
}

// tokenRequests returns the token requests of the application that opens
// mailboxes.
func (s *testProduct) tokenRequests() []emulator.Hop {
	return slices.DeleteFunc(s.emu.Entra().Hops(), func(h emulator.Hop) bool {
		return h.Form.Get("client_id") != s.emu.Config().HMAAppID
	})
}
