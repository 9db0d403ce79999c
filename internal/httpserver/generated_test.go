package httpserver

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// Parts from which the test composes requests. Most lists have valid parts, often
// repeated so that they are chosen more often, and malformed parts.
var (
	methods  = []string{"POST", "POST", "POST", "GET", "HEAD", "post", "CONNECT", "P(ST", "", "OPTIONS", "X!#$%&'*+-.^_`|~"}
	blanks   = []string{" ", " ", " ", " ", " ", " ", "  ", "\t", "", "\x0b"}
	targets  = []string{"/EWS/Exchange.asmx", "/EWS/Exchange.asmx", "/", "*", "http://evil/", "//x", "/a?b", "/a#b", "/%41", "/%", "a", "mail:443", "/\x7f", "/\x80", "/a;b", "/[x]", "http://[::1", "?x", "/ü"}
	versions = []string{"HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/1.10", "http/1.1", "HTTP/1.1 ", ""}
	ends     = []string{"\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\r\n", "\n\r", ""}
	fields   = []string{
		"Host: localhost", "Host: localhost", "Host: localhost", "host:a", "Host: a b", "Host:", "Host : a", "Host: [::1]:80", "Host: \x80",
		"Content-Length: 5", "Content-Length: 5", "Content-Length: 0", "Content-Length: 5 ", "Content-Length:\t5", "Content-Length: 05", "Content-Length: 5,5", "Content-Length: -5", "Content-Length: 99", "Content-Length:", "content-length: 5",
		"Transfer-Encoding: chunked", "Transfer-Encoding: chunked", "Transfer-Encoding: CHUNKED", "Transfer-Encoding: identity", "Transfer-Encoding:", "Transfer-Encoding: \x0bchunked", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: \"chunked\"",
		"Connection: close", "Connection: keep-alive", "Connection: Close , x", "Connection: upgrade", "Upgrade: h2c", "Expect: 100-continue", "Expect: 100-Continue", "Expect: other",
		"Trailer: X-T", "Trailer: X-T, Host", "Trailer: Transfer-Encoding", "Trailer: ,", "Pragma: no-cache", "Cache-Control: max-age=0",
		"X-A: b", "X-A:b", "X-A: b\tc", "X-A: \xff", "X-A: \x7f", "X A: b", " X-A: b", "\tfolded", "X-A", ": b", "X-A: b\r\n c", "X-A:\r\n\tb\r\n  c ", "X-A: b\r\n ", "Content-Length: \r\n 5", "Transfer-Encoding:\r\n chunked", "x-a: 1", "X-ä: b", "X-A: " + strings.Repeat("y", 5000),
	}
	bodies = []string{
		"hello", "hello", "5\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "5;a=b\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n", "5\r\nhello\r\n0\r\nX T: 1\r\n\r\n", "05\r\nhello\r\n000\r\n\r\n",
		"5\nhello\r\n0\r\n\r\n", "5\r\nhello0\r\n\r\n", "5\r\nhell", "0x5\r\nhello\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n", "fffffffffffffffff\r\n", "7fffffffffffffff\r\nx", "", "\r\n",
		strings.Repeat("1;"+strings.Repeat("e", 200)+"\r\nx\r\n", 100) + "0\r\n\r\n", strings.Repeat("1\r\nx\r\n", 3000) + "0\r\n\r\n",
	}
)

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

// generate returns the bytes of one to three requests.
func generate(r *rand.Rand) []byte {
	var b strings.Builder
	usual := func(from []string) string { // nearly always returns the first of the list
		if r.IntN(20) > 0 {
			return from[0]
		}
		return pick(r, from)
	}
	for range 1 + r.IntN(3) {
		b.WriteString(usual(methods) + usual(blanks) + usual(targets) + usual(blanks) + usual(versions) + usual(ends))
		if r.IntN(8) > 0 {
			b.WriteString("Host: localhost" + usual(ends))
		}
		for range r.IntN(3) {
			b.WriteString(pick(r, fields) + usual(ends))
		}
		b.WriteString(usual(ends) + pick(r, bodies))
	}
	return []byte(b.String())
}

// TestGeneratedRequests makes the checks of FuzzRequests with generated requests
// that are valid or nearly valid.
func TestGeneratedRequests(t *testing.T) {
	n, accepted := 4000, 0
	if testing.Short() {
		n = 500
	}
	for seed := range n {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		data := generate(r)
		splits := []byte{byte(r.IntN(8)), byte(r.IntN(64)), 1, byte(r.IntN(3))}
		ours, out := serveBytes(data, nil)
		accepted += len(ours)
		checkSubset(t, data, ours)
		checkResponses(t, out)
		pieces, outPieces := serveBytes(data, splits)
		if len(pieces) != len(ours) || withoutDates(out) != withoutDates(outPieces) {
			t.Fatalf("seed %d: the same bytes in pieces: %d requests instead of %d", seed, len(pieces), len(ours))
		}
	}
	if accepted < n/3 {
		t.Errorf("only %d of %d requests were accepted: most tests are about nothing", accepted, n)
	}
}
