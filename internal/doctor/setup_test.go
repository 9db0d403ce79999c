package doctor_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"hmaproxy/internal/config"
	"hmaproxy/internal/doctor"
	"hmaproxy/internal/emulator"
	"hmaproxy/internal/memnet"
)

// Making keys takes longer than everything else, so all tests share these keys.
var certKey, signingKey = sync.OnceValue(newKey), sync.OnceValue(newKey)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

const (
	vaultSecret   = "Kv8~canary-client-secret-7f3a"
	proxyPassword = "canary-proxy-password"
	certPassword  = "canary-cert-password"
)

// A testSetup is a working organisation, which a test case then changes.
type testSetup struct {
	t     *testing.T
	e     *emulator.Emulator
	env   map[string]string
	opts  doctor.Options
	ways  map[string]func(context.Context) (net.Conn, error) // by host:port; other addresses lead to the emulator
	ended []func()

	beyond func(ctx context.Context, network, address string) (net.Conn, error) // opens connectProxy's connections to the hosts in CONNECT requests
}

// newTestSetup returns a working organisation. It opens no socket, and must be
// called in a synctest bubble.
func newTestSetup(t *testing.T, c emulator.Config) *testSetup {
	t.Helper()
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fill(&c.EntraURL, "https://login.microsoftonline.com")
	fill(&c.VaultURL, "https://contoso.vault.azure.net")
	fill(&c.ExchangeURL, "https://mail.contoso.com")
	fill(&c.VaultSecret, vaultSecret)
	c.SigningKey = signingKey()
	if c.Cert == nil {
		c.Cert = newCert(t, emulator.CertOptions{})
	}
	e, err := emulator.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.StartPipes(); err != nil {
		t.Fatal(err)
	}
	r := &testSetup{t: t, e: e, env: e.Env(), beyond: e.DialContext, ways: map[string]func(context.Context) (net.Conn, error){}}
	r.env["HMA_CA_FILE"] = r.file("ca.pem", e.CAPEM())
	r.env["HMA_ALLOWED_MAILBOXES"] = "alice@contoso.com, bob@contoso.com"
	r.opts.Mailbox, r.opts.Dial = "alice@contoso.com", r.dial
	return r
}

func newCert(t *testing.T, o emulator.CertOptions) *emulator.Certificate {
	t.Helper()
	if o.Key == nil && !o.EC && o.Bits == 0 {
		o.Key = certKey()
	}
	c, err := emulator.NewCertificate(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (r *testSetup) file(name string, content []byte) string {
	r.t.Helper()
	path := filepath.Join(r.t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

func (r *testSetup) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if way := r.ways[address]; way != nil {
		return way(ctx)
	}
	conn, err := r.e.DialContext(ctx, network, address)
	var op *net.OpError
	switch {
	case err == nil:
		return conn, nil
	case errors.As(err, &op):
		return nil, refused(ctx)
	}
	return nil, unknown(address)
}

// unknown returns the error of the network for a host name that does not exist.
func unknown(address string) error {
	host, _, _ := net.SplitHostPort(address)
	return &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
}

func refused(context.Context) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}

func (r *testSetup) noName(address string) {
	r.ways[address] = func(context.Context) (net.Conn, error) { return nil, unknown(address) }
}

func (r *testSetup) noService(address string) {
	r.ways[address] = func(ctx context.Context) (net.Conn, error) { return nil, refused(ctx) }
}

func (r *testSetup) blackHole(address string) {
	r.ways[address] = func(context.Context) (net.Conn, error) {
		time.Sleep(10 * time.Second)
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
	}
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// listen opens a listener in memory at an address.
func (r *testSetup) listen(address string) *memnet.Listener {
	l := memnet.NewListener(pipeAddr{})
	r.ways[address] = func(ctx context.Context) (net.Conn, error) { return l.DialContext(ctx, "tcp", address) }
	return l
}

// serve starts a server with the handler at an address, over TLS if c is not
// nil.
func (r *testSetup) serve(address string, c *tls.Config, h http.Handler) {
	r.t.Helper()
	var l net.Listener = r.listen(address)
	if c != nil {
		l = tls.NewListener(l, c)
	}
	server := &http.Server{Handler: h, ErrorLog: nil}
	server.ErrorLog = quiet()
	go server.Serve(l)
	r.ended = append(r.ended, func() { server.Close() })
}

// tlsConfig returns a server configuration with a certificate of the emulator's
// authority.
func (r *testSetup) tlsConfig(names ...string) *tls.Config {
	r.t.Helper()
	c, err := r.e.TLSConfig(names...)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// otherAuthority returns a server configuration with a certificate of an
// authority that is not trusted, and that authority in PEM.
func (r *testSetup) otherAuthority(names ...string) (*tls.Config, []byte) {
	r.t.Helper()
	other, err := emulator.New(emulator.Config{Cert: r.e.Certificate()})
	if err != nil {
		r.t.Fatal(err)
	}
	c, err := other.TLSConfig(names...)
	if err != nil {
		r.t.Fatal(err)
	}
	return c, other.CAPEM()
}

// connectProxy starts a corporate proxy at proxy.contoso.com:3128 and sets
// HTTPS_PROXY. The function respond returns the status of the response to CONNECT.
func (r *testSetup) connectProxy(respond func(*http.Request) int) {
	r.env["HTTPS_PROXY"] = "http://svc:" + proxyPassword + "@proxy.contoso.com:3128"
	r.serve("proxy.contoso.com:3128", nil, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if status := respond(req); status != http.StatusOK {
			w.WriteHeader(status)
			return
		}
		upstream, err := r.beyond(req.Context(), "tcp", req.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		client, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
		join(client, buffered.Reader, upstream)
	}))
}

// overTLS puts TLS in front of the listener of an address.
func (r *testSetup) overTLS(address string) {
	host, _, _ := net.SplitHostPort(address)
	inner, c := r.ways[address], r.tlsConfig(host)
	outer := r.listen(address)
	l := tls.NewListener(outer, c)
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			upstream, err := inner(r.t.Context())
			if err != nil {
				client.Close()
				return
			}
			go join(client, bufio.NewReader(client), upstream)
		}
	}()
	r.ended = append(r.ended, func() { l.Close() })
}

func join(client net.Conn, buffered *bufio.Reader, upstream net.Conn) {
	go func() { io.Copy(upstream, buffered); upstream.Close(); client.Close() }()
	io.Copy(client, upstream)
	client.Close()
	upstream.Close()
}

// An outcome is what doctor reported.
type outcome struct {
	all  []doctor.Result
	text string
	code int

	longest time.Duration // longest time that a check took
}

// examine runs doctor and checks the properties that every run must have.
func (r *testSetup) examine() outcome {
	r.t.Helper()
	var environ []string
	for name, value := range r.env {
		environ = append(environ, name+"="+value)
	}
	r.opts.Config, r.opts.ConfigError = config.Load(environ, os.ReadFile)
	var b, j bytes.Buffer
	text := doctor.NewText(&b, doctor.TextOptions{Verbose: true})
	longest, last := time.Duration(0), time.Now()
	r.opts.Report = func(check doctor.Result) {
		longest, last = max(longest, time.Since(last)), time.Now()
		text.Report(check)
	}
	all := doctor.Run(r.t.Context(), r.opts)
	text.Summary(all)
	if err := doctor.WriteJSON(&j, all); err != nil {
		r.t.Fatal(err)
	}
	r.close()
	r.noSecrets(b.String() + j.String())
	r.namesExist(b.String())
	r.fitsTerminal(b.String())
	if os.Getenv("DOCTOR_SHOW") != "" {
		r.t.Log("\n" + b.String())
	}
	return outcome{all, b.String(), doctor.ExitCode(all), longest}
}

// fitsTerminal checks that lines are at most 100 columns wide. It ignores lines
// of one word, and lines with a command, which must not be broken.
func (r *testSetup) fitsTerminal(text string) {
	r.t.Helper()
	command := regexp.MustCompile(`(?:^|[\s(])--?[A-Za-z]`)
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if utf8.RuneCountInString(line) > 100 && len(strings.Fields(line)) > 1 && !command.MatchString(line) {
			r.t.Errorf("a line of %d columns: %q", utf8.RuneCountInString(line), line)
		}
	}
}

// contains reports whether the printed text contains part. Line breaks in both
// texts are ignored.
func (o outcome) contains(part string) bool {
	return strings.Contains(strings.Join(strings.Fields(o.text), " "), strings.Join(strings.Fields(part), " "))
}

// grace is the time for clients to close the connections that doctor used.
const grace = time.Minute

func (r *testSetup) close() {
	// A closing server holds its lock while it writes to its connections. A
	// write to a pipe that is no longer read would block and stop the time of
	// the bubble. So wait until the clients have closed their connections.
	time.Sleep(grace)
	for _, end := range r.ended {
		end()
	}
	r.e.Close()
	time.Sleep(time.Minute) // when crypto/tls closes a connection, it waits until the peer has read close_notify
	synctest.Wait()
}

// noSecrets fails when the output holds a secret.
func (r *testSetup) noSecrets(output string) {
	r.t.Helper()
	secrets := map[string]bool{vaultSecret: true, proxyPassword: true, certPassword: true, r.env["HMA_KEY_VAULT_CLIENT_SECRET"]: true, "-----BEGIN": true, "eyJ": true}
	for _, s := range []interface{ Hops() []emulator.Hop }{r.e.Entra(), r.e.KeyVault(), r.e.Exchange()} {
		for _, hop := range s.Hops() {
			_, token, _ := strings.Cut(hop.Header.Get("Authorization"), " ")
			secrets[token], secrets[hop.Form.Get("client_assertion")] = true, true
		}
	}
	for secret := range secrets {
		if secret != "" && strings.Contains(output, secret) {
			r.t.Errorf("a secret (%.12s…) was printed:\n%s", secret, output)
		}
	}
}

var (
	settingName = regexp.MustCompile(`HMA_[A-Z_]*[A-Z]`)
	repoPath    = regexp.MustCompile(`\b(?:docs|deploy)/[A-Za-z0-9_./-]*[A-Za-z0-9]`)
	placeholder = regexp.MustCompile(`\{[a-z-]+\}`)
)

// namesExist fails when the output names a setting or a file that does not
// exist, or a word in braces that was not replaced.
func (r *testSetup) namesExist(output string) {
	r.t.Helper()
	var usage strings.Builder
	if err := config.Usage(&usage); err != nil {
		r.t.Fatal(err)
	}
	settings := map[string]bool{}
	for _, name := range settingName.FindAllString(usage.String(), -1) {
		settings[name] = true
	}
	for _, name := range settingName.FindAllString(output, -1) {
		if !settings[name] && r.env[name] == "" {
			r.t.Errorf("%s is not a setting:\n%s", name, output)
		}
	}
	for _, path := range repoPath.FindAllString(output, -1) {
		if _, err := os.Stat(filepath.Join("..", "..", path)); err != nil {
			r.t.Errorf("%s does not exist:\n%s", path, output)
		}
	}
	if word := placeholder.FindString(output); word != "" {
		r.t.Errorf("%s was not replaced:\n%s", word, output)
	}
}

// first returns the first failed check.
func (o outcome) first() doctor.Result {
	for _, r := range o.all {
		if r.Status == doctor.Failed {
			return r
		}
	}
	return doctor.Result{Check: "none"}
}

func (o outcome) get(id string) doctor.Result {
	for _, r := range o.all {
		if r.Check == id {
			return r
		}
	}
	return doctor.Result{}
}

// wants fails the test unless the first failed check is the expected one, its
// cause matches, it has a matching repair, and the exit code is right.
func (o outcome) wants(t *testing.T, check, cause, repair string) {
	t.Helper()
	f := o.first()
	repairs := strings.Join(f.Repair, "\n")
	if f.Check != check || !regexp.MustCompile(cause).MatchString(f.Cause) || !regexp.MustCompile(repair).MatchString(repairs) || repairs == "" || f.Detail == "" {
		t.Errorf("want %s: cause %q, repair %q; got %s: cause %q, repair %q\n%s", check, cause, repair, f.Check, f.Cause, f.Repair, o.text)
	}
	want := 1
	if check == "configuration" {
		want = 78 // EX_CONFIG
	}
	if o.code != want {
		t.Errorf("exit code %d, want %d", o.code, want)
	}
}
