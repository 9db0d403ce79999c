package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
)

// A relay forwards connections from client to product and records every byte of
// both directions. It does not parse HTTP while it relays.
type relay struct {
	ln   net.Listener
	dial func() (net.Conn, error) // opens a connection to the product

	mu    sync.Mutex
	conns []*wiretap
	open  sync.WaitGroup
}

// A wiretap is the record of one connection.
type wiretap struct {
	mu     sync.Mutex
	client bytes.Buffer // bytes from the client
	server bytes.Buffer // bytes to the client
}

func newRelay(to string) (*relay, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return startRelay(ln, func() (net.Conn, error) { return net.Dial("tcp", to) }), nil
}

// startRelay relays between the connections of a listener and those of dial.
func startRelay(ln net.Listener, dial func() (net.Conn, error)) *relay {
	r := &relay{ln: ln, dial: dial}
	go r.accept()
	return r
}

func (r *relay) addr() string { return r.ln.Addr().String() }

func (r *relay) close() { r.ln.Close() }

func (r *relay) accept() {
	for {
		client, err := r.ln.Accept()
		if err != nil {
			return
		}
		server, err := r.dial()
		if err != nil {
			client.Close()
			continue
		}
		tap := new(wiretap)
		r.mu.Lock()
		r.conns = append(r.conns, tap)
		r.mu.Unlock()
		r.open.Add(2)
		go r.pump(server, client, tap, &tap.client)
		go r.pump(client, server, tap, &tap.server)
	}
}

// pump copies one direction. At its end it half-closes the other side, so each
// side sees the end of the data from the other side.
func (r *relay) pump(to, from net.Conn, tap *wiretap, record *bytes.Buffer) {
	defer r.open.Done()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		tap.mu.Lock()
		record.Write(buf[:n])
		tap.mu.Unlock()
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				from.Close()
				return
			}
		}
		if errors.Is(err, io.EOF) {
			to.(interface{ CloseWrite() error }).CloseWrite()
			return
		}
		if err != nil {
			to.Close()
			return
		}
	}
}

// A message is a request with its response, as the client sent and received them.
type message struct {
	method, target string
	header         http.Header
	body           []byte
	status         int // status; 0: no response
	responseHeader http.Header
	content        []byte
	cut            bool // the response ended early
}

// messages parses the records so far, without requests that are incomplete.
func (r *relay) messages() []message {
	r.mu.Lock()
	taps := slices.Clone(r.conns)
	r.mu.Unlock()
	var list []message
	for _, tap := range taps {
		tap.mu.Lock()
		client, server := bytes.Clone(tap.client.Bytes()), bytes.Clone(tap.server.Bytes())
		tap.mu.Unlock()
		list = append(list, parseStreams(client, server)...)
	}
	return list
}

func parseStreams(client, server []byte) []message {
	requests, responses := bufio.NewReader(bytes.NewReader(client)), bufio.NewReader(bytes.NewReader(server))
	var list []message
	for {
		req, err := http.ReadRequest(requests)
		if err != nil {
			return list
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return list
		}
		m := message{method: req.Method, target: req.RequestURI, header: req.Header, body: body}
		if resp := finalResponse(responses, req); resp != nil {
			m.status, m.responseHeader = resp.StatusCode, resp.Header
			m.content, err = io.ReadAll(resp.Body)
			m.cut = err != nil
		}
		list = append(list, m)
	}
}

// finalResponse skips 100 Continue. It returns nil when there is no response.
func finalResponse(r *bufio.Reader, req *http.Request) *http.Response {
	for {
		resp, err := http.ReadResponse(r, req)
		if err != nil {
			return nil
		}
		if resp.StatusCode >= 200 {
			return resp
		}
	}
}
