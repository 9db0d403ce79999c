package proxy_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"hmaproxy/internal/corpus"
)

// rows returns the rows of a shared corpus. Without the corpus, rows skips the
// test.
func rows(t *testing.T, name string) []corpus.Row {
	t.Helper()
	all, err := corpus.Read("..", name)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("only the cases that the project carries are tested: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// content returns the content of a row's file.
func content(t *testing.T, row corpus.Row) []byte {
	t.Helper()
	raw, err := row.Content()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// mayArrive are the header names that can reach Exchange from a client that
// sends only the headers of the corpus.
var mayArrive = map[string]bool{
	"Authorization": true, "Content-Type": true, "Content-Length": true, "User-Agent": true,
	"Soapaction": true, "Accept": true, "Accept-Encoding": true, "Accept-Language": true,
	"Client-Request-Id": true, "Return-Client-Request-Id": true, "X-Anchormailbox": true,
}

func TestHTTPCorpus(t *testing.T) {
	for _, row := range rows(t, corpus.HTTP) {
		t.Run(row.File, func(t *testing.T) {
			t.Parallel()
			raw := content(t, row)
			r := newTestProxy(t, testConfig{policy: only(t, "alice@contoso.com")})
			status := r.raw(t, raw)
			checkArrivals(t, r, row.Expected, status)

			r = newTestProxy(t, testConfig{policy: only(t, "alice@contoso.com"), adjust: discovering})
			if again := r.raw(t, raw); again != status {
				t.Errorf("with Autodiscover: status %d, without: %d", again, status)
			}
			checkArrivals(t, r, row.Expected, status)
		})
	}
}

// TestCorporaAtAutodiscover sends the requests of both corpora to the paths of
// Autodiscover. None of these requests names a mailbox for Autodiscover, so no
// response may contain the URL.
func TestCorporaAtAutodiscover(t *testing.T) {
	for _, row := range rows(t, corpus.SOAP) {
		raw := content(t, row)
		for _, path := range []string{svcPath, poxPath} {
			r := newTestProxy(t, testConfig{adjust: discovering})
			req, _ := http.NewRequest(http.MethodPost, "http://"+r.address+path, bytes.NewReader(raw))
			req.Header.Set("Content-Type", row.ContentType)
			if row.ContentEncoding != "" {
				req.Header.Set("Content-Encoding", row.ContentEncoding)
			}
			resp, text := r.do(t, req)
			if len(r.seen()) != 0 || resp.Header.Get("X-Hmaproxy-Error") == "" || strings.Contains(text, handedOut) {
				t.Errorf("%s at %s: %d requests at Exchange; response %d %.300s", row.File, path, len(r.seen()), resp.StatusCode, text)
			}
		}
	}
	for _, row := range rows(t, corpus.HTTP) {
		if row.Expected != corpus.Deny {
			continue
		}
		t.Run(row.File, func(t *testing.T) {
			t.Parallel()
			raw := content(t, row)
			line, rest, _ := bytes.Cut(raw, []byte("\n"))
			line = bytes.ReplaceAll(line, []byte("/EWS/Exchange.asmx"), []byte(svcPath))
			r := newTestProxy(t, testConfig{policy: only(t, "alice@contoso.com"), adjust: discovering})
			_ = r.raw(t, append(append(line, '\n'), rest...))
			if seen := r.seen(); len(seen) != 0 {
				t.Errorf("reached Exchange: %s %s", seen[0].method, seen[0].uri)
			}
		})
	}
}

// raw sends a request of the corpus HTTP and returns the status of the first
// response, 0 if there is none within two seconds.
func (r *testProxy) raw(t *testing.T, raw []byte) int {
	t.Helper()
	raw = corpus.Address(raw, r.address)
	c, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go c.Write(raw)
	_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func checkArrivals(t *testing.T, r *testProxy, expected string, status int) {
	t.Helper()
	seen := r.seen()
	if expected == corpus.Deny {
		if len(seen) != 0 {
			t.Fatalf("reached Exchange: %s %s", seen[0].method, seen[0].uri)
		}
		if status >= 200 && status < 300 {
			t.Errorf("response %d", status)
		}
		return
	}
	if len(seen) != 1 || status != http.StatusOK {
		t.Fatalf("reached Exchange %d times, response %d", len(seen), status)
	}
	a := seen[0]
	if a.method != http.MethodPost || a.uri != "/EWS/Exchange.asmx" || !a.whole {
		t.Errorf("arrived as %s %s, whole %v", a.method, a.uri, a.whole)
	}
	if got := a.header["Authorization"]; len(got) != 1 || got[0] != "Bearer "+goodToken {
		t.Errorf("Authorization = %q", got)
	}
	if got := a.header["X-Anchormailbox"]; len(got) != 1 || got[0] != "alice@contoso.com" {
		t.Errorf("X-AnchorMailbox = %q", got)
	}
	for name := range a.header {
		if !mayArrive[name] {
			t.Errorf("the header %s arrived: %q", name, a.header[name])
		}
	}
	if strings.HasSuffix(r.URL, a.host) == false {
		t.Errorf("Host = %q", a.host)
	}
}

// excused maps the names of files in the corpus to the reason why hmaproxy
// responds in another way than the row for the file expects. It has no effect
// on a row whose strength is "must".
var excused = map[string]string{}

func TestSOAPCorpus(t *testing.T) {
	forwarded := make(map[string][]byte)
	for _, row := range rows(t, corpus.SOAP) {
		if row.Strength == corpus.Limit {
			continue
		}
		t.Run(row.File, func(t *testing.T) {
			raw := content(t, row)
			p := only(t, "alice@contoso.com")
			if row.Strength == corpus.BodyCheck {
				p = mustPolicy(t, targetsConfig(t))
			}
			r := newTestProxy(t, testConfig{policy: p})
			resp, text := r.post(t, raw, "Content-Type", row.ContentType, "Content-Encoding", row.ContentEncoding)
			if why := excused[row.File]; why != "" && row.Strength != "must" {
				t.Logf("another response on purpose: %s", why)
				return
			}
			if row.Expected == corpus.Deny {
				checkDenied(t, r, resp, text)
				return
			}
			checkForwarded(t, r, resp, raw)
			forwarded[row.File] = r.seen()[0].body
		})
	}
	if len(forwarded) < 10 {
		t.Errorf("only %d rows were forwarded", len(forwarded))
	}
	secondOpinion(t, forwarded)
}

func checkDenied(t *testing.T, r *testProxy, resp *http.Response, text string) {
	t.Helper()
	for _, a := range r.seen() {
		if a.whole {
			t.Errorf("reached Exchange whole: %.300s", a.body)
		}
	}
	if resp.StatusCode != http.StatusInternalServerError || resp.Header.Get("Content-Type") != "text/xml; charset=utf-8" {
		t.Errorf("response %d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	if resp.Header.Get("X-Hmaproxy-Error") == "" || resp.Header.Get("Request-Id") == "" {
		t.Errorf("header %v", resp.Header)
	}
	var fault struct {
		Code string `xml:"Body>Fault>detail>ResponseCode"`
	}
	if err := xml.Unmarshal([]byte(text), &fault); err != nil || !strings.HasPrefix(fault.Code, "Error") {
		t.Errorf("fault %q: %v in %s", fault.Code, err, text)
	}
	if strings.Contains(text, "alice") || strings.Contains(text, "bob") {
		t.Errorf("the fault names a mailbox: %s", text)
	}
}

func checkForwarded(t *testing.T, r *testProxy, resp *http.Response, sent []byte) {
	t.Helper()
	seen := r.seen()
	if len(seen) != 1 || resp.StatusCode != http.StatusOK || !seen[0].whole {
		t.Fatalf("reached Exchange %d times, response %d %s", len(seen), resp.StatusCode, resp.Header.Get("X-Hmaproxy-Error"))
	}
	got := seen[0].body
	if who := identities(t, got); len(who) != 1 || who[0] != "alice@contoso.com" {
		t.Errorf("Exchange would act for %q in %.600s", who, got)
	}
	if before, after := sent[bodyOffset(t, sent):], got[bodyOffset(t, got):]; !bytes.Equal(before, after) {
		t.Errorf("the Body changed\nfrom %.300s\nto   %.300s", before, after)
	}
}

// identities returns the text of every child of a ConnectingSID in the
// document, as encoding/xml reads it. Text below a child's own children is not
// included.
func identities(t *testing.T, doc []byte) (who []string) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(doc, []byte("\xef\xbb\xbf"))))
	var path []string
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return who
		}
		if err != nil {
			t.Fatalf("encoding/xml: %v in %.600s", err, doc)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			path = append(path, tok.Name.Local)
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			if n := len(path); n > 1 && path[n-2] == "ConnectingSID" {
				who = append(who, string(tok))
			}
		}
	}
}

// bodyOffset returns the offset of the Body's start tag, as encoding/xml reads
// it.
func bodyOffset(t *testing.T, doc []byte) int64 {
	t.Helper()
	bom := int64(len(doc) - len(bytes.TrimPrefix(doc, []byte("\xef\xbb\xbf"))))
	d := xml.NewDecoder(bytes.NewReader(doc[bom:]))
	for depth := 0; ; {
		at := d.InputOffset()
		tok, err := d.Token()
		if err != nil {
			t.Fatalf("encoding/xml: no Body: %v", err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if depth == 1 && tok.Name.Local == "Body" {
				return bom + at
			}
			depth++
		case xml.EndElement:
			depth--
		}
	}
}

// expat is a Python program that reads documents with expat and prints the
// identities that each document impersonates.
const expat = `
import json, sys
import xml.etree.ElementTree as E
T = '{http://schemas.microsoft.com/exchange/services/2006/types}'
docs = json.load(sys.stdin)
out = {}
for name, text in docs.items():
    root = E.fromstring(text.encode('utf-8'))
    out[name] = [''.join(c.itertext()) for sid in root.iter(T + 'ConnectingSID') for c in sid]
json.dump(out, sys.stdout)
`

// secondOpinion checks with a second XML parser, expat, which identities the forwarded
// envelopes impersonate.
func secondOpinion(t *testing.T, forwarded map[string][]byte) {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Log("NOT CHECKED: python3 is not on this machine, so expat was not asked for its opinion")
		return
	}
	docs := make(map[string]string)
	for name, doc := range forwarded {
		docs[name] = string(doc)
	}
	in, err := json.Marshal(docs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", expat)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python3: %v: %s", err, err.(*exec.ExitError).Stderr)
	}
	var who map[string][]string
	if err := json.Unmarshal(out, &who); err != nil {
		t.Fatal(err)
	}
	for name := range forwarded {
		if len(who[name]) != 1 || who[name][0] != "alice@contoso.com" {
			t.Errorf("%s: expat finds %q", name, who[name])
		}
	}
}
