package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// tapHeader numbers Exchange's responses, so that each response can be matched
// with the response that the client received.
const tapHeader = "X-Interop-Response"

// unwanted adds header fields of Exchange and load balancers that clients of the
// product must not receive.
func unwanted(h http.Header) {
	h.Set("WWW-Authenticate", "Negotiate")
	h.Set("Strict-Transport-Security", "max-age=31536000")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Alt-Svc", `h3=":443"`)
}

// A tap is an http.Handler in front of Exchange's. It records requests and
// responses, and adds the header fields that the function unwanted sets. If gzip
// is true, it compresses responses for clients that accept it, as IIS does.
type tap struct {
	exchange http.Handler
	gzip     bool

	mu   sync.Mutex
	seen []*visit
}

// A visit is a request as it reached Exchange, and the response as Exchange
// sent it.
type visit struct {
	mu             sync.Mutex
	method         string
	path           string
	header         http.Header
	body           bytes.Buffer
	whole          bool // the body was read to its end
	status         int
	responseHeader http.Header
	content        bytes.Buffer
}

func (t *tap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := &visit{method: r.Method, path: r.URL.RequestURI(), header: r.Header.Clone()}
	t.mu.Lock()
	t.seen = append(t.seen, v)
	w.Header().Set(tapHeader, strconv.Itoa(len(t.seen)))
	t.mu.Unlock()
	unwanted(w.Header())
	// Change only a copy of the request. After the handler, net/http examines the
	// type of the original body. If it did not know the type, it would wait for a
	// body that a client with "Expect: 100-continue" has not sent.
	r = r.WithContext(r.Context())
	r.Body = &copiedBody{r.Body, v}
	out := &copiedResponse{ResponseWriter: w, visit: v}
	defer out.finish()
	if t.gzip && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		out.zip = gzip.NewWriter(writerFunc(out.plain))
	}
	t.exchange.ServeHTTP(out, r)
}

// visits returns the requests recorded so far.
func (t *tap) visits() []*visit {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]*visit(nil), t.seen...)
}

type copiedBody struct {
	io.ReadCloser
	visit *visit
}

func (b *copiedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.visit.mu.Lock()
	defer b.visit.mu.Unlock()
	b.visit.body.Write(p[:n])
	b.visit.whole = b.visit.whole || err == io.EOF
	return n, err
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

type copiedResponse struct {
	http.ResponseWriter
	visit *visit
	zip   *gzip.Writer // compresses the response; nil: it is not compressed
}

func (a *copiedResponse) WriteHeader(status int) {
	a.visit.mu.Lock()
	if a.visit.status == 0 {
		if a.zip != nil {
			a.Header().Del("Content-Length")
			a.Header().Set("Content-Encoding", "gzip")
			a.Header().Set("Vary", "Accept-Encoding")
		}
		a.visit.status, a.visit.responseHeader = status, a.Header().Clone()
	}
	a.visit.mu.Unlock()
	a.ResponseWriter.WriteHeader(status)
}

func (a *copiedResponse) Write(p []byte) (int, error) {
	if a.visit.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.zip != nil {
		return a.zip.Write(p)
	}
	return a.plain(p)
}

func (a *copiedResponse) plain(p []byte) (int, error) {
	a.visit.mu.Lock()
	a.visit.content.Write(p)
	a.visit.mu.Unlock()
	return a.ResponseWriter.Write(p)
}

// Flush is called by http.ResponseController.
func (a *copiedResponse) Flush() {
	if a.zip != nil {
		a.zip.Flush()
	}
	http.NewResponseController(a.ResponseWriter).Flush()
}

func (a *copiedResponse) finish() {
	if a.zip != nil && a.visit.status != 0 {
		a.zip.Close()
	}
}
