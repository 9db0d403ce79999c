package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/ewstest"
)

// A served is a running demo.
type served struct {
	t         *testing.T
	ews, page string // URLs
}

func startServe(t *testing.T) *served {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, ended := new(output), make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-serve", "-listen", "127.0.0.1:0"}, out) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	page := out.await(t, regexp.MustCompile(`mail to deliver: (http://\S+)`))[1]
	return &served{t, regexp.MustCompile(`http://\S+asmx`).FindString(out.String()), page}
}

func (s *served) get(path string) string {
	s.t.Helper()
	resp, err := http.Get(s.page + strings.TrimPrefix(path, "/"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return string(text)
}

// await requests a path until the response contains a text, for up to 5
// seconds.
func (s *served) await(path, text string) (got string) {
	s.t.Helper()
	for range 200 {
		if got = s.get(path); strings.Contains(got, text) {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	return got
}

// press posts a form as a browser does on the page.
func (s *served) press(action string, form url.Values) int {
	s.t.Helper()
	resp, err := http.PostForm(s.page+"do/"+action, form)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func (s *served) send(operation string) string {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.ews, strings.NewReader(ewstest.Envelope("alice@contoso.com", operation)))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	req.SetBasicAuth("alice", "canary")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return string(text)
}

func TestDeveloperPage(t *testing.T) {
	s := startServe(t)
	if text := s.get("/"); !strings.Contains(text, "No request has arrived yet.") {
		t.Errorf("before any request: %s", text)
	}
	s.send(getFolder)
	const row = "<td>GetFolder</td><td>alice@contoso.com</td><td>200</td><td>NoError</td>"
	overview := s.await("/", row) // wait, because the call may be recorded after the client has its response
	link := regexp.MustCompile(`/calls/\d+`).FindString(overview)
	if link == "" || !strings.Contains(overview, row) {
		t.Fatalf("the request is not shown: %s", overview)
	}
	call := s.get(link)
	for _, part := range []string{"&lt;m:GetFolder&gt;", "GetFolderResponse", "curl -s &#39;" + s.ews, "Content-Type: text/xml", "Authorization: Basic …"} {
		if !strings.Contains(call, part) {
			t.Errorf("no %q in %s", part, call)
		}
	}
	if strings.Contains(call, "YWxpY2U6Y2FuYXJ5") {
		t.Error("the page shows the client's credentials")
	}

	if status := s.press("throttle", nil); status != http.StatusOK {
		t.Errorf("throttle: %d", status)
	}
	for i, want := range []string{"ErrorServerBusy", "ErrorServerBusy", "ErrorServerBusy", "NoError"} {
		if text := s.send(getFolder); !strings.Contains(text, want) {
			t.Errorf("request %d after throttle: %s", i+1, text)
		}
	}
	s.press("moved", nil)
	if text := s.send(getFolder); !strings.Contains(text, "ErrorMailboxMoveInProgress") {
		t.Errorf("after moved: %s", text)
	}
	s.press("revoke", nil)
	if text := s.send(getFolder); !strings.Contains(text, "NoError") {
		t.Errorf("after revoke: %s", text)
	}
	s.press("entra", nil)
	if text := s.get("/"); !strings.Contains(text, "Start Entra ID") {
		t.Error("Entra ID is not shown as stopped")
	}
	s.press("entra", nil)
	if status := s.press("deliver", url.Values{"mailbox": {"alice@contoso.com"}, "subject": {"From the page"}}); status != http.StatusOK {
		t.Errorf("deliver: %d", status)
	}
	if status := s.press("deliver", url.Values{"mailbox": {"nowhere@contoso.com"}, "subject": {"x"}}); status != http.StatusBadRequest {
		t.Errorf("deliver to an unknown mailbox: %d", status)
	}
	if status := s.press("nonsense", nil); status != http.StatusBadRequest {
		t.Errorf("an unknown action: %d", status)
	}
}

// TestDeveloperPageIsLocal checks that other web pages cannot use the page,
// neither by a form nor by a host name that resolves to 127.0.0.1.
func TestDeveloperPageIsLocal(t *testing.T) {
	s := startServe(t)
	for name, change := range map[string]func(*http.Request){
		"another Host":   func(r *http.Request) { r.Host = "demo.attacker.example:8082" },
		"another Origin": func(r *http.Request) { r.Header.Set("Origin", "https://attacker.example") },
		"cross-site":     func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
	} {
		req, err := http.NewRequest(http.MethodPost, s.page+"do/revoke", nil)
		if err != nil {
			t.Fatal(err)
		}
		change(req)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: status %d", name, resp.StatusCode)
		}
	}
}

// TestJournalWithAnEarlyResponse checks that a response that is sent before the
// end of the request neither blocks the connection nor loses the call.
func TestJournalWithAnEarlyResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(journal)
		client, server := net.Pipe()
		tapped, err := tapListener{oneConn{server}, j}.Accept()
		if err != nil {
			t.Fatal(err)
		}
		const begun = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc"
		go io.WriteString(client, begun)
		if _, err := io.ReadFull(tapped, make([]byte, len(begun))); err != nil {
			t.Fatal(err)
		}
		go io.Copy(io.Discard, client)
		io.WriteString(tapped, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
		synctest.Wait()
		all := j.all()
		if len(all) != 1 || all[0].Status != 413 || string(all[0].Response.Body) != "no" || string(all[0].Request.Body) != "abc" || all[0].Request.Complete {
			t.Errorf("calls %+v", all)
		}
		tapped.Close()
		client.Close()
	})
}

// A oneConn is a listener whose Accept always returns conn.
type oneConn struct{ conn net.Conn }

func (l oneConn) Accept() (net.Conn, error) { return l.conn, nil }
func (l oneConn) Close() error              { return nil }
func (l oneConn) Addr() net.Addr            { return l.conn.LocalAddr() }
