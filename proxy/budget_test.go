package proxy_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"hmaproxy/proxy"
)

// TestBudgetCountsEverythingThatIsBuffered checks that all buffered parts of
// requests count against the budget. A request that exceeds the budget gets
// ErrorServerBusy. A long body is streamed instead of buffered.
func TestBudgetCountsEverythingThatIsBuffered(t *testing.T) {
	longHead := strings.Replace(string(envelope("alice@contoso.com", getFolder)), "<soap:Header>",
		"<soap:Header><x:y xmlns:x=\"urn:x\">"+strings.Repeat("z", 100<<10)+"</x:y>", 1)
	longTag := string(envelope("alice@contoso.com", strings.Replace(createItem(100<<10), "<t:Message>", `<t:Message a="`+strings.Repeat("z", 20<<10)+`">`, 1)))
	for _, c := range []struct {
		name   string
		budget int64
		body   string
		busy   bool
	}{
		{"a short body", 8 << 10, string(envelope("alice@contoso.com", getFolder)), false},
		{"a short body without any memory", 1 << 10, string(envelope("alice@contoso.com", getFolder)), true},
		{"a long head", 1 << 20, longHead, false},
		{"a long head beyond the budget", 32 << 10, longHead, true},
		{"a long body", 330 << 10, string(envelope("alice@contoso.com", createItem(1<<20))), false},
		{"a long body without memory for sending it", 320 << 10, string(envelope("alice@contoso.com", createItem(1<<20))), true},
		{"a long tag", 1 << 20, longTag, false},
		{"a long tag beyond the budget", 8 << 10, longTag, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newTestProxy(t, testConfig{policy: only(t, "alice@contoso.com"), adjust: func(p *proxy.Config) { p.BufferBudget = c.budget }})
			resp, text := r.post(t, []byte(c.body))
			rec := r.last(t)
			switch {
			case !c.busy && resp.StatusCode != 200:
				t.Errorf("status %d %s", resp.StatusCode, text)
			case c.busy && (readFault(t, text).Detail != "ErrorServerBusy" || rec.Reason.String() != "proxy-busy" || rec.Reason.Class() != proxy.ClassFailed):
				t.Errorf("reason %q, %s", rec.Reason, text)
			case c.busy && whole(r.seen()) != 0:
				t.Error("a complete request has reached Exchange")
			}
			if n := r.handler.Buffered(); n != 0 {
				t.Errorf("%d bytes of the budget are still in use", n)
			}
		})
	}
}

// TestManyUploadsStayWithinTheBudget checks that concurrent uploads stay within the
// budget. Each upload succeeds or gets a fault that says that the proxy is busy.
func TestManyUploadsStayWithinTheBudget(t *testing.T) {
	const budget, uploads = 1 << 20, 40
	withScriptAnd(t, func(c *proxy.Config) { c.BufferBudget = budget }, only(t, "alice@contoso.com"), func(_ int, conn net.Conn, r *bufio.Reader) {
		for {
			h := readHead(r)
			if h == "" {
				return
			}
			if strings.Contains(h, "Expect") {
				_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
			}
			readBodyOf(r, contentLength(h))
			_, _ = io.WriteString(conn, shortOK)
		}
	}, func(l *scripted) {
		body := long()
		results := make(chan int, uploads)
		for range uploads {
			conn, r := l.dial()
			go func() {
				_, _ = conn.Write(append([]byte(head(len(body))), body[:300<<10]...))
				time.Sleep(5 * time.Second)
				_, _ = conn.Write(body[300<<10:])
			}()
			go func() {
				within(conn, 2*time.Minute)
				status, _ := readReply(r)
				results <- status
			}()
		}
		for range 20 {
			if n := l.handler.Buffered(); n > budget {
				t.Fatalf("%d bytes are buffered, the budget is %d", n, budget)
			}
			time.Sleep(500 * time.Millisecond)
		}
		for range uploads {
			if status := <-results; status != 200 && status != 500 {
				t.Errorf("status %d", status)
			}
		}
		for _, rec := range l.over(uploads, time.Minute) {
			if rec.Status == 500 && rec.Reason.String() != "proxy-busy" {
				t.Errorf("reason %q: %s", rec.Reason, rec.Detail)
			}
		}
		if n := l.handler.Buffered(); n != 0 {
			t.Errorf("%d bytes of the budget are still in use", n)
		}
	})
}
