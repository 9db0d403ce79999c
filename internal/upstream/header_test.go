package upstream_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"hmaproxy/internal/upstream"
)

// TestFramingIsWrittenOnce checks that headers about framing and the host are
// written from the request's fields, however a caller spells them.
func TestFramingIsWrittenOnce(t *testing.T) {
	for _, name := range []string{"Content-Length", "content-length", "CONTENT-LENGTH", "transfer-encoding", "Transfer-Encoding", "host", "trailer"} {
		var lines []string
		s := newServer(listen(t), func(p *peer) (err error) { lines, err = headLines(p); return err }, say(ok))
		transport := newTestTransport(t, s)
		mustFetch(t, transport, testRequest{body: "<a/>", header: http.Header{name: {"chunked"}}})
		transport.CloseIdleConnections()
		s.over.Wait()
		want := []string{"POST /EWS/Exchange.asmx HTTP/1.1", "Host: example.com", "User-Agent: test", "Content-Length: 4"}
		if !slices.Equal(lines, want) {
			t.Errorf("%s: sent %q", name, lines)
		}
	}
}

// TestChunks checks that a chunked body ends without the last chunk if its
// reader fails.
func TestChunks(t *testing.T) {
	for _, c := range []struct {
		fails bool
		want  string
	}{
		{false, "4\r\n<a/>\r\n0\r\n\r\n"},
		{true, "4\r\n<a/>\r\n"},
	} {
		var got string
		s := newServer(listen(t), func(p *peer) error {
			if _, err := headLines(p); err != nil {
				return err
			}
			piece := make([]byte, len(c.want))
			_, err := io.ReadFull(p.br, piece)
			got = string(piece)
			if !c.fails {
				return say(ok)(p)
			}
			more, _ := io.ReadAll(p.br)
			got += string(more)
			return err
		})
		transport := newTestTransport(t, s)
		r, _ := testRequest{body: "<a/>", stream: true, length: -1, fails: c.fails}.request(t.Context())
		resp, err := transport.RoundTrip(r)
		if (err != nil) != c.fails {
			t.Errorf("fails %v: %v", c.fails, err)
		}
		if err == nil {
			resp.Body.Close()
		}
		s.over.Wait()
		if got != c.want {
			t.Errorf("fails %v: sent %q, want %q", c.fails, got, c.want)
		}
	}
}

// headLines reads the lines of a head.
func headLines(p *peer) (lines []string, err error) {
	for {
		line, err := p.br.ReadString('\n')
		if line = strings.TrimSpace(line); line == "" {
			return lines, err
		}
		lines = append(lines, line)
	}
}

// TestIncompleteConfig checks that New refuses a Config without a required field.
func TestIncompleteConfig(t *testing.T) {
	for name, change := range map[string]func(*upstream.Config){
		"Host":             func(c *upstream.Config) { c.Host = "" },
		"Address":          func(c *upstream.Config) { c.Address = "" },
		"Dial":             func(c *upstream.Config) { c.Dial = nil },
		"TLS":              func(c *upstream.Config) { c.TLS = nil },
		"HandshakeTimeout": func(c *upstream.Config) { c.HandshakeTimeout = 0 },
		"ContinueTimeout":  func(c *upstream.Config) { c.ContinueTimeout = 0 },
		"IdleTimeout":      func(c *upstream.Config) { c.IdleTimeout = 0 },
		"MaxIdle":          func(c *upstream.Config) { c.MaxIdle = 0 },
		"MaxHead":          func(c *upstream.Config) { c.MaxHead = 0 },
	} {
		config := testConfig(newServer(listen(t)))
		change(&config)
		if _, err := upstream.New(config); err == nil {
			t.Errorf("no %s: accepted", name)
		}
	}
}
