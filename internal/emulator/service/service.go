// Package service is the common part of the emulated services: a listener, a
// clock, faults that tests inject, and a record of every request.
package service

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
	"sync/atomic"
	"time"

	"hmaproxy/internal/memnet"
)

// A Config describes a service.
type Config struct {
	Name       string // "entra", "vault", "exchange"
	URL        string // scheme and host as clients use them; "": scheme and host of the listener
	DefaultURL string // URL while there is no TCP listener

	Lifetime *Lifetime
	TLS      func(names ...string) (*tls.Config, error) // makes a server configuration
	Observe  func(Hop)                                  // called at the end of every request; nil: not called

	// Respond writes the response to a request, unless a fault replaces the
	// response.
	Respond func(http.ResponseWriter, *http.Request, *Record)
}

// A Service is an http.Handler with listeners of its own. URLs in its responses use
// the Host of the request. It is safe for concurrent use.
type Service struct {
	Faults
	History
	Clock

	config Config

	mu      sync.Mutex
	tls     *tls.Config
	ln      net.Listener // nil while stopped
	addr    net.Addr     // address of the first listener, kept after Stop
	servers []*http.Server
}

// New returns a service. It opens no listener.
func New(c Config) *Service { return &Service{config: c} }

// A Clock is a clock that may differ from time.Now. The zero value does not differ.
type Clock struct{ skew atomic.Int64 }

// SetClockSkew sets the difference between the clock and time.Now. A service's
// Date header and all its checks of lifetimes use the clock.
func (c *Clock) SetClockSkew(d time.Duration) { c.skew.Store(int64(d)) }

// Now returns the time of the clock.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.skew.Load())) }

// Name returns "entra", "vault" or "exchange".
func (s *Service) Name() string { return s.config.Name }

// URL returns scheme and host as clients know them, without a final slash.
func (s *Service) URL() string {
	if s.config.URL != "" {
		return s.config.URL
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.addr.(*net.TCPAddr); ok {
		return "https://" + s.addr.String()
	}
	return s.config.DefaultURL
}

// Addr returns the host and port at which the service listens. It returns ""
// without a TCP listener.
func (s *Service) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.addr.(*net.TCPAddr); !ok {
		return ""
	}
	return s.addr.String()
}

// ListensAt reports whether the service's listener has the address.
func (s *Service) ListensAt(address string) bool { return address != "" && s.Addr() == address }

// Open calls listen with the service's name and starts to serve TLS on the listener
// that it returns.
func (s *Service) Open(listen func(string) (net.Listener, error)) error {
	u, err := url.Parse(s.URL())
	if err != nil {
		return err
	}
	config, err := s.config.TLS(u.Hostname())
	if err != nil {
		return err
	}
	ln, err := listen(s.config.Name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.tls, s.ln, s.addr = config, ln, ln.Addr()
	s.mu.Unlock()
	return s.serveLater(tls.NewListener(ln, config))
}

// Stop closes the service's listener and connections. New connections are
// refused.
func (s *Service) Stop() {
	s.mu.Lock()
	servers, ln := s.servers, s.ln
	s.servers, s.ln = nil, nil
	s.mu.Unlock()
	if ln != nil {
		ln.Close() // srv.Close below would not close a listener that srv.Serve has not received yet
	}
	for _, srv := range servers {
		srv.Close()
	}
}

// Restart listens at the same address again after Stop.
func (s *Service) Restart() error {
	s.mu.Lock()
	addr, config, running := s.addr, s.tls, s.ln != nil
	s.mu.Unlock()
	if running || addr == nil {
		return fmt.Errorf("emulator: %s: restart without start and stop", s.config.Name)
	}
	var ln net.Listener = memnet.NewListener(addr)
	if _, tcp := addr.(*net.TCPAddr); tcp {
		var err error
		if ln, err = net.Listen("tcp", addr.String()); err != nil {
			return fmt.Errorf("emulator: %s: restart: %w", s.config.Name, err)
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
	defer s.config.Lifetime.leave()
	return srv.Serve(l)
}

func (s *Service) serveLater(l net.Listener) error {
	srv, err := s.server(l)
	if err != nil {
		return err
	}
	go func() {
		defer s.config.Lifetime.leave()
		srv.Serve(l) // ends with http.ErrServerClosed
	}()
	return nil
}

// server makes a server for l and counts it as running.
func (s *Service) server(l net.Listener) (*http.Server, error) {
	if !isLoopback(l.Addr()) {
		l.Close()
		return nil, fmt.Errorf("emulator: %s: %s is not a loopback address", s.config.Name, l.Addr())
	}
	if err := s.config.Lifetime.enter(); err != nil {
		l.Close()
		return nil, fmt.Errorf("emulator: %s: %w", s.config.Name, err)
	}
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0), // tests let handshakes fail on purpose
	}
	s.mu.Lock()
	s.servers = append(s.servers, srv)
	s.mu.Unlock()
	return srv, nil
}

// isLoopback reports whether a is a loopback address, or not an IP address, such
// as the address of a pipe or a Unix socket.
func isLoopback(a net.Addr) bool {
	if ap, err := netip.ParseAddrPort(a.String()); err == nil {
		return ap.Addr().Unmap().IsLoopback()
	}
	return a.Network() != "tcp"
}

// Dial connects to the service's listener.
func (s *Service) Dial(ctx context.Context) (net.Conn, error) {
	s.mu.Lock()
	ln := s.ln
	s.mu.Unlock()
	switch ln := ln.(type) {
	case *memnet.Listener:
		return ln.DialContext(ctx, ln.Addr().Network(), "")
	case *net.TCPListener:
		return new(net.Dialer).DialContext(ctx, "tcp", ln.Addr().String())
	}
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
}

// ServeHTTP responds to a request. A fault may replace or change the response. It
// panics with http.ErrAbortHandler to drop a connection.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.config.Lifetime.enter() != nil {
		panic(http.ErrAbortHandler)
	}
	defer s.config.Lifetime.leave()
	body := &meteredBody{ReadCloser: r.Body, empty: r.ContentLength == 0}
	// net/http decides by the type of the request's Body whether the client waits
	// for 100 Continue. So the request keeps its Body, and a copy of the request
	// gets the replaced body.
	r = r.WithContext(r.Context())
	r.Body = body
	rec := s.begin(s.config.Name, r)
	defer s.finish(rec, body)
	out := &meteredWriter{ResponseWriter: w, rec: rec, body: body, limit: -1}
	w.Header().Set("Date", s.Now().UTC().Format(http.TimeFormat))
	if f := s.due(r); f != nil {
		rec.fault = *f
		if f.strike(s.config.Lifetime, out, r) {
			return
		}
	}
	s.config.Respond(out, r, rec)
}

func (s *Service) finish(rec *Record, body *meteredBody) {
	hop := rec.finish(body)
	if s.config.Observe != nil {
		s.config.Observe(hop)
	}
}
