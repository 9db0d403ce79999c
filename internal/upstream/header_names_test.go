package upstream

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// spelled returns how a response body's HeaderName spells a header.
func spelled(t *testing.T, resp *http.Response, canonical string) string {
	t.Helper()
	names, ok := resp.Body.(interface{ HeaderName(string) string })
	if !ok {
		t.Fatalf("a %T has no header names", resp.Body)
	}
	return names.HeaderName(canonical)
}

func TestHeaderNames(t *testing.T) {
	// Header names as Exchange Server 2019 spells them.
	exchange := []string{"X-FEServer: EX1", "X-BEServer: EX2", "request-id: 1", "X-DiagInfo: EX2", "X-CalculatedBETarget: ex2", "Cache-Control: private"}
	padding := "X-Padding: " + strings.Repeat("x", 3000)
	for _, c := range []struct {
		name  string
		lines []string
		want  map[string]string // by canonical name
	}{
		{"as Exchange spells them", exchange, map[string]string{
			"X-Feserver": "X-FEServer", "X-Beserver": "X-BEServer", "Request-Id": "request-id", "X-Diaginfo": "X-DiagInfo", "Cache-Control": "Cache-Control"}},
		{"head larger than the buffer", append([]string{padding}, exchange...), map[string]string{"X-Feserver": "X-FEServer", "X-Padding": "X-Padding"}},
		{"folded line", []string{"X-FEServer: a", " X-BEServer: b"}, map[string]string{"X-Feserver": "X-FEServer", "X-Beserver": "X-Beserver"}},
		{"no headers but a length", nil, map[string]string{"X-Feserver": "X-Feserver", "Content-Length": "Content-Length"}},
	} {
		for _, body := range []string{"", "<ok/>"} {
			t.Run(fmt.Sprintf("%s, body %q", c.name, body), func(t *testing.T) {
				tr := newHostileServer(t, func(conn net.Conn, br *bufio.Reader) {
					if _, err := consume(br); err != nil {
						return
					}
					lines := append([]string{"HTTP/1.1 100 Continue\r\nX-FESERVER: interim\r\n\r\nHTTP/1.1 200 OK"}, c.lines...)
					fmt.Fprintf(conn, "%s\r\nContent-Length: %d\r\n\r\n%s", strings.Join(lines, "\r\n"), len(body), body)
				}, nil)
				resp, err := tr.RoundTrip(post("<a/>"))
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				for canonical, want := range c.want {
					if got := spelled(t, resp, canonical); got != want && !(c.lines == nil && got == "X-FESERVER") {
						t.Errorf("%s is spelled %s, want %s", canonical, got, want)
					}
				}
			})
		}
	}
}

// TestHeaderNamesChange checks that a response has its own spelling, even if an
// earlier response had a different one.
func TestHeaderNamesChange(t *testing.T) {
	var cache headerNameCache
	read := func(name string) string {
		return cache.read([]byte("HTTP/1.1 200 OK\r\n" + name + ": x\r\n\r\n")).HeaderName("X-Feserver")
	}
	for _, name := range []string{"X-FEServer", "x-feserver", "X-Feserver", "X-FEServer", "X-FEServer"} {
		if got := read(name); got != name {
			t.Errorf("%s is spelled %s", name, got)
		}
	}
	for i := range 1000 { // a server that always sends new names
		cache.read(fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nx%d: x\r\n\r\n", i))
		if names := cache.last.Load(); names != nil && len(names.spelling) > maxHeaderNames {
			t.Fatalf("%d names are remembered", len(names.spelling))
		}
	}
}

// TestHeaderNamesOfOneResponse checks that a response has the spelling of all its
// names, and that the cache keeps them only if their number is within the limit.
func TestHeaderNamesOfOneResponse(t *testing.T) {
	for _, test := range []struct{ names, kept int }{{maxHeaderNames, maxHeaderNames}, {maxHeaderNames + 1, 0}, {1000, 0}} {
		var cache headerNameCache
		cache.read([]byte("HTTP/1.1 200 OK\r\nX0: x\r\n\r\n"))
		head := []byte("HTTP/1.1 200 OK\r\n")
		for i := range test.names {
			head = fmt.Appendf(head, "x%d: x\r\n", i)
		}
		names := cache.read(append(head, "\r\n"...))
		for i := range test.names {
			if want, got := fmt.Sprint("x", i), names.HeaderName(fmt.Sprint("X", i)); got != want {
				t.Fatalf("%d names: %s is spelled %s", test.names, want, got)
			}
		}
		kept := 0
		if last := cache.last.Load(); last != nil {
			kept = len(last.spelling)
		}
		if kept != test.kept {
			t.Errorf("%d of %d names are kept, want %d", kept, test.names, test.kept)
		}
	}
}

func TestHeaderNamesAllocateNothing(t *testing.T) {
	var cache headerNameCache
	head := []byte("HTTP/1.1 200 OK\r\nX-FEServer: EX1\r\nrequest-id: 1\r\nCache-Control: private\r\n\r\n")
	if n := testing.AllocsPerRun(100, func() { cache.read(head) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestHeadEnd(t *testing.T) {
	for text, want := range map[string]int{
		"":                       -1,
		"HTTP/1.1 200 OK\r\n":    -1,
		"HTTP/1.1 200\r\n\r\nx":  16,
		"HTTP/1.1 200\n\nx":      14,
		"HTTP/1.1 200\n\r\nx":    15,
		"\n\nx":                  2,
		"a\r\nb: c\r\n\r\n":      11,
		"a\r\nb: c\r\n\r":        -1,
		"a\r\nb: c\r\nd\r\n\r\n": 14,
	} {
		if got := headEnd([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
