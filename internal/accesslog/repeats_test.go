package accesslog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/outcome"
	"hmaproxy/proxy"
)

// A lockedBuffer is a buffer for a log that timers also write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}

// TestRepetitionsAreMerged checks that the lines of a client that repeats a
// failing request without pause are merged, and that the log contains their
// number.
func TestRepetitionsAreMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		l := New(slog.New(slog.NewJSONHandler(&out, nil)))
		request := func(edit func(*proxy.Record)) {
			r := &proxy.Record{Method: "POST", Remote: "127.0.0.1:40000", Operation: "GetFolder", Mailbox: "alice@contoso.com",
				Status: 500, Reason: proxy.ReasonUpstreamUnreachable}
			if edit != nil {
				edit(r)
			}
			l.Done(r, outcome.Of(r))
		}
		lines := func() int { return strings.Count(out.take(), `"msg":"request"`) }
		for i := range 1249 {
			request(func(r *proxy.Record) { r.Remote = fmt.Sprint("127.0.0.1:", 40000+i) })
		}
		if n := lines(); n != 10 {
			t.Errorf("%d lines of 1249 repetitions, want 10", n)
		}

		for name, edit := range map[string]func(*proxy.Record){
			"another mailbox":   func(r *proxy.Record) { r.Mailbox = "bob@contoso.com" },
			"another operation": func(r *proxy.Record) { r.Operation = "FindItem" },
			"another reason":    func(r *proxy.Record) { r.Reason = proxy.ReasonUpstreamNotEWS },
			"another host":      func(r *proxy.Record) { r.Remote = "127.0.0.2:40000" },
			"another user":      func(r *proxy.Record) { r.Client = "archive" },
			"a success":         func(r *proxy.Record) { r.Reason, r.Status = proxy.ReasonNone, 200 },
			"Exchange's fault":  func(r *proxy.Record) { r.Reason, r.Fault = proxy.ReasonNone, "ErrorItemNotFound" },
		} {
			request(edit)
			if n := lines(); n != 1 {
				t.Errorf("%s: %d lines, want 1", name, n)
			}
		}

		time.Sleep(10 * time.Second)
		synctest.Wait()
		var line struct {
			Level, Msg, Remote, Operation, Mailbox, Reason string
			Count                                          int
		}
		if err := json.Unmarshal([]byte(out.take()), &line); err != nil {
			t.Fatal(err)
		}
		if line.Level != "WARN" || line.Msg != "repetitions of a failed request were left out of this log" || line.Count != 1239 ||
			line.Remote != "127.0.0.1" || line.Operation != "GetFolder" || line.Mailbox != "alice@contoso.com" || line.Reason != "upstream-unreachable" {
			t.Errorf("%+v", line)
		}

		for range 100 {
			request(nil)
		}
		if n := lines(); n != 1 {
			t.Errorf("%d lines of 100 in the next interval, want 1", n)
		}
		l.Close()
		if text := out.take(); !strings.Contains(text, `"count":99`) {
			t.Errorf("at the end: %q", text)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if text := out.take(); text != "" {
			t.Errorf("after the end: %q", text)
		}
	})
}

// TestRepetitionsOfExchangesThrottling checks that the lines of a client that
// repeats a throttled request without pause are merged.
func TestRepetitionsOfExchangesThrottling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		l := New(slog.New(slog.NewJSONHandler(&out, nil)))
		for range 100 {
			r := &proxy.Record{Method: "POST", Remote: "@uid=1000", Status: 500, Upstream: 500, Fault: "ErrorServerBusy"}
			l.Done(r, outcome.Of(r))
		}
		if n := strings.Count(out.take(), `"msg":"request"`); n != 10 {
			t.Errorf("%d lines of 100, want 10", n)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if text := out.take(); !strings.Contains(text, `"reason":"ErrorServerBusy","count":90,"remote":"@uid=1000"`) {
			t.Errorf("%q", text)
		}
	})
}

// TestRepetitionsAreBounded checks that only a limited number of different
// requests have their own counter, and that all further requests with the
// same reason share one counter.
func TestRepetitionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		l := New(slog.New(slog.NewTextHandler(&out, nil)))
		fail := func(mailbox int) {
			r := &proxy.Record{Method: "POST", Status: 500, Mailbox: fmt.Sprint(mailbox), Reason: proxy.ReasonNoToken}
			l.Done(r, outcome.Of(r))
		}
		for i := range 10_000 {
			fail(i)
		}
		if n := strings.Count(out.take(), "msg=request "); n != 1024+10 {
			t.Errorf("%d lines, want one for each of 1024 mailboxes and 10 for the others", n)
		}
		time.Sleep(10 * time.Minute)
		out.take()
		for i := range 1000 {
			fail(20_000 + i)
		}
		if n := strings.Count(out.take(), "msg=request "); n != 1000 {
			t.Errorf("%d lines after ten minutes, want 1000", n)
		}
	})
}
