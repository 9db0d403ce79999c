package upstream

import (
	"bufio"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http/httpguts"
)

// TestIsCanonical compares isCanonical with net/textproto for every name of two
// characters, alone and at the beginning of a word.
func TestIsCanonical(t *testing.T) {
	for a := range byte(0x80) {
		for b := range byte(0x80) {
			for _, name := range []string{string(a), string([]byte{a, b}), string([]byte{'X', '-', a, b})} {
				want := textproto.CanonicalMIMEHeaderKey(name) == name
				if got := isCanonical([]byte(name)); httpguts.ValidHeaderFieldName(name) && got != want {
					t.Errorf("%q: %v, want %v", name, got, want)
				}
			}
		}
	}
}

// TestFieldNames checks which names are found in a head. For heads that net/http
// accepts, they are the names that net/http finds.
func TestFieldNames(t *testing.T) {
	for _, head := range []string{
		"HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\n\n",
		"HTTP/1.1 200 OK\r\na: 1\r\n\r\n",
		"HTTP/1.1 200 OK\na: 1\n\n",
		"HTTP/1.1 200 OK\r\nX-FEServer: a:b\r\nrequest-id: 1\r\nContent-Length: 0\r\n\r\nbody: 1\r\n",
		"HTTP/1.1 200 OK\r\na: 1\r\n b: 2\r\n\tc: 3\r\nd: 4\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX-FEServer: 1\r\nx-feserver: 2\r\n\r\n",
		"HTTP/1.1 200 OK\r\na:\r\nb: \r\n\r\nc: 1\r\n",
		"HTTP/1.1 200 OK\n!: 1\n#: 2\n~: 3\n\n",
	} {
		var got []string
		for name := range fieldNames([]byte(head)) {
			got = append(got, textproto.CanonicalMIMEHeaderKey(string(name)))
		}
		resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(head)), nil)
		if err != nil {
			t.Fatalf("%q: %v", head, err)
		}
		var want []string
		for name := range resp.Header {
			want = append(want, name)
		}
		slices.Sort(got)
		slices.Sort(want)
		if got = slices.Compact(got); !slices.Equal(got, want) {
			t.Errorf("%q: %q, net/http finds %q", head, got, want)
		}
	}
	for head, want := range map[string][]string{ // heads that net/http refuses
		"":                                   nil,
		"HTTP/1.1 200 OK":                    nil,
		"HTTP/1.1 200 OK\r\n: 1\r\nb: 2\r\n": {"b"},
		"HTTP/1.1 200 OK\r\na\r\nb: 2\r\n":   {"b"},
		"HTTP/1.1 200 OK\r\na: 1":            {"a"},
	} {
		var got []string
		for name := range fieldNames([]byte(head)) {
			got = append(got, string(name))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", head, got, want)
		}
	}
	for name := range fieldNames([]byte("HTTP/1.1 200 OK\r\na: 1\r\nb: 2\r\n\r\n")) { // the loop ends early
		if string(name) != "a" {
			t.Errorf("the first name is %q", name)
		}
		break
	}
}
