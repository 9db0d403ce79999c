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
}

// A wiretap is the record of one connection.
type wiretap struct {
	mu     sync.Mutex
	client bytes.Buffer // bytes from the client
	server bytes.Buffer // bytes to the client
	open   int          // number of directions that have not ended
	over   bool         // one side has ended the connection
	left   bool         // the client was the first side to end the connection
}

func newRelay(to string) (*relay, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return startRelay(ln, func() (net.Conn, error) { return net.Dial("tcp", to) }), nil
}

// startRelay forwards each connection that ln accepts to a connection that dial
// opens.
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
		tap := &wiretap{open: 2}
		r.mu.Lock()
		r.conns = append(r.conns, tap)
		r.mu.Unlock()
		go tap.pump(server, client, &tap.client)
		go tap.pump(client, server, &tap.server)
	}
}

// pump copies and records the bytes of one direction. When these bytes end, pump
// closes the writing side of the receiving connection, so that its peer sees the
// end.
func (tap *wiretap) pump(to, from net.Conn, record *bytes.Buffer) {
	defer tap.end()
	fromClient := record == &tap.client
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		tap.mu.Lock()
		record.Write(buf[:n])
		tap.mu.Unlock()
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				tap.recordEnd(!fromClient)
				from.Close()
				return
			}
		}
		if err == nil {
			continue
		}
		tap.recordEnd(fromClient) // called before the lines below make the other side end the connection too, because only the first call of recordEnd counts
		if errors.Is(err, io.EOF) {
			to.(interface{ CloseWrite() error }).CloseWrite()
		} else {
			to.Close()
		}
		return
	}
}

// recordEnd records which side has ended the connection. client is true if
// it was the client. Only the first call counts.
func (tap *wiretap) recordEnd(client bool) {
	tap.mu.Lock()
	defer tap.mu.Unlock()
	if !tap.over {
		tap.over, tap.left = true, client
	}
}

// The method "end" records that one of the connection's two directions has ended.
func (tap *wiretap) end() {
	tap.mu.Lock()
	defer tap.mu.Unlock()
	tap.open--
}

// ended reports whether all connections so far have ended.
func (r *relay) ended() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !slices.ContainsFunc(r.conns, func(tap *wiretap) bool {
		tap.mu.Lock()
		defer tap.mu.Unlock()
		return tap.open > 0
	})
}

// A message is a request as the client sent it, with the response that the client
// received.
type message struct {
	method, target string
	header         http.Header
	body           []byte
	status         int // 0: no response
	responseHeader http.Header
	content        []byte
	cut            bool // the response ended early
	left           bool // there is no response, because the client ended the connection first
}

// messages returns the requests recorded so far, with their responses. It leaves
// out requests that are incomplete.
func (r *relay) messages() []message {
	r.mu.Lock()
	taps := slices.Clone(r.conns)
	r.mu.Unlock()
	var list []message
	for _, tap := range taps {
		tap.mu.Lock()
		client, server, left := bytes.Clone(tap.client.Bytes()), bytes.Clone(tap.server.Bytes()), tap.left
		tap.mu.Unlock()
		for _, m := range parseStreams(client, server) {
			m.left = left && m.status == 0
			list = append(list, m)
		}
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

// finalResponse returns the final response to req. It skips interim responses, such
// as 100 Continue. It returns nil if there is no final response.
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
