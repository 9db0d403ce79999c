package upstream_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// identity is the certificate that every scripted server shows.
var identity = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s.TLS.Certificates[0], roots
})

// A step is a part of what a server does on a connection. An error ends it.
type step func(p *peer) error

// A server plays one script on each connection; the last one plays on all that
// follow. After a script it reads on until the client hangs up.
type server struct {
	net     network
	scripts [][]step
	raw     bool // no TLS
	tls     *tls.Config

	mu       sync.Mutex
	conns    int
	requests int
	body     int64 // bytes of request bodies
	wholes   int   // bodies that came to their proper end
	over     sync.WaitGroup
}

// A peer is the server's side of one connection.
type peer struct {
	s    *server
	raw  net.Conn
	glue *glue
	net.Conn
	br  *bufio.Reader
	req *http.Request
}

// gone reports whether every connection has ended, in time.
func (s *server) gone(in time.Duration) bool {
	all := make(chan struct{})
	go func() { s.over.Wait(); close(all) }()
	select {
	case <-all:
		return true
	case <-time.After(in):
		return false
	}
}

// serve plays the script on one connection.
func (s *server) serve(raw net.Conn) {
	defer s.over.Done()
	defer raw.Close()
	s.mu.Lock()
	script := s.scripts[min(s.conns, len(s.scripts)-1)]
	s.conns++
	s.mu.Unlock()
	p := &peer{s: s, raw: raw, glue: &glue{Conn: raw}}
	p.Conn = p.glue
	if !s.raw {
		p.Conn = tls.Server(p.glue, s.tls)
	}
	p.br = bufio.NewReader(p.Conn)
	for _, do := range script {
		if do(p) != nil {
			return
		}
	}
	_, _ = io.Copy(io.Discard, p.br)
}

// glue can hold back what is written, so that it goes in one packet.
type glue struct {
	net.Conn
	hold bool
	held bytes.Buffer
}

func (g *glue) Write(b []byte) (int, error) {
	if g.hold {
		return g.held.Write(b)
	}
	return g.Conn.Write(b)
}

// head reads a request's head.
func head(p *peer) (err error) {
	p.req, err = http.ReadRequest(p.br)
	if err == nil {
		p.s.mu.Lock()
		p.s.requests++
		p.s.mu.Unlock()
	}
	return err
}

// body reads the rest of the request's body.
func body(p *peer) error {
	n, err := io.Copy(io.Discard, p.req.Body)
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.s.body += n
	if err == nil {
		p.s.wholes++
	}
	return err
}

// some reads n bytes of the request's body.
func some(n int64) step {
	return func(p *peer) error {
		got, err := io.CopyN(io.Discard, p.req.Body, n)
		p.s.mu.Lock()
		defer p.s.mu.Unlock()
		p.s.body += got
		return err
	}
}

// say writes each part as a TLS record of its own.
func say(parts ...string) step {
	return func(p *peer) error {
		for _, part := range parts {
			if _, err := io.WriteString(p.Conn, part); err != nil {
				return err
			}
		}
		return nil
	}
}

// glued writes the parts as TLS records that arrive together.
func glued(parts ...string) step {
	return func(p *peer) error {
		p.glue.hold = true
		err := say(parts...)(p)
		p.glue.hold = false
		_, sent := p.raw.Write(p.glue.held.Bytes())
		p.glue.held.Reset()
		return errors.Join(err, sent)
	}
}

var errOver = errors.New("the script is over")

// end closes the connection as TLS has it.
func end(p *peer) error { p.Conn.Close(); return errOver }

// cut closes it without TLS's close_notify.
func cut(p *peer) error { p.raw.Close(); return errOver }

// farewell sends close_notify and leaves the connection open.
func farewell(p *peer) error { return p.Conn.(*tls.Conn).CloseWrite() }

// shut ends the server's side of the TCP connection, below TLS.
func shut(p *peer) error { return p.raw.(*net.TCPConn).CloseWrite() }

// reset closes the connection with a RST.
func reset(p *peer) error {
	_ = p.raw.(*net.TCPConn).SetLinger(0)
	p.raw.Close()
	return errOver
}

// deaf leaves the connection open and reads nothing, for longer than anybody
// waits.
func deaf(p *peer) error {
	if _, real := p.raw.(*net.TCPConn); real {
		time.Sleep(time.Second)
	} else {
		time.Sleep(10 * time.Second)
	}
	return errOver
}

func pause(d time.Duration) step {
	return func(*peer) error { time.Sleep(d); return nil }
}

// A network is what a case runs on.
type network interface {
	// open makes a connection to s.
	open(ctx context.Context, s *server) (net.Conn, error)
	// settle waits until what was sent has been seen.
	settle()
}

// bubble is memory, with time that does not pass.
type bubble struct{}

func (bubble) open(_ context.Context, s *server) (net.Conn, error) {
	mine, theirs := net.Pipe()
	s.over.Add(1)
	go s.serve(theirs)
	return mine, nil
}
func (bubble) settle() { synctest.Wait() }

// loopback is TCP.
type loopback struct{ net.Listener }

func listen(t testing.TB) loopback {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return loopback{l}
}

// open goes on when ctx ends: each connection is accepted by who has opened one.
func (l loopback) open(ctx context.Context, s *server) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(context.WithoutCancel(ctx), "tcp", l.Addr().String())
	if err != nil {
		return nil, err
	}
	theirs, err := l.Accept()
	if err != nil {
		return nil, err
	}
	s.over.Add(1)
	go s.serve(theirs)
	return c, nil
}

// settle lets the system deliver what was sent; nothing tells when it has.
func (loopback) settle() { time.Sleep(15 * time.Millisecond) }
