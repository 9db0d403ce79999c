package upstream_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hmaproxy/internal/upstream"
)

// TestRenegotiation checks that a server may renegotiate once, also during an
// upload, and not twice. The server asks for a client certificate after it has
// received the request's head, as IIS does when it is set to accept client
// certificates. The test uses OpenSSL, because Go's TLS server does not
// renegotiate.
func TestRenegotiation(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("NOT CHECKED: openssl is not installed")
	}
	for _, c := range []struct {
		name  string
		times int
		body  testRequest
		ok    bool
	}{
		{"once", 1, post, true},
		{"once during an upload", 1, testRequest{body: large[:4<<20], stream: true}, true},
		{"twice", 2, post, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			certificate, key, roots := writeCertificate(t)
			address := freeAddress(t)
			server := exec.CommandContext(t.Context(), openssl, "s_server", "-accept", address, "-cert", certificate, "-key", key, "-tls1_2", "-naccept", "1")
			stdin, stdout := must(server.StdinPipe()), must(server.StdoutPipe())
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
			go serveByHand(stdin, stdout, c.times, int64(len(c.body.body)))
			transport := newTestTransport(t, newServer(listen(t)), func(u *upstream.Config) {
				u.TLS.RootCAs = roots
				u.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) { return dialWhenOpen(ctx, address) }
			})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			r, _ := c.body.request(ctx)
			resp, err := transport.RoundTrip(r)
			if (err == nil) != c.ok {
				t.Fatalf("%v, want success: %v", err, c.ok)
			}
			if err == nil {
				if text, err := io.ReadAll(resp.Body); string(text) != "<ok/>" {
					t.Errorf("got %q, %v", text, err)
				}
			}
		})
	}
}

// serveByHand waits for the head of a request in the output of openssl
// s_server. Then it requests renegotiations with client certificates, reads the
// body, and writes a response.
func serveByHand(stdin io.Writer, stdout io.Reader, times int, body int64) {
	br := bufio.NewReader(stdout)
	for line := ""; !strings.HasPrefix(line, "Content-Length:"); {
		var err error
		if line, err = br.ReadString('\n'); err != nil {
			return
		}
	}
	for range times {
		_, _ = fmt.Fprintln(stdin, "R")
		time.Sleep(200 * time.Millisecond) // s_server reads one command at a time
	}
	_, _ = io.CopyN(io.Discard, br, body)
	go func() { _, _ = io.Copy(io.Discard, br) }()
	time.Sleep(200 * time.Millisecond)
	_, _ = io.WriteString(stdin, ok)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// dialWhenOpen connects to address. It waits until a server listens there, or ctx
// ends.
func dialWhenOpen(ctx context.Context, address string) (net.Conn, error) {
	for {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil || ctx.Err() != nil {
			return c, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// writeCertificate writes a certificate for example.com and its key to files. It
// returns their paths, and a pool with the certificate.
func writeCertificate(t *testing.T) (certificate, key string, roots *x509.CertPool) {
	private := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "example.com"}, DNSNames: []string{"example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private))
	roots = x509.NewCertPool()
	roots.AddCert(must(x509.ParseCertificate(der)))
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(private))), roots
}
