//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"hmaproxy/internal/corpus"
)

// newRoot returns a folder with a document of the scanner's tests and, if index is
// not "", with a corpus of this index. Each row's file contains the file's name.
func newRoot(t *testing.T, source, index string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "project")
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("proxy/internal/soap/testdata/bad/doctype.xml", "<!DOCTYPE a><a/>")
	if index == "" {
		return root
	}
	write(filepath.Join(corpus.Folder, source, "index.tsv"), index)
	for line := range strings.Lines(index) {
		name, _, _ := strings.Cut(line, "\t")
		if name != "file" {
			write(filepath.Join(corpus.Folder, source, name), name)
		}
	}
	return root
}

func TestFamilyOfSOAPCorpus(t *testing.T) {
	root := newRoot(t, corpus.SOAP, "file\texpected\tstrength\tcontent_type\tcontent_encoding\n"+
		"forward.xml\tforward\tmust\ttext/xml\t\n"+
		"must.xml\tdeny\tmust\ttext/xml; charset=utf-16\tgzip\n"+
		"policy.xml\tdeny\tpolicy\t\t\n"+
		"op-policy.xml\tdeny\top-policy\ttext/xml\t\n"+
		"body-1.xml\tdeny\tbody-check\ttext/xml\t\n"+
		"body-2.xml\tdeny\tbody-check\ttext/xml\t\n"+
		"body-3.xml\tforward\tbody-check\ttext/xml\t\n"+
		"limit.xml\tdeny\tlimit\ttext/xml\t\n")
	all, err := families(root)
	if err != nil {
		t.Fatal(err)
	}
	f := all[2]
	var names []string
	for _, h := range f.requests {
		names = append(names, h.name)
		if h.body != h.name {
			t.Errorf("%s has the body %q", h.name, h.body)
		}
	}
	if want := []string{"must.xml", "policy.xml", "op-policy.xml"}; !slices.Equal(names, want) {
		t.Errorf("requests %q, want %q", names, want)
	}
	if got, want := f.size(), "3, without 2 of strength body-check, without 1 of strength limit"; got != want {
		t.Errorf("size %q, want %q", got, want)
	}
	r, err := f.requests[0].request(t.Context(), "http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Header.Get("Content-Type") + " " + r.Header.Get("Content-Encoding"); got != "text/xml; charset=utf-16 gzip" {
		t.Errorf("must.xml is sent as %q", got)
	}
	r, err = f.requests[1].request(t.Context(), "http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	if r.Header.Get("Content-Type") != "" || r.Header.Get("Content-Encoding") != "" {
		t.Errorf("policy.xml, which has no Content-Type, is sent with %v", r.Header)
	}
}

func TestFamilyOfHTTPCorpus(t *testing.T) {
	all, err := families(newRoot(t, corpus.HTTP, "file\texpected\nok.http\tforward\nstrip.http\tstrip\ndeny.http\tdeny\n"))
	if err != nil {
		t.Fatal(err)
	}
	f := all[3]
	if len(f.requests) != 1 || f.requests[0].name != "deny.http" || string(f.requests[0].raw) != "deny.http" {
		t.Errorf("requests %+v", f.requests)
	}
	if f.size() != "1" {
		t.Errorf("size %q", f.size())
	}
}

func TestMissingCorpusIsReported(t *testing.T) {
	all, err := families(newRoot(t, "", ""))
	if err != nil {
		t.Fatal(err)
	}
	var sizes []string
	for _, f := range all {
		sizes = append(sizes, f.size())
	}
	want := []string{"62", "1", "NOT SENT: ../shared/corpus/soap is not there", "NOT SENT: ../shared/corpus/http is not there"}
	if !slices.Equal(sizes, want) {
		t.Errorf("sizes %q, want %q", sizes, want)
	}
}

func TestMalformedSourcesAreErrors(t *testing.T) {
	incomplete := newRoot(t, corpus.HTTP, "file\texpected\na.http\tdeny\n")
	if err := os.Remove(filepath.Join(incomplete, corpus.Folder, corpus.HTTP, "a.http")); err != nil {
		t.Fatal(err)
	}
	for name, root := range map[string]string{
		"no documents":      t.TempDir(),
		"a malformed index": newRoot(t, corpus.SOAP, "file\texpected\na.xml\tdenied\n"),
		"a missing file":    incomplete,
	} {
		t.Run(name, func(t *testing.T) {
			if all, err := families(root); err == nil {
				t.Errorf("got %d families", len(all))
			}
		})
	}
}

// exchange is an emulated Exchange that only counts, and a bench that asks it.
type exchange struct {
	bench
	count atomic.Int64
}

func newExchange(t *testing.T, families ...family) *exchange {
	t.Helper()
	x := &exchange{bench: bench{token: "0123456789", stderr: io.Discard, families: families}}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%d Bearer %s", x.count.Load(), x.token)
	}))
	t.Cleanup(server.Close)
	x.direct = server.Listener.Addr().String()
	return x
}

// forward counts a request and sends the response to the good one.
func (x *exchange) forward(w http.ResponseWriter) {
	x.count.Add(1)
	_, _ = w.Write(file("response.xml"))
}

// letsThrough sends all families to a peer with this handler.
func (x *exchange) letsThrough(t *testing.T, peer *httptest.Server) ([][]string, error) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return x.bench.letsThrough(context.Background(), client, &instance{address: peer.Listener.Addr().String()})
}

func TestLetsThroughNamesRequestsAtExchange(t *testing.T) {
	raw := func(name string) hostileRequest {
		text := "POST /" + name + " HTTP/1.1\r\nHost: {HP}\r\nContent-Length: 0\r\n\r\n"
		return hostileRequest{name: name, raw: []byte(text)}
	}
	x := newExchange(t,
		family{name: "bodies", requests: []hostileRequest{{name: "a", body: "refuse"}, {name: "b", body: "take"}, {name: "c", body: "abort"}, {name: "d", body: "take"}}},
		family{name: "missing", missing: "folder"},
		family{name: "raw", requests: []hostileRequest{raw("refuse"), raw("take"), raw("abort"), {name: "malformed", raw: []byte("\x16\x03\x01\r\n\r\n")}}},
	)
	var peer *httptest.Server
	peer = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case r.Host != "localhost" && r.Host != peer.Listener.Addr().String():
			t.Errorf("Host %q", r.Host)
		case r.URL.Path == "/abort" || string(body) == "abort":
			panic(http.ErrAbortHandler)
		case r.URL.Path == "/refuse" || string(body) == "refuse":
			w.WriteHeader(http.StatusForbidden)
		default:
			x.forward(w)
		}
	}))
	defer peer.Close()
	names, err := x.letsThrough(t, peer)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := describe(x.families, names), "bodies: b, d; raw: take"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(names) != 3 {
		t.Errorf("names of %d families", len(names))
	}
	x.findings = []finding{{peer: "p", inspects: true, letThrough: names}, {peer: "plain"}}
	var out strings.Builder
	x.printLetThrough(&out)
	for _, want := range []string{"  bodies   2  4\n", "  missing  –  NOT SENT: folder is not there\n", "  raw      1  4\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// A peer that ends, or no longer serves requests, lets nothing through. It is not
// a peer that refuses.
func TestPeerThatEndsIsAnError(t *testing.T) {
	one := family{name: "one", requests: []hostileRequest{{name: "a", body: "x"}}}
	two := family{name: "two", requests: []hostileRequest{{name: "a", body: "x"}, {name: "b", body: "x"}}}
	raw := family{name: "raw", requests: []hostileRequest{{name: "a", body: "x"}, {name: "b", raw: []byte("GET / HTTP/1.0\r\n\r\n")}}}
	for name, test := range map[string]struct {
		family family
		want   string
	}{
		"after the last request":  {one, "after the hostile requests one"},
		"before the last request": {two, "hostile requests two: b"},
		"before a raw request":    {raw, "hostile requests raw: b"},
	} {
		t.Run(name, func(t *testing.T) {
			x := newExchange(t, test.family)
			var peer *httptest.Server
			peer = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				peer.Listener.Close()
				panic(http.ErrAbortHandler)
			}))
			defer peer.Close()
			names, err := x.letsThrough(t, peer)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got %q, %v; want an error that begins with %q", names, err, test.want)
			}
		})
	}
}

func TestPeerThatRefusesAllIsAnError(t *testing.T) {
	x := newExchange(t, family{name: "one", requests: []hostileRequest{{name: "a", body: "x"}}})
	peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer peer.Close()
	if names, err := x.letsThrough(t, peer); err == nil {
		t.Errorf("got %q and no error", names)
	}
}

func TestFindingsThatEndTheBenchmark(t *testing.T) {
	b := &bench{families: []family{{name: "one"}, {name: "two"}}}
	none := [][]string{nil, nil}
	for name, test := range map[string]struct {
		found finding
		want  string
	}{
		"good":              {finding{authority: true, hostname: true, letThrough: none}, ""},
		"unknown authority": {finding{hostname: true, letThrough: none}, "it accepts an Exchange that it must not trust"},
		"other host":        {finding{authority: true, letThrough: none}, "it accepts an Exchange that it must not trust"},
		"one request":       {finding{authority: true, hostname: true, letThrough: [][]string{nil, {"a"}}}, "it lets hostile requests through: two: a"},
		"three requests":    {finding{authority: true, hostname: true, letThrough: [][]string{{"a", "b"}, {"c"}}}, "it lets hostile requests through: one: a, b; two: c"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := b.acceptable(test.found); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
