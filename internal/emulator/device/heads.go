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

// heads returns the devices whose responses have an unusual head or framing.
// Many of these responses violate RFC 9112, but some clients accept them.
func heads() []Device {
	const source = "github.com/golang/go/issues/21290, 63168"
	var all []Device
	for _, d := range []struct {
		name, does string
		format     func(response) string
	}{
		{"head-space-before-colon", "writes a space between the name and the colon of a header", func(r response) string {
			return "HTTP/1.1 " + r.status + "\r\nX-Device : 1\r\n" + r.headers + r.length() + "\r\n" + r.body
		}},
		{"head-latin1", "writes a header value in ISO 8859-1", func(r response) string {
			return "HTTP/1.1 " + r.status + "\r\nX-Device: caf\xe9\r\n" + r.headers + r.length() + "\r\n" + r.body
		}},
		{"head-folded", "continues a header on the next line", func(r response) string {
			return "HTTP/1.1 " + r.status + "\r\nX-Device: 1,\r\n 2\r\n" + r.headers + r.length() + "\r\n" + r.body
		}},
		{"head-no-reason", "leaves out the reason phrase and the space before it", func(r response) string {
			return "HTTP/1.1 " + r.status[:3] + "\r\n" + r.headers + r.length() + "\r\n" + r.body
		}},
		{"head-cl-twice", "writes Content-Length twice", func(r response) string {
			return "HTTP/1.1 " + r.status + "\r\n" + r.headers + r.length() + r.length() + "\r\n" + r.body
		}},
		{"head-cl-and-te", "writes Content-Length and a chunked body", func(r response) string {
			return "HTTP/1.1 " + r.status + "\r\n" + r.headers + r.length() + "Transfer-Encoding: chunked\r\n\r\n" + r.chunked()
		}},
		{"head-lf", "ends lines with LF alone", func(r response) string {
			return strings.ReplaceAll("HTTP/1.1 "+r.status+"\r\n"+r.headers+r.length()+"\r\n", "\r\n", "\n") + r.body
		}},
		{"head-http10", "speaks HTTP/1.0", func(r response) string {
			return "HTTP/1.0 " + r.status + "\r\n" + r.headers + r.length() + "\r\n" + r.body
		}},
		{"head-unasked-100", "sends 100 Continue that was not asked for", func(r response) string {
			return "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 " + r.status + "\r\n" + r.headers + r.length() + "\r\n" + r.body
		}},
		{"head-trailing-crlf", "sends an empty line after the body", func(r response) string {
			return "HTTP/1.1 " + r.status + "\r\n" + r.headers + r.length() + "\r\n" + r.body + "\r\n"
		}},
		{"head-interim", "sends 102 and 103 before the response, with headers", func(r response) string {
			return "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x.css>; rel=preload\r\n\r\nHTTP/1.1 " + r.status + "\r\n" + r.headers + r.length() + "\r\n" + r.body
		}},
		{"head-te-capitals", "writes the transfer coding in capitals, with chunk extensions and a trailer", func(r response) string {
			chunks := strings.Replace(r.chunked(), "\r\n", ";x=1\r\n", 1)
			return "HTTP/1.1 " + r.status + "\r\n" + r.headers + "transfer-encoding: Chunked\r\nTrailer: X-Device\r\n\r\n" + strings.TrimSuffix(chunks, "\r\n") + "X-Device: 1\r\n\r\n"
		}},
		{"head-without-length", "writes a body without a length and closes", func(r response) string {
			return "HTTP/1.0 " + r.status + "\r\n" + r.headers + "\r\n" + r.body
		}},
		{"head-many-cookies", "sets 300 cookies of 100 bytes", func(r response) string {
			cookies := ""
			for i := range 300 {
				cookies += "Set-Cookie: device" + strconv.Itoa(i) + "=" + strings.Repeat("c", 100) + "; path=/; secure\r\n"
			}
			return "HTTP/1.1 " + r.status + "\r\n" + r.headers + cookies + r.length() + "\r\n" + r.body
		}},
		{"head-huge", "writes a header of two megabytes", func(r response) string {
			return "HTTP/1.1 " + r.status + "\r\nX-Device: " + strings.Repeat("x", 2<<20) + "\r\n" + r.headers + r.length() + "\r\n" + r.body
		}},
		{"head-nul", "writes a NUL in a header value", func(r response) string {
			return "HTTP/1.1 " + r.status + "\r\nX-Device: a\x00b\r\n" + r.headers + r.length() + "\r\n" + r.body
		}},
		{"head-http2-line", "writes HTTP/2 in the status line", func(r response) string {
			return "HTTP/2 " + r.status + "\r\n" + r.headers + r.length() + "\r\n" + r.body
		}},
		{"head-nocolon", "writes a header line without a colon", func(r response) string {
			return "HTTP/1.1 " + r.status + "\r\nX-Device\r\n" + r.headers + r.length() + "\r\n" + r.body
		}},
	} {
		all = append(all, Device{Name: d.name, Does: d.does, Source: source, session: writeHead(d.format)})
	}
	return all
}

// A response holds the parts of a response of Exchange.
type response struct {
	status  string // "200 OK"
	headers string // header lines, except those about the length
	body    string
}

func (r response) length() string { return "Content-Length: " + strconv.Itoa(len(r.body)) + "\r\n" }

func (r response) chunked() string {
	if r.body == "" {
		return "0\r\n\r\n"
	}
	return strconv.FormatInt(int64(len(r.body)), 16) + "\r\n" + r.body + "\r\n0\r\n\r\n"
}

// writeHead returns a session that writes each response of Exchange as the text
// that format returns.
func writeHead(format func(response) string) func(net.Conn, http.Handler) {
	return writeHeadWith(format, func(conn net.Conn, text string) error {
		_, err := io.WriteString(conn, text)
		return err
	})
}

// writeHeadWith returns a session that formats each response of Exchange with
// format, and writes the resulting text to the connection with send.
func writeHeadWith(format func(response) string, send func(net.Conn, string) error) func(net.Conn, http.Handler) {
	return func(conn net.Conn, exchange http.Handler) {
		forEachRequest(conn, func(_ *bufio.Reader, r *http.Request) bool {
			if expectsContinue(r) && !write(conn, "HTTP/1.1 100 Continue\r\n\r\n") {
				return false
			}
			w, err := handle(conn, r, exchange)
			if err != nil {
				return false
			}
			text := format(w.response())
			return send(conn, text) == nil && !strings.HasPrefix(text, "HTTP/1.0")
		})
	}
}

// response returns the parts of the response that was written.
func (w *bufferedWriter) response() response {
	var headers bytes.Buffer
	h := w.header.Clone()
	h.Del("Content-Length")
	_ = h.Write(&headers) // a Buffer returns no error
	return response{status: strconv.Itoa(w.status) + " " + http.StatusText(w.status), headers: headers.String(), body: w.body.String()}
}
