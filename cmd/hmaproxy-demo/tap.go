package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"hmaproxy/internal/listener"
)

// Limits of the data that the developer page keeps.
const (
	keptCalls = 200
	keptBody  = 256 << 10 // bytes kept of each body
)

// A call is one request of a client and its response, as they were on the wire
// between client and proxy.
type call struct {
	ID       int
	Time     time.Time
	Method   string
	Target   string
	Host     string
	Request  part
	Status   int // 0: no response yet
	Response part
}

// A part is the header and the body of a request or a response.
type part struct {
	Header    http.Header
	Body      []byte // the first keptBody bytes
	Truncated bool   // the body is longer than keptBody
	Complete  bool   // the body was read to its end
}

// Text returns the body for people, decompressed.
func (p part) Text() string {
	if p.Header.Get("Content-Encoding") == "gzip" {
		if r, err := gzip.NewReader(bytes.NewReader(p.Body)); err == nil {
			text, _ := io.ReadAll(io.LimitReader(r, keptBody)) // if the compressed body is truncated, its beginning is returned
			return string(text)
		}
	}
	return string(p.Body)
}

// A journal holds the newest calls. It is safe for concurrent use.
type journal struct {
	mu    sync.Mutex
	last  int // ID of the newest call
	calls []*call
}

func (j *journal) add(c *call) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	c.ID = j.last
	if len(j.calls) == keptCalls {
		j.calls = slices.Delete(j.calls, 0, 1)
	}
	j.calls = append(j.calls, c)
}

// update runs change while no other goroutine reads or changes a call.
func (j *journal) update(change func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change()
}

// The method "all" returns copies of the calls, newest first.
func (j *journal) all() []call {
	j.mu.Lock()
	defer j.mu.Unlock()
	list := make([]call, 0, len(j.calls))
	for _, c := range slices.Backward(j.calls) {
		list = append(list, *c)
	}
	return list
}

// find returns a copy of the call with the ID. It returns false if the journal
// does not hold this call.
func (j *journal) find(id int) (call, bool) {
	for _, c := range j.all() {
		if c.ID == id {
			return c, true
		}
	}
	return call{}, false
}

// listenExcept returns a Listen whose listeners record all calls in the
// journal, except the listener at the given address.
func (j *journal) listenExcept(address string) listener.Listen {
	return func(ctx context.Context, network, where string) (net.Listener, error) {
		l, err := listener.ListenNetwork(ctx, network, where)
		if err != nil || where == address {
			return l, err
		}
		return tapListener{l, j}, nil
	}
}

type tapListener struct {
	net.Listener
	journal *journal
}

func (l tapListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	requests, in := io.Pipe()
	responses, out := io.Pipe()
	calls := make(chan *call, 16) // enough for the requests that a client sends before it has received responses
	go l.journal.readRequests(requests, calls)
	go l.journal.readResponses(responses, calls)
	return &tapConn{Conn: c, in: in, out: out}, nil
}

// A tapConn copies the bytes that are read and written into two pipes.
// Goroutines read the other ends of the pipes continuously, so writes into the
// pipes wait only briefly.
type tapConn struct {
	net.Conn
	in, out *io.PipeWriter
}

func (c *tapConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	_, _ = c.in.Write(b[:n])
	return n, err
}

func (c *tapConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	_, _ = c.out.Write(b[:n])
	return n, err
}

func (c *tapConn) Close() error {
	c.in.Close()
	c.out.Close()
	return c.Conn.Close()
}

// readRequests adds each request to the journal and passes it on to
// readResponses. After bytes that are not an HTTP request, it reads and drops all
// further bytes.
func (j *journal) readRequests(r io.Reader, calls chan<- *call) {
	defer io.Copy(io.Discard, r)
	defer close(calls)
	buffered := bufio.NewReader(r)
	for {
		req, err := http.ReadRequest(buffered)
		if err != nil {
			return
		}
		c := &call{Time: time.Now(), Method: req.Method, Target: req.RequestURI, Host: req.Host, Request: part{Header: req.Header}}
		j.add(c)
		calls <- c
		j.readBody(&c.Request, req.Body)
	}
}

func (j *journal) readResponses(r io.Reader, calls <-chan *call) {
	defer io.Copy(io.Discard, r)
	buffered := bufio.NewReader(r)
	for c := range calls {
		resp, err := http.ReadResponse(buffered, &http.Request{Method: c.Method})
		for err == nil && resp.StatusCode < 200 { // such as 100 Continue
			resp, err = http.ReadResponse(buffered, &http.Request{Method: c.Method})
		}
		if err != nil {
			return
		}
		j.update(func() { c.Status, c.Response.Header = resp.StatusCode, resp.Header })
		j.readBody(&c.Response, resp.Body)
	}
}

// readBody reads a body to its end and keeps the beginning.
func (j *journal) readBody(p *part, body io.Reader) {
	buf := make([]byte, 16<<10)
	for {
		n, err := body.Read(buf)
		j.update(func() {
			room := keptBody - len(p.Body)
			p.Truncated = p.Truncated || n > room
			p.Body = append(p.Body[:len(p.Body):len(p.Body)], buf[:min(n, room)]...) // append to a new array, because copies of the call share the old one
			p.Complete = err == io.EOF
		})
		if err != nil {
			return
		}
	}
}
