package device

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// refuseExpectation returns a session that responds with the status to requests
// with the header Expect and leaves their body unread. Other requests go to
// Exchange.
func refuseExpectation(status string) func(net.Conn, http.Handler) {
	page := "<html><head><title>" + status + "</title></head></html>"
	text := "HTTP/1.1 " + status + "\r\nContent-Type: text/html\r\nContent-Length: " + strconv.Itoa(len(page)) + "\r\n\r\n" + page
	return func(conn net.Conn, exchange http.Handler) {
		forEachRequest(conn, func(_ *bufio.Reader, r *http.Request) bool {
			if r.Header.Get("Expect") == "" {
				return relay(conn, r, exchange)
			}
			return write(conn, text)
		})
	}
}

// takeBodyForRequest ignores the header Expect. It takes the body that follows
// such a header for the next request, responds to it with 501, and closes the
// connection.
func takeBodyForRequest(conn net.Conn, exchange http.Handler) {
	forEachRequest(conn, func(in *bufio.Reader, r *http.Request) bool {
		if r.Header.Get("Expect") == "" {
			return relay(conn, r, exchange)
		}
		if _, err := in.Peek(1); err != nil {
			return false
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		return false
	})
}

// swallowExpectation ignores Expect, sends no 100 Continue, and waits for the
// body.
func swallowExpectation(conn net.Conn, exchange http.Handler) {
	forEachRequest(conn, func(_ *bufio.Reader, r *http.Request) bool {
		r.Header.Del("Expect")
		return relay(conn, r, exchange)
	})
}

// forEachRequest reads the heads of requests from conn and calls serve for each,
// until serve returns false or no further request can be read.
func forEachRequest(conn net.Conn, serve func(in *bufio.Reader, r *http.Request) bool) {
	in := bufio.NewReader(conn)
	for {
		r, err := http.ReadRequest(in)
		if err != nil || !serve(in, r) {
			return
		}
	}
}

// relay passes a request with its whole body to Exchange and writes the
// response. It reports whether the connection can serve another request.
func relay(conn net.Conn, r *http.Request, exchange http.Handler) bool {
	w, err := handle(conn, r, exchange)
	if err != nil {
		return false
	}
	resp := &http.Response{
		StatusCode: w.status, ProtoMajor: 1, ProtoMinor: 1, Header: w.header, Request: r,
		Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()),
	}
	return resp.Write(conn) == nil && !strings.EqualFold(r.Header.Get("Connection"), "close")
}

// handle passes a request with its whole body to Exchange and returns the
// response.
func handle(conn net.Conn, r *http.Request, exchange http.Handler) (*bufferedWriter, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body, r.RemoteAddr = io.NopCloser(bytes.NewReader(body)), conn.RemoteAddr().String()
	w := &bufferedWriter{header: http.Header{}, status: http.StatusOK}
	exchange.ServeHTTP(w, r)
	return w, nil
}

// A bufferedWriter is a ResponseWriter that keeps the response in memory.
type bufferedWriter struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *bufferedWriter) Header() http.Header         { return w.header }
func (w *bufferedWriter) WriteHeader(status int)      { w.status = status }
func (w *bufferedWriter) Write(p []byte) (int, error) { return w.body.Write(p) }
