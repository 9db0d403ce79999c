package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"time"

	"hmaproxy/internal/httpclient"
)

// errUntrusted ends a handshake. The field handshake.trustErr holds the reason.
var errUntrusted = errors.New("certificate not trusted")

// A recorder records the events on a transport's connections. A transport dials
// in goroutines that may outlive the request, so the recorder ignores all
// events after the method "end" was called.
type recorder struct {
	change func(*tls.Config)

	mu    sync.Mutex
	ended bool
	c     connection
}

// note changes the recorded connection, unless the request has ended.
func (rec *recorder) note(change func(*connection)) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if !rec.ended {
		change(&rec.c)
	}
}

// end records the result of the request and returns the connection. The
// recorder ignores later events.
func (rec *recorder) end(resp response, err error, took time.Duration) connection {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.ended = true
	rec.c.response, rec.c.err = resp, err
	rec.c.response.took = took
	return rec.c
}

// observer returns the callbacks that report to the recorder.
func (rec *recorder) observer(roots *x509.CertPool) httpclient.Observer {
	return httpclient.Observer{
		Direct: rec.c.target.direct,
		Proxy:  rec.proxyChosen,
		Dialed: rec.dialed,
		ConnectResponse: func(status int) {
			if status != http.StatusOK {
				rec.note(func(c *connection) { c.route.proxyStatus = status })
			}
		},
		TLS: func(c *tls.Config) {
			rec.watchTLS(c, roots)
			if rec.change != nil {
				rec.change(c)
			}
		},
	}
}

// dialed records that a connection was opened. Without a proxy, it also records
// that the handshake with the target has begun, because the handshake follows
// immediately.
func (rec *recorder) dialed(_ net.Conn, err error) {
	if err != nil {
		return
	}
	rec.note(func(c *connection) {
		c.route.connected = true
		c.route.dials++
		c.handshake.begun = c.handshake.begun || c.route.proxy == ""
	})
}

func (rec *recorder) proxyChosen(u *url.URL) {
	if u == nil {
		return
	}
	rec.note(func(c *connection) {
		c.route.proxy = u.Host
		if u.Scheme == "https" {
			c.route.proxyTLS = u.Hostname()
		}
	})
}

// watchTLS changes c so that rec.verify checks the chain in place of crypto/tls.
// rec.verify applies the rules of crypto/tls with the given roots, and also records
// chains that are not trusted.
func (rec *recorder) watchTLS(c *tls.Config, roots *x509.CertPool) {
	c.InsecureSkipVerify = true // rec.verify checks the chain
	c.VerifyConnection = func(state tls.ConnectionState) error { return rec.verify(state, roots) }
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		rec.note(func(c *connection) { c.handshake.wantsCertificate = true })
		return new(tls.Certificate), nil // send no certificate, as the product does
	}
}

// verify verifies the chain, and records whether the chain is trusted only because
// of HMA_CA_FILE.
func (rec *recorder) verify(state tls.ConnectionState, roots *x509.CertPool) error {
	chain := state.PeerCertificates
	rec.mu.Lock()
	name := rec.c.target.url.Hostname()
	if rec.c.route.proxyTLS != "" { // this handshake is with the proxy; the handshake with the target follows
		name = rec.c.route.proxyTLS
	}
	rec.mu.Unlock()
	trustErr := verifyChain(chain, name, roots)
	system, err := x509.SystemCertPool()
	byCAFile := trustErr == nil && (err != nil || verifyChain(chain, name, system) != nil)
	rec.note(func(c *connection) {
		c.handshake.chain, c.handshake.version, c.handshake.suite = chain, state.Version, state.CipherSuite
		c.handshake.trustErr, c.handshake.byCAFile = trustErr, byCAFile
		if trustErr == nil {
			c.route.proxyTLS = ""
		}
	})
	if trustErr != nil {
		return errUntrusted
	}
	return nil
}

func verifyChain(chain []*x509.Certificate, name string, roots *x509.CertPool) error {
	if len(chain) == 0 {
		return errors.New("no certificate")
	}
	options := x509.VerifyOptions{Roots: roots, DNSName: name, Intermediates: x509.NewCertPool()}
	for _, c := range chain[1:] {
		options.Intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(options)
	return err
}

func (rec *recorder) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			rec.note(func(c *connection) { c.route.remote = info.Conn.RemoteAddr().String() })
		},
		TLSHandshakeStart: func() {
			rec.note(func(c *connection) { c.handshake.begun = c.handshake.begun || c.route.proxyTLS == "" })
		},
	})
}
