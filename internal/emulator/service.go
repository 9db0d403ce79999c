package emulator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"
)

// A Service is the common part of Entra, KeyVault and Exchange: a listener, a
// clock, injected faults, and a record of every request. It is an http.Handler.
// URLs in its responses use the Host of the request.
type Service struct {
	name     string // "entra", "vault", "exchange"
	public   string // configured URL, or ""
	nameURL  string // URL before Start
	emulator *Emulator
	respond  func(http.ResponseWriter, *http.Request, *record)

	mu      sync.Mutex
	skew    time.Duration
	faults  []*scripted
	records []*record
	count   int
	tls     *tls.Config
	ln      net.Listener // nil while stopped
	addr    net.Addr     // of the first listener, kept over Stop
	servers []*http.Server
}

// Name returns "entra", "vault" or "exchange".
func (s *Service) Name() string { return s.name }

// URL returns scheme and host as clients know them, without a final slash.
func (s *Service) URL() string {
	if s.public != "" {
		return s.public
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.addr.(*net.TCPAddr); ok {
		return "https://" + s.addr.String()
	}
	return s.nameURL
}

// Addr returns the host and port that the service listens at, or "".
func (s *Service) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.addr.(*net.TCPAddr); !ok {
		return ""
	}
	return s.addr.String()
}

func (s *Service) listensAt(address string) bool { return address != "" && s.Addr() == address }

// SetClockSkew sets the service's clock ahead of time.Now, or behind it. The Date
// header and all checks of lifetimes use this clock.
func (s *Service) SetClockSkew(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew = d
}

func (s *Service) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.skew)
}

func (s *Service) open(listen func(string) (net.Listener, error)) error {
	u, err := url.Parse(s.URL())
	if err != nil {
		return err
	}
	config, err := s.emulator.TLSConfig(u.Hostname())
	if err != nil {
		return err
	}
	ln, err := listen(s.name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.tls, s.ln, s.addr = config, ln, ln.Addr()
	s.mu.Unlock()
	return s.serveLater(tls.NewListener(ln, config))
}

// Stop closes the service's listener and connections, so that connections are
// refused.
func (s *Service) Stop() { s.shut() }

// Restart listens at the same address again after Stop.
func (s *Service) Restart() error {
	s.mu.Lock()
	addr, config, running := s.addr, s.tls, s.ln != nil
	s.mu.Unlock()
	if running || addr == nil {
		return fmt.Errorf("emulator: %s: restart without start and stop", s.name)
	}
	var ln net.Listener = newPipeListener(s.name)
	if _, tcp := addr.(*net.TCPAddr); tcp {
		var err error
		if ln, err = net.Listen("tcp", addr.String()); err != nil {
			return fmt.Errorf("emulator: %s: restart: %w", s.name, err)
		}
	}
	s.mu.Lock()
	s.ln = ln
	s.mu.Unlock()
	return s.serveLater(tls.NewListener(ln, config))
}

// Serve serves connections of l until l fails or the emulator is closed, as
// [http.Server.Serve] does. For TLS wrap l with tls.NewListener and
// Emulator.TLSConfig. It refuses a listener that is not on loopback.
func (s *Service) Serve(l net.Listener) error {
	srv, err := s.server(l)
	if err != nil {
		return err
	}
	defer s.emulator.running.Done()
	return srv.Serve(l)
}

func (s *Service) serveLater(l net.Listener) error {
	srv, err := s.server(l)
	if err != nil {
		return err
	}
	go func() {
		defer s.emulator.running.Done()
		srv.Serve(l) // ends with http.ErrServerClosed
	}()
	return nil
}

// server makes a server for l and counts it as running.
func (s *Service) server(l net.Listener) (*http.Server, error) {
	if !isLoopback(l.Addr()) {
		l.Close()
		return nil, fmt.Errorf("emulator: %s: %s is not a loopback address", s.name, l.Addr())
	}
	if err := s.emulator.enter(); err != nil {
		l.Close()
		return nil, fmt.Errorf("emulator: %s: %w", s.name, err)
	}
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0), // failed handshakes are part of tests
	}
	s.mu.Lock()
	s.servers = append(s.servers, srv)
	s.mu.Unlock()
	return srv, nil
}

// isLoopback accepts loopback addresses and addresses that are not IP addresses:
// pipes and Unix sockets.
func isLoopback(a net.Addr) bool {
	if ap, err := netip.ParseAddrPort(a.String()); err == nil {
		return ap.Addr().Unmap().IsLoopback()
	}
	return a.Network() != "tcp"
}

func (s *Service) shut() {
	s.mu.Lock()
	servers, ln := s.servers, s.ln
	s.servers, s.ln = nil, nil
	s.mu.Unlock()
	if ln != nil {
		ln.Close() // Close does not close a listener that srv.Serve has not received yet
	}
	for _, srv := range servers {
		srv.Close()
	}
}

func (s *Service) dial(ctx context.Context) (net.Conn, error) {
	s.mu.Lock()
	ln := s.ln
	s.mu.Unlock()
	switch ln := ln.(type) {
	case *pipeListener:
		return ln.dial(ctx)
	case *net.TCPListener:
		return new(net.Dialer).DialContext(ctx, "tcp", ln.Addr().String())
	}
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
}

// ServeHTTP responds to a request, unless a fault applies. It panics with
// http.ErrAbortHandler to drop a connection.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.emulator.enter() != nil {
		panic(http.ErrAbortHandler)
	}
	defer s.emulator.running.Done()
	body := &meteredBody{ReadCloser: r.Body, empty: r.ContentLength == 0}
	// net/http detects by the type of its own body whether a client waits for 100
	// Continue, so that body must stay in its request.
	r = r.WithContext(r.Context())
	r.Body = body
	rec := s.begin(r)
	defer s.finish(rec, body)
	out := &meteredWriter{ResponseWriter: w, rec: rec, body: body, limit: -1}
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	if f := s.dueFault(r); f != nil {
		rec.fault = *f
		if f.strike(s, out, r) {
			return
		}
	}
	s.respond(out, r, rec)
}
