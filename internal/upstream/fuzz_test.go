package upstream_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// FuzzResponse lets a server send arbitrary bytes. It checks that a complete
// response equals what http.ReadResponse reads from the same bytes, and that
// the next request gets its own response.
func FuzzResponse(f *testing.F) {
	for _, seed := range []string{ok, ok + extraResponse, chunked + "5\r\n<ok/>\r\n0\r\n\r\n", chunked + "5\r\n<ok/>\r\n0\r\n\r\n" + extraResponse,
		chunked + "zz", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + extraResponse,
		"HTTP/1.1 100 Continue\r\n\r\n" + ok, "HTTP/1.0 200 OK\r\n\r\n<ok/>", "HTTP/1.1 204 No Content\r\n\r\n" + extraResponse} {
		f.Add([]byte(seed))
	}
	n := listen(f)
	const own = "HTTP/1.1 200 OK\r\nX-Own: 1\r\nContent-Length: 3\r\n\r\nown"
	f.Fuzz(func(t *testing.T, text []byte) {
		s := newServer(n)
		s.scripts = [][]step{{head, body, sayTogether(string(text)), end}, {head, body, say(own), end}}
		transport := newTestTransport(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		r, _ := post.request(ctx)
		resp, err := transport.RoundTrip(r)
		if err == nil {
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err == nil && resp.StatusCode >= 200 {
				checkSame(t, text, r, resp, got)
			}
		}
		if ctx.Err() != nil {
			t.Fatal("the request does not end")
		}
		second, _ := get.request(ctx)
		if resp, err := transport.RoundTrip(second); err == nil {
			if resp.Header.Get("X-Own") != "1" {
				t.Errorf("the second request got %v", resp.Status)
			}
			resp.Body.Close()
		}
		transport.CloseIdleConnections()
		s.over.Wait()
	})
}

// checkSame compares a response with net/http's reading of the same bytes.
func checkSame(t *testing.T, text []byte, r *http.Request, resp *http.Response, got []byte) {
	br := bufio.NewReader(bytes.NewReader(text))
	for {
		want, err := http.ReadResponse(br, r)
		if err != nil {
			t.Fatalf("net/http reads no response: %v", err)
		}
		if 100 <= want.StatusCode && want.StatusCode < 200 {
			continue
		}
		whole, err := io.ReadAll(want.Body)
		if err != nil || !bytes.Equal(whole, got) || want.Status != resp.Status {
			t.Fatalf("got %s %q, want %s %q, %v", resp.Status, got, want.Status, whole, err)
		}
		var a, b bytes.Buffer
		_ = resp.Header.Write(&a)
		_ = want.Header.Write(&b)
		if a.String() != b.String() {
			t.Fatalf("got %q, want %q", &a, &b)
		}
		return
	}
}

// FuzzRequest sends arbitrary requests. It checks that the server receives the
// unchanged request or none.
func FuzzRequest(f *testing.F) {
	f.Add("POST", "/EWS/Exchange.asmx", "a=b", "Soapaction", "x", "<a/>", true, int64(4))
	f.Add("GET", "/", "", "content-length", "7", "", false, int64(0))
	f.Add("PUT", "/\r\n", "\r\n", "Transfer-Encoding", "chunked", "<a/>", false, int64(-1))
	f.Add("DELETE", "//x", "?", "X\r\nY", "a\r\nb", strings.Repeat("x", 70000), false, int64(-1))
	n := listen(f)
	f.Fuzz(func(t *testing.T, method, path, query, name, value, text string, stream bool, length int64) {
		s := newServer(n)
		var got *http.Request
		var sent []byte
		s.scripts = [][]step{{head, func(p *peer) (err error) {
			got = p.req
			sent, err = io.ReadAll(p.req.Body)
			return err
		}, say(ok), func(p *peer) error {
			if p.br.Buffered() > 0 {
				got = nil // the server has received more than the request
			}
			return nil
		}, end}}
		transport := newTestTransport(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		r, _ := testRequest{method: "GET", body: text, stream: stream, length: length}.request(ctx)
		r.Method, r.URL.Path, r.URL.RawQuery = method, path, query
		r.Header[name] = []string{value}
		resp, err := transport.RoundTrip(r)
		if err != nil {
			if ctx.Err() != nil {
				t.Fatal("the request does not end")
			}
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		transport.CloseIdleConnections()
		s.over.Wait()
		checkArrived(t, r, got, text, string(sent), name, value)
	})
}

func checkArrived(t *testing.T, r, got *http.Request, text, sent, name, value string) {
	switch {
	case got == nil:
		t.Fatal("more than one request arrived")
	case got.Method != r.Method || got.RequestURI != r.URL.RequestURI() || got.Host != "example.com":
		t.Fatalf("%s %s for %s", got.Method, got.RequestURI, got.Host)
	case sent != text:
		t.Fatalf("the body %q, want %q", sent, text)
	}
	key := http.CanonicalHeaderKey(name)
	switch key {
	case "Host", "Content-Length", "Transfer-Encoding", "Trailer", "Connection", "User-Agent":
		return // net/http sets these headers, or the transport writes them from the request's fields
	}
	if v := got.Header[key]; len(v) != 1 || v[0] != strings.Trim(value, " \t\r\n") {
		t.Fatalf("%s: %q, want %q", key, v, value)
	}
	if len(got.Header) > 3 {
		t.Fatalf("unexpected headers: %v", got.Header)
	}
}
