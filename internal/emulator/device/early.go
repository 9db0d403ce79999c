package device

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// early returns the devices that respond, or end the connection, before they have
// read the body of a request.
func early() []Device {
	const tooLarge = "HTTP/1.1 413 Request Entity Too Large\r\nContent-Type: text/html\r\nContent-Length: 26\r\nConnection: close\r\n\r\n<title>Too Large!!</title>"
	return []Device{
		{
			Name: "expect-400", Source: "RFC 9110, 10.1.1; proxies for HTTP/1.0",
			Does:    "responds to a request with Expect with 400 and closes",
			session: onExpectation(respondAndClose("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")),
		},
		{
			Name: "expect-411", Source: "RFC 9110, 10.1.1; web application firewalls",
			Does:    "responds to a request with Expect with 411 and a page, and keeps the connection",
			session: refuseExpectation("411 Length Required"),
		},
		{
			Name: "expect-closes", Source: "RFC 9110, 10.1.1",
			Does:    "closes the connection on a request with Expect",
			session: onExpectation(func(net.Conn) bool { return false }),
		},
		{
			Name: "expect-page", Source: "RFC 9110, 10.1.1; F5 APM",
			Does:    "responds to a request with Expect with 200 and a sign-in form",
			session: onExpectation(respondAndClose("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" + signInForm)),
		},
		{
			Name: "expect-late", Source: "RFC 9110, 10.1.1",
			Does: "sends 100 Continue after ten seconds",
			session: onExpectation(func(conn net.Conn) bool {
				time.Sleep(10 * time.Second)
				return write(conn, "HTTP/1.1 100 Continue\r\n\r\n")
			}),
		},
		{
			Name: "expect-100-twice", Source: "RFC 9110, 15.2",
			Does: "sends 102 Processing, 100 Continue twice, the second with a header, and 103 Early Hints",
			session: onExpectation(func(conn net.Conn) bool {
				return write(conn, "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\nX-Device: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
			}),
		},
		{
			Name: "413-before-body", Source: "IIS, uploadReadAheadSize and maxAllowedContentLength",
			Does:    "responds to a request of more than 100 kB with 413 and closes, before it has read the body",
			session: onLength(100_000, respondAndClose(tooLarge)),
		},
		{
			Name: "413-in-body", Source: "nginx, client_max_body_size with chunks",
			Does: "invites a body of more than 100 kB, reads a part of it, responds with 413 and closes",
			session: onLength(100_000, func(conn net.Conn) bool {
				if write(conn, "HTTP/1.1 100 Continue\r\n\r\n") {
					_, _ = io.CopyN(io.Discard, conn, 50_000)
				}
				return respondAndClose(tooLarge)(conn)
			}),
		},
		{
			Name: "413-and-reset", Source: "intrusion prevention systems",
			Does: "resets the connection of a request of more than 100 kB after a part of its body",
			session: onLength(100_000, func(conn net.Conn) bool {
				if write(conn, "HTTP/1.1 100 Continue\r\n\r\n") {
					_, _ = io.CopyN(io.Discard, conn, 50_000)
				}
				resetUnder(conn)
				return false
			}),
		},
		{
			Name: "closes-after-head", Source: "firewalls that inspect the first request",
			Does:    "closes every connection when the head of a request has arrived",
			session: onLength(0, func(net.Conn) bool { return false }),
		},
	}
}

func write(conn net.Conn, text string) bool {
	_, err := io.WriteString(conn, text)
	return err == nil
}

// respondAndClose returns a function that writes text, reads for up to a second,
// and returns false, so that the connection is then closed. Closing without
// reading would reset the connection, and the client could lose the response.
func respondAndClose(text string) func(net.Conn) bool {
	return func(conn net.Conn) bool {
		write(conn, text)
		if c, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = c.CloseWrite()
		}
		_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		_, _ = io.Copy(io.Discard, conn)
		return false
	}
}

// resetUnder resets the connection below TLS.
func resetUnder(conn net.Conn) {
	if c, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = c.NetConn()
	}
	reset(conn)
}

// onExpectation returns a session that calls act for requests with the header
// Expect, before it reads the body. act reports whether the connection stays
// open.
func onExpectation(act func(net.Conn) bool) func(net.Conn, http.Handler) {
	return before(func(r *http.Request) bool { return r.Header.Get("Expect") != "" }, act)
}

// onLength returns a session that calls act for POST requests whose body is longer
// than n bytes or of unknown length, before it reads the body. act reports whether
// the connection stays open.
func onLength(n int64, act func(net.Conn) bool) func(net.Conn, http.Handler) {
	return before(func(r *http.Request) bool {
		return r.Method == http.MethodPost && (r.ContentLength > n || r.ContentLength < 0)
	}, act)
}

func before(concerns func(*http.Request) bool, act func(net.Conn) bool) func(net.Conn, http.Handler) {
	return func(conn net.Conn, exchange http.Handler) {
		forEachRequest(conn, func(_ *bufio.Reader, r *http.Request) bool {
			ok := true
			switch {
			case concerns(r):
				ok = act(conn)
			case expectsContinue(r):
				ok = write(conn, "HTTP/1.1 100 Continue\r\n\r\n")
			}
			return ok && relay(conn, r, exchange)
		})
	}
}

func expectsContinue(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Expect"), "100-continue")
}
