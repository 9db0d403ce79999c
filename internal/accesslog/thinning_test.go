package accesslog

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/outcome"
	"hmaproxy/proxy"
)

func TestRefusedRequestsAreThinned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		l := New(slog.New(slog.NewTextHandler(&b, nil)))
		lines := func(n int, reason proxy.Reason) (written int, text string) {
			b.Reset()
			for range n {
				r := &proxy.Record{Reason: reason}
				l.Done(r, outcome.Of(r))
			}
			return strings.Count(b.String(), "msg=request "), b.String()
		}
		for _, reason := range proxy.Reasons() {
			first, interval, message := 1000, time.Duration(0), ""
			switch {
			case reason == proxy.ReasonCredentials:
				first, interval, message = 10, 10*time.Second, "requests without valid credentials were left out of this log"
			case reason.Class() == proxy.ClassRefused:
				first, interval, message = 100, time.Second, "refused requests were left out of this log"
			case reason.Class() == proxy.ClassFailed:
				continue // see TestRepetitionsAreMerged
			}
			if n, _ := lines(1000, reason); n != first {
				t.Errorf("%v: %d lines of the first 1000, want %d", reason, n, first)
			}
			if message == "" {
				continue
			}
			time.Sleep(interval)
			n, text := lines(1000, reason)
			if n != 1 || !strings.Contains(text, message) || !strings.Contains(text, fmt.Sprintf("count=%d", 1000-first)) {
				t.Errorf("%v: %d lines after a pause: %.300q", reason, n, text)
			}
			time.Sleep(time.Hour)
			if n, _ := lines(1000, reason); n != first {
				t.Errorf("%v: %d lines after an hour, want %d", reason, n, first)
			}
		}
	})
}

func TestMalformedRequestsAreThinned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		l := New(slog.New(slog.NewTextHandler(&b, nil)))
		lines := func() int {
			b.Reset()
			for range 1000 {
				l.Malformed("127.0.0.1:1", 400, "malformed request line")
			}
			return strings.Count(b.String(), `msg="malformed request refused"`)
		}
		if n := lines(); n != 10 {
			t.Errorf("%d lines of the first 1000, want 10", n)
		}
		time.Sleep(10 * time.Second)
		if n := lines(); n != 1 || !strings.Contains(b.String(), "omitted=990") {
			t.Errorf("%d lines after a pause: %s", n, b.String())
		}
	})
}
