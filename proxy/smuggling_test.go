package proxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// exchangeRaw sends bytes over one connection and returns the status of every
// response. The parameter arrivals is the expected number of complete requests at
// Exchange. When they have arrived, exchangeRaw waits only for a short time, in
// which further requests would arrive.
func (r *testProxy) exchangeRaw(t *testing.T, raw string, arrivals int) (statuses []int) {
	t.Helper()
	c, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go io.WriteString(c, raw)
	in := bufio.NewReader(c)
	for {
		limit := 300 * time.Millisecond
		if whole(r.seen()) < arrivals {
			limit = 20 * time.Second
		}
		_ = c.SetReadDeadline(time.Now().Add(limit))
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return statuses
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return statuses
		}
		statuses = append(statuses, resp.StatusCode)
	}
}

// runTogether runs up to 32 subtests at the same time, more than -parallel permits, because
// they mostly wait.
func runTogether(t *testing.T, tests map[string]func(*testing.T)) {
	var all sync.WaitGroup
	places := make(chan struct{}, 32)
	for name, test := range tests {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			t.Run(name, test)
		})
	}
	all.Wait()
}

// checkOnlyPosts checks that only POST requests with the proxy's own
// credentials reached Exchange, and not more than the given number.
func (r *testProxy) checkOnlyPosts(t *testing.T, most int) {
	t.Helper()
	seen := r.seen()
	if len(seen) > most {
		t.Errorf("%d requests reached Exchange, at most %d may", len(seen), most)
	}
	for _, a := range seen {
		if a.method != http.MethodPost || a.uri != "/EWS/Exchange.asmx" || !strings.HasSuffix(r.URL, a.host) {
			t.Errorf("arrived: %s %s at %s", a.method, a.uri, a.host)
		}
		if got := a.header["Authorization"]; len(got) != 1 || got[0] != "Bearer "+goodToken {
			t.Errorf("arrived with Authorization %q", got)
		}
		if bytes.Contains(a.body, []byte("HTTP/1.1")) {
			t.Errorf("arrived with another request inside: %q", a.body)
		}
	}
}

func TestSmuggling(t *testing.T) {
	const line = "POST /EWS/Exchange.asmx HTTP/1.1\r\n"
	const head = line + "Host: localhost\r\nContent-Type: text/xml\r\n"
	soap := string(envelope("alice@contoso.com", getFolder))
	size := strconv.Itoa(len(soap))
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(soap), soap)
	good := head + "Content-Length: " + size + "\r\n\r\n" + soap
	const owa = "POST /owa/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: 0\r\n\r\n"
	longer := strconv.Itoa(len(chunked) + len(owa))
	cases := []struct {
		name, raw string
		arrivals  int // exact number of requests at Exchange; -1: at most two
	}{
		{"one request", good, 1},
		{"two requests, pipelined", good + good, 2},
		{"a chunked one, then another", head + "Transfer-Encoding: chunked\r\n\r\n" + chunked + good, 2},
		{"empty lines in between", "\r\n" + good + "\r\n" + good, -1},
		{"another path, pipelined", good + owa, 1},
		{"another path first", owa + good, 1}, // a refused POST does not close the connection
		{"another host, pipelined", good + strings.Replace(good, "localhost", "evil.example", 1), 1},
		{"absolute form, pipelined", good + strings.Replace(good, "/EWS", "http://evil.example/EWS", 1), 1},
		{"a browser's, pipelined", good + strings.Replace(good, "\r\n\r\n", "\r\nOrigin: null\r\n\r\n", 1), 1},
		{"HTTP/2's preface, pipelined", good + "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 1},
		{"CONNECT, pipelined", good + "CONNECT mail.contoso.com:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", 1},

		// Requests with two lengths. RFC 9112, section 6.3, says which length applies,
		// and permits a server to refuse the request.
		{"CL.TE", head + "Content-Length: " + longer + "\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked + owa, -1},
		{"CL.TE, the smuggled one aims well", head + "Content-Length: " + longer + "\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked + strings.Replace(good, "Host: localhost", "Host: evil", 1), -1},
		{"TE.CL", head + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + chunked, -1},
		{"TE.TE, the second obscure", head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\nContent-Length: " + size + "\r\n\r\n" + soap, 0},
		{"TE is a list", head + "Transfer-Encoding: identity, chunked\r\n\r\n" + chunked, 0},
		{"TE with a blank before the colon", head + "Transfer-Encoding : chunked\r\nContent-Length: " + size + "\r\n\r\n" + soap, 0},
		{"TE with a vertical tab", head + "Transfer-Encoding: \x0bchunked\r\n\r\n" + chunked, 0},
		{"TE folded onto the next line", head + "Transfer-Encoding:\r\n chunked\r\n\r\n" + chunked, -1},
		{"TE in HTTP/1.0", strings.Replace(head, "/1.1", "/1.0", 1) + "Transfer-Encoding: chunked\r\n\r\n" + chunked, -1},
		{"two different lengths", head + "Content-Length: " + size + "\r\nContent-Length: 5\r\n\r\n" + soap, 0},
		{"two lengths in one line", head + "Content-Length: " + size + ", 5\r\n\r\n" + soap, 0},
		{"a length with a plus", head + "Content-Length: +" + size + "\r\n\r\n" + soap, 0},
		{"a negative length", head + "Content-Length: -1\r\n\r\n" + soap, 0},
		{"a length in hexadecimal", head + "Content-Length: 0x10\r\n\r\n" + soap, 0},
		{"a length with an underscore", head + "Content-Length: 1_0\r\n\r\n" + soap, 0},
		{"a length beyond int64", head + "Content-Length: 18446744073709551626\r\n\r\n" + soap, 0},
		{"an empty length", head + "Content-Length: \r\n\r\n" + soap, 0},
		{"a length too short", head + "Content-Length: 5\r\n\r\n" + soap, 0},
		{"a length too long", head + "Content-Length: " + longer + "00\r\n\r\n" + soap, 0},
		{"no length at all", head + "\r\n" + soap, 0},

		// Valid and malformed chunks.
		{"a chunk extension", head + "Transfer-Encoding: chunked\r\n\r\n" + strings.Replace(chunked, "\r\n", ";a=b\r\n", 1), 1},
		{"a chunk extension with a bare LF", head + "Transfer-Encoding: chunked\r\n\r\n" + strings.Replace(chunked, "\r\n", ";a\nb\r\n", 1), 0},
		{"a chunk size in 0x form", head + "Transfer-Encoding: chunked\r\n\r\n0x" + chunked, 0},
		{"a chunk size with a sign", head + "Transfer-Encoding: chunked\r\n\r\n+" + chunked, 0},
		{"a chunk size that wraps round", head + "Transfer-Encoding: chunked\r\n\r\n1000000000000000" + chunked, 0},
		{"a chunk longer than its size", head + "Transfer-Encoding: chunked\r\n\r\n5\r\n" + soap + "\r\n0\r\n\r\n", 0},
		{"bare LFs round a chunk", head + "Transfer-Encoding: chunked\r\n\r\n" + strings.ReplaceAll(chunked, "\r\n", "\n"), 0},
		{"no last chunk", head + "Transfer-Encoding: chunked\r\n\r\n" + strings.TrimSuffix(chunked, "0\r\n\r\n"), 0},
		{"trailers", head + "Transfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n" + strings.TrimSuffix(chunked, "\r\n") + "Authorization: Bearer evil\r\nX-AnchorMailbox: ceo@contoso.com\r\n\r\n", 1},

		// Folded lines and malformed line ends.
		{"a header folded", head + "X-A: b\r\n c: d\r\nContent-Length: " + size + "\r\n\r\n" + soap, -1},
		{"Host folded", line + "Host:\r\n localhost\r\nContent-Type: text/xml\r\nContent-Length: " + size + "\r\n\r\n" + soap, -1},
		{"bare LFs in the head", strings.Replace(good, "\r\n", "\n", 5), -1},
		{"a bare CR in a value", head + "X-A: b\rHost: evil\r\nContent-Length: " + size + "\r\n\r\n" + soap, 0},
		{"a zero byte in a value", head + "X-A: b\x00\r\nContent-Length: " + size + "\r\n\r\n" + soap, 0},
		{"a zero byte in a name", head + "X\x00A: b\r\nContent-Length: " + size + "\r\n\r\n" + soap, 0},
		{"a blank first header line", line + " X: y\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: " + size + "\r\n\r\n" + soap, 0},
		{"two Hosts", strings.Replace(good, "Host:", "Host: evil\r\nHost:", 1), 0},
		{"no Host", strings.Replace(good, "Host: localhost\r\n", "", 1), 0},
		{"no Host in HTTP/1.0", strings.Replace(strings.Replace(good, "Host: localhost\r\n", "", 1), "/1.1", "/1.0", 1), 0},
		{"HTTP/1.0 with a Host", strings.Replace(good, "/1.1", "/1.0", 1), 1},
		{"HTTP/1.2", strings.Replace(good, "/1.1", "/1.2", 1), 0},
		{"HTTP/0.9", "POST /EWS/Exchange.asmx\r\n\r\n" + soap, 0},
		{"a method in lower case", strings.Replace(good, "POST", "post", 1), 0},
		{"two blanks in the request line", strings.Replace(good, " ", "  ", 1), 0},
		{"a tab in the request line", strings.Replace(good, " ", "\t", 1), 0},
		{"a line break in the target", strings.Replace(good, "asmx ", "asmx\nX: ", 1), 0},
		{"a fragment", strings.Replace(good, ".asmx", ".asmx#a", 1), 0},
	}
	tests := make(map[string]func(*testing.T))
	for _, tc := range cases {
		tests[tc.name] = func(t *testing.T) {
			r := newTestProxy(t, testConfig{policy: only(t, "alice@contoso.com")})
			statuses := r.exchangeRaw(t, tc.raw, max(0, tc.arrivals))
			if most := tc.arrivals; most < 0 {
				r.checkOnlyPosts(t, 2) // arrivals is -1: the proxy may refuse the request, or read it as RFC 9112 prescribes
			} else {
				r.checkOnlyPosts(t, most)
				if n := whole(r.seen()); n != most {
					t.Errorf("%d whole requests reached Exchange, want %d; response %v", n, most, statuses)
				}
			}
		}
	}
	runTogether(t, tests)
}

// whole returns the number of complete requests.
func whole(seen []arrival) (n int) {
	for _, a := range seen {
		if a.whole {
			n++
		}
	}
	return n
}

// goRoot returns the root folder of the Go installation.
var goRoot = sync.OnceValue(func() string {
	out, _ := exec.Command("go", "env", "GOROOT").Output()
	return strings.TrimSpace(string(out))
})

// goFile parses a file of Go's own net/http.
func goFile(t *testing.T, name string) *ast.File {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), filepath.Join(goRoot(), "src/net/http", name), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Skipf("NOT CHECKED: Go's own tests are not on this machine: %v", err)
	}
	return tree
}

// goTexts returns those string constants in one of net/http's test files for which
// keep returns true.
func goTexts(t *testing.T, file string, keep func(string) bool) (texts []string) {
	t.Helper()
	tree := goFile(t, file)
	ast.Inspect(tree, func(n ast.Node) bool {
		e, ok := n.(ast.Expr)
		if !ok {
			return true
		}
		s, ok := constantText(e)
		if ok && keep(s) {
			texts = append(texts, s)
		}
		return !ok
	})
	return texts
}

// constantText returns the value of a literal or of a sum of literals.
func constantText(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		a, ok := constantText(e.X)
		b, also := constantText(e.Y)
		return a + b, ok && also && e.Op == token.ADD
	}
	return "", false
}

// TestGosOwnRequests sends each request of net/http's tests twice: unchanged,
// and with the endpoint as its target. No unchanged request may reach Exchange.
// With the endpoint as target, only POST requests may.
func TestGosOwnRequests(t *testing.T) {
	isRequest := func(s string) bool {
		first, rest, ok := strings.Cut(s, "\n")
		return ok && rest != "" && strings.Contains(first, " HTTP/")
	}
	var requests []string
	for _, file := range []string{"readrequest_test.go", "request_test.go", "requestwrite_test.go", "serve_test.go"} {
		requests = append(requests, goTexts(t, file, isRequest)...)
	}
	if len(requests) < 60 {
		t.Fatalf("only %d requests found", len(requests))
	}
	tests := make(map[string]func(*testing.T))
	for i, request := range requests {
		tests[strconv.Itoa(i)] = func(t *testing.T) {
			r := newTestProxy(t, testConfig{})
			r.exchangeRaw(t, request, 0)
			r.checkOnlyPosts(t, 0)
			aimed := aim(request)
			r.exchangeRaw(t, aimed, 0)
			r.checkOnlyPosts(t, strings.Count(aimed, " HTTP/"))
		}
	}
	runTogether(t, tests)
}

// aim changes a request of net/http's tests to a valid request for the endpoint,
// except for the part that the test is about.
func aim(request string) string {
	line, rest, _ := strings.Cut(request, "\n")
	method, target, _ := strings.Cut(line, " ")
	_, version, _ := strings.Cut(target, " ")
	var head []string
	lines := strings.SplitAfter(rest, "\n")
	for i, l := range lines {
		if strings.Trim(l, "\r\n") == "" {
			rest = strings.Join(lines[i:], "")
			break
		}
		if !strings.HasPrefix(l, "Host:") && !strings.HasPrefix(l, "Content-Type:") {
			head = append(head, l)
		}
	}
	return method + " /EWS/Exchange.asmx " + version + "\nHost: localhost\r\nContent-Type: text/xml\r\n" + strings.Join(head, "") + rest
}

// TestGosOwnHeaders adds the header lines of Go's test tables to a valid request.
// Requests that Go refuses must not reach Exchange.
func TestGosOwnHeaders(t *testing.T) {
	soap := string(envelope("alice@contoso.com", getFolder))
	tests := make(map[string]func(*testing.T))
	for name, host := range map[string]bool{"TestServerValidatesHeaders": false, "TestServerValidatesHostHeader": true} {
		for _, row := range goTable(t, name) {
			tests[strconv.Quote(row.text)] = func(t *testing.T) {
				head := "Content-Type: text/xml\r\nConnection: close\r\n" + row.text
				if !host {
					head += "Host: localhost\r\n"
				}
				if !strings.Contains(row.text, "Content-Length") {
					head += "Content-Length: " + strconv.Itoa(len(soap)) + "\r\n"
				}
				r := newTestProxy(t, testConfig{})
				r.exchangeRaw(t, "POST /EWS/Exchange.asmx HTTP/1.1\r\n"+head+"\r\n"+soap, 0)
				most := 1
				if row.status >= 400 {
					most = 0
				}
				if strings.Contains(row.text, "foo.com") || strings.Contains(row.text, "1.2.3.4") {
					most = 0 // valid HTTP, but the proxy does not accept this name in Host
				}
				r.checkOnlyPosts(t, most)
			}
		}
	}
	if len(tests) < 20 {
		t.Errorf("only %d rows found", len(tests))
	}
	runTogether(t, tests)
}

// goRow is a row of a table in Go's tests: a header and the expected status.
type goRow struct {
	text   string
	status int
}

// goTable returns the rows of the table in a test function of net/http.
func goTable(t *testing.T, function string) (rows []goRow) {
	t.Helper()
	for _, d := range goFile(t, "serve_test.go").Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Name.Name != function {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			row, ok := n.(*ast.CompositeLit)
			if !ok || len(row.Elts) < 2 {
				return true
			}
			text, isText := constantText(row.Elts[len(row.Elts)-2])
			status, isLit := row.Elts[len(row.Elts)-1].(*ast.BasicLit)
			if isText && isLit && strings.HasSuffix(text, "\r\n") {
				code, _ := strconv.Atoi(status.Value)
				rows = append(rows, goRow{text, code})
			}
			return true
		})
	}
	return rows
}
