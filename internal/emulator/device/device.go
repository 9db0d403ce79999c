// Package device imitates the load balancers, firewalls, sign-in pages and old
// TLS stacks between hmaproxy and Exchange at real sites. [Table] lists them.
//
// It is for tests and the demo, and imports the standard library only.
package device

import (
	"crypto"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// A Device imitates one device between a client and Exchange. If a function is
// nil, the device behaves normally at that point.
type Device struct {
	Name   string // name of the case: "expect-417"
	Does   string // behaviour of the device in one sentence
	Source string // links to public reports of such devices

	conn    func(net.Conn) net.Conn                    // changes the connection below TLS
	tls     func(*tls.Config)                          // changes the handshake
	leaf    func(Identity) (tls.Certificate, error)    // makes the certificate; nil: RSA 2048, SHA-256
	handler func(exchange http.Handler) http.Handler   // responds in place of Exchange
	session func(conn net.Conn, exchange http.Handler) // serves a connection without net/http's server
}

// An Identity holds what is needed to make a device's certificate.
type Identity struct {
	Authority *x509.Certificate
	Key       crypto.Signer   // key of Authority
	Names     []string        // host names and IP addresses of the certificate
	LeafKey   *rsa.PrivateKey // key of the certificate; nil: a new one
}

// Named returns the device with the given name.
func Named(name string) (Device, error) {
	for _, d := range Table() {
		if d.Name == name {
			return d, nil
		}
	}
	return Device{}, fmt.Errorf("device: there is none called %q", name)
}

// Serve serves connections of l as the device does. The handler exchange is
// Exchange behind the device. Serve returns when l is closed.
func (d Device) Serve(l net.Listener, id Identity, exchange http.Handler) error {
	leaf := d.leaf
	if leaf == nil {
		leaf = func(id Identity) (tls.Certificate, error) { return id.leaf(nil) }
	}
	certificate, err := leaf(id)
	if err != nil {
		return fmt.Errorf("device: %s: %w", d.Name, err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}}
	if d.tls != nil {
		d.tls(config)
	}
	if d.handler != nil {
		exchange = d.handler(exchange)
	}
	return d.serve(tls.NewListener(connListener{l, d.conn}, config), exchange)
}

func (d Device) serve(l net.Listener, exchange http.Handler) error {
	if d.session == nil {
		server := &http.Server{Handler: exchange, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
		defer server.Close()
		return server.Serve(l)
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			d.session(conn, exchange)
		}()
	}
}

// A connListener changes the connections that it accepts.
type connListener struct {
	net.Listener
	change func(net.Conn) net.Conn // nil: no change
}

func (l connListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil || l.change == nil {
		return conn, err
	}
	return l.change(conn), nil
}
