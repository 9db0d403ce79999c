//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"embed"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
	"time"

	"hmaproxy/internal/emulator"
)

//go:embed peers
var files embed.FS

// exchangeName is the host name in the certificate of the emulated Exchange.
const exchangeName = "mail.contoso.com"

// bench is the state that all parts of the benchmark share.
type bench struct {
	options
	stderr    io.Writer
	dir       string // folder of all files, removed at the end
	caddy     string // path of the program caddy
	token     string // the access token that the peers other than hmaproxy send
	emulator  *emulator.Emulator
	backend   *process // emulated Exchange for small requests: nginx
	direct    string   // host:port of backend
	untrusted string   // host:port of backend with a certificate of an unknown authority
	misnamed  string   // host:port of backend with a certificate for another name
	heavy     *heavy   // emulated Exchange for streams and large bodies: Go
	contents  int      // number of folders so far, which is part of their names
	started   []*process
	loading   time.Duration   // CPU time that wrk has used
	late      []time.Duration // delay in sending each request at a fixed rate
	noise     []noise         // noise during each part of the benchmark
	families  []family        // hostile requests
	findings  []finding       // findings about each peer
	results   *results
}

// prepare installs, builds and starts everything except the peers.
func prepare(ctx context.Context, o options, stderr io.Writer) (b *bench, err error) {
	b = &bench{options: o, stderr: stderr, token: newToken(), results: newResults(o)}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if err := raiseFiles(); err != nil {
		return b, err
	}
	if err := b.loadFamilies(ctx); err != nil {
		return b, err
	}
	b.progress("programs")
	if err := install(ctx, o, stderr); err != nil {
		return b, err
	}
	if b.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return b, err
	}
	// The worker of nginx does not run as root, and must be able to read the
	// files.
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return b, err
	}
	if err := b.build(ctx); err != nil {
		return b, err
	}
	return b, b.serve(ctx)
}

// loadFamilies reads the hostile requests and reports those that are missing.
func (b *bench) loadFamilies(ctx context.Context) error {
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	if b.families, err = families(root); err != nil {
		return fmt.Errorf("hostile requests: %w", err)
	}
	for _, f := range b.families {
		b.progress("hostile requests, %s: %s", f.name, f.size())
	}
	return nil
}

// raiseFiles raises the limit of open files of this process and its children to
// the maximum. Without this call, Go passes the old limit on to children.
func raiseFiles() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// newToken returns a token as long as the tokens of the emulated Entra ID.
func newToken() string {
	random := make([]byte, 926) // 1,235 letters, as in Entra's tokens
	_, _ = rand.Read(random)
	return base64.RawURLEncoding.EncodeToString(random)
}

func (b *bench) build(ctx context.Context) (err error) {
	if b.binary == "" {
		b.progress("build hmaproxy")
		if b.binary, err = buildProduct(ctx, b.dir); err != nil {
			return err
		}
	}
	if strings.Contains(","+strings.Join(b.peers, ",")+",", ",caddy,") {
		b.progress("build caddy")
		b.caddy, err = buildCaddy(ctx, b.dir)
	}
	for _, path := range []*string{&b.binary, &b.against} {
		if err == nil && *path != "" {
			*path, err = filepath.Abs(*path)
		}
	}
	return err
}

// serve starts the emulated Exchange and the emulated services for the token.
func (b *bench) serve(ctx context.Context) (err error) {
	if b.emulator, err = emulator.New(emulator.Config{}); err != nil {
		return err
	}
	if err := b.emulator.Start(); err != nil {
		return err
	}
	untrusted, err := emulator.New(emulator.Config{})
	if err != nil {
		return err
	}
	trusted, err := b.identity("exchange", exchangeName, b.emulator)
	if err != nil {
		return err
	}
	if _, err := b.identity("untrusted", exchangeName, untrusted); err != nil {
		return err
	}
	if _, err := b.identity("misnamed", "mail.fabrikam.com", b.emulator); err != nil {
		return err
	}
	if err := os.WriteFile(b.path("ca.pem"), b.emulator.CAPEM(), 0o644); err != nil {
		return err
	}
	if b.heavy, err = newHeavy(trusted); err != nil {
		return err
	}
	return b.startBackend(ctx)
}

// identity writes the files name.pem and name.key for nginx: a certificate for
// host, and the certificate's key. It also returns both as a TLS configuration.
func (b *bench) identity(name, host string, from *emulator.Emulator) (*tls.Config, error) {
	config, err := from.TLSConfig(host)
	if err != nil {
		return nil, err
	}
	cert := config.Certificates[0]
	var chain []byte
	for _, der := range cert.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(b.path(name+".pem"), chain, 0o644); err != nil {
		return nil, err
	}
	return config, os.WriteFile(b.path(name+".key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600)
}

func (b *bench) startBackend(ctx context.Context) (err error) {
	for _, name := range []string{"request.xml", "response.xml"} {
		if err := os.WriteFile(b.path(name), file(name), 0o644); err != nil {
			return err
		}
	}
	if err := b.scripts(); err != nil {
		return err
	}
	b.direct, b.untrusted, b.misnamed = freeAddress(), freeAddress(), freeAddress()
	dir, err := b.folder("backend", "backend.conf", map[string]any{"Listen": b.direct, "Untrusted": b.untrusted, "Misnamed": b.misnamed})
	if err != nil {
		return err
	}
	if b.backend, err = b.start(ctx, dir, nil, "nginx", "-p", dir, "-e", "errors", "-c", filepath.Join(dir, "backend.conf")); err != nil {
		return err
	}
	return b.backend.await(ctx, b.direct)
}

// scripts writes inspect.lua, with which nginx-expat inspects requests, and the
// scripts with the requests that wrk sends. Clients of a proxy send a password,
// which the proxy replaces. Requests that go directly to Exchange contain the token.
func (b *bench) scripts() error {
	for name, authorization := range map[string]string{"proxied.lua": password, "direct.lua": "Bearer " + b.token} {
		values := map[string]any{"Dir": b.dir, "Authorization": authorization}
		if err := fill("post.lua", b.path(name), values); err != nil {
			return err
		}
	}
	return fill("inspect.lua", b.path("inspect.lua"), nil)
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// folder makes a new folder and returns its path. If config is not "", folder
// fills in the template with this name and writes the result to the folder.
func (b *bench) folder(name, config string, values map[string]any) (string, error) {
	b.contents++
	dir := b.path(fmt.Sprintf("%s-%d", name, b.contents))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	if config == "" {
		return dir, nil
	}
	values["Dir"] = dir
	return dir, fill(config, filepath.Join(dir, config), values)
}

// file returns the content of a file in peers/.
func file(name string) []byte {
	text, err := files.ReadFile("peers/" + name)
	if err != nil {
		panic(err) // cannot fail, because the file is embedded
	}
	return text
}

func fill(name, path string, values map[string]any) error {
	t, err := template.New(name).Option("missingkey=error").Parse(string(file(name)))
	if err != nil {
		return err
	}
	var text strings.Builder
	if err := t.Execute(&text, values); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text.String()), 0o644)
}

// freeAddress returns an address that no process listens on.
func freeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err) // without a free port on loopback no measurement is possible
	}
	defer l.Close()
	return l.Addr().String()
}

func (b *bench) progress(format string, args ...any) {
	fmt.Fprintf(b.stderr, "bench: "+format+"\n", args...)
}

func (b *bench) close() {
	if b.backend != nil {
		b.backend.stop()
	}
	if b.heavy != nil {
		b.heavy.close()
	}
	if b.emulator != nil {
		b.emulator.Close()
	}
	if b.dir != "" {
		os.RemoveAll(b.dir)
	}
}
