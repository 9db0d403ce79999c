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

// serverIdentity returns the certificate of every scripted server, and a pool
// with this certificate.
var serverIdentity = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s.TLS.Certificates[0], roots
})

// A step is one action of a server on a connection. An error ends the script.
type step func(p *peer) error

// A server follows one script on each connection; the last script is used for
// all further connections. After a script it reads until the client closes the
// connection.
type server struct {
	net     network
	scripts [][]step
	raw     bool // no TLS
	tls     *tls.Config

	mu             sync.Mutex
	conns          int
	requests       int
	body           int64 // number of bytes of request bodies received
	completeBodies int   // number of request bodies received completely
	over           sync.WaitGroup
}

// A peer is the server's side of one connection.
type peer struct {
	s       *server
	raw     net.Conn
	batcher *batcher
	net.Conn
	br  *bufio.Reader
	req *http.Request
}

// waitClosed reports whether all connections end within the given time.
func (s *server) waitClosed(in time.Duration) bool {
	all := make(chan struct{})
	go func() { s.over.Wait(); close(all) }()
	select {
	case <-all:
		return true
	case <-time.After(in):
		return false
	}
}

// serve follows the script on one connection.
func (s *server) serve(raw net.Conn) {
	defer s.over.Done()
	defer raw.Close()
	s.mu.Lock()
	script := s.scripts[min(s.conns, len(s.scripts)-1)]
	s.conns++
	s.mu.Unlock()
	p := &peer{s: s, raw: raw, batcher: &batcher{Conn: raw}}
	p.Conn = p.batcher
	if !s.raw {
		p.Conn = tls.Server(p.batcher, s.tls)
	}
	p.br = bufio.NewReader(p.Conn)
	for _, do := range script {
		if do(p) != nil {
			return
		}
	}
	_, _ = io.Copy(io.Discard, p.br)
}

// A batcher collects writes while hold is true, so that the caller can send them in
// one packet.
type batcher struct {
	net.Conn
	hold bool
	held bytes.Buffer
}

func (g *batcher) Write(b []byte) (int, error) {
	if g.hold {
		return g.held.Write(b)
	}
	return g.Conn.Write(b)
}

// The step "head" reads a request's head.
func head(p *peer) (err error) {
	p.req, err = http.ReadRequest(p.br)
	if err == nil {
		p.s.mu.Lock()
		p.s.requests++
		p.s.mu.Unlock()
	}
	return err
}

// The step "body" reads the rest of the request's body.
func body(p *peer) error {
	n, err := io.Copy(io.Discard, p.req.Body)
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.s.body += n
	if err == nil {
		p.s.completeBodies++
	}
	return err
}

// The function "some" returns a step that reads the next n bytes of the request's
// body.
func some(n int64) step {
	return func(p *peer) error {
		got, err := io.CopyN(io.Discard, p.req.Body, n)
		p.s.mu.Lock()
		defer p.s.mu.Unlock()
		p.s.body += got
		return err
	}
}

// say returns a step that writes each part as a separate TLS record.
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

// sayTogether returns a step that writes the parts as TLS records that arrive
// together.
func sayTogether(parts ...string) step {
	return func(p *peer) error {
		p.batcher.hold = true
		err := say(parts...)(p)
		p.batcher.hold = false
		_, sent := p.raw.Write(p.batcher.held.Bytes())
		p.batcher.held.Reset()
		return errors.Join(err, sent)
	}
}

var errOver = errors.New("the script is over")

// The step "end" closes the connection with close_notify.
func end(p *peer) error { p.Conn.Close(); return errOver }

// closeRaw closes the connection without close_notify.
func closeRaw(p *peer) error { p.raw.Close(); return errOver }

// closeNotify sends close_notify and leaves the connection open.
func closeNotify(p *peer) error { return p.Conn.(*tls.Conn).CloseWrite() }

// closeWrite closes the server's side of the TCP connection, below TLS.
func closeWrite(p *peer) error { return p.raw.(*net.TCPConn).CloseWrite() }

// The step "reset" closes the connection with a RST.
func reset(p *peer) error {
	_ = p.raw.(*net.TCPConn).SetLinger(0)
	p.raw.Close()
	return errOver
}

// readNothing leaves the connection open and reads nothing, for ten seconds of fake
// time or one second of real time.
func readNothing(p *peer) error {
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

// A network connects the client of a case with its server.
type network interface {
	// open makes a connection to s.
	open(ctx context.Context, s *server) (net.Conn, error)
	// settle waits until everything that was sent has been processed.
	settle()
}

// memoryNetwork connects in memory, in a synctest bubble.
type memoryNetwork struct{}

func (memoryNetwork) open(_ context.Context, s *server) (net.Conn, error) {
	mine, theirs := net.Pipe()
	s.over.Add(1)
	go s.serve(theirs)
	return mine, nil
}
func (memoryNetwork) settle() { synctest.Wait() }

// tcpNetwork connects by TCP on loopback.
type tcpNetwork struct{ net.Listener }

func listen(t testing.TB) tcpNetwork {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return tcpNetwork{l}
}

// open dials and accepts a connection. The end of ctx does not cancel the dial,
// because the next Accept could then return the connection of the cancelled
// dial.
func (l tcpNetwork) open(ctx context.Context, s *server) (net.Conn, error) {
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

// settle gives the system time to deliver sent data. No system call reports the
// delivery.
func (tcpNetwork) settle() { time.Sleep(15 * time.Millisecond) }

// counts returns the numbers of connections and requests so far.
func (s *server) counts() (conns, requests int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns, s.requests
}
