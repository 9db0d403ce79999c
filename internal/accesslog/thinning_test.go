package accesslog

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/logging"
	"hmaproxy/internal/outcome"
	"hmaproxy/proxy"
)

func TestUnauthorisedRequestsAreThinned(t *testing.T) {
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
		if n, _ := lines(1000, proxy.ReasonCredentials); n != logging.LineBurst {
			t.Errorf("%d lines of the first 1000", n)
		}
		if n, _ := lines(1000, proxy.ReasonNone); n != 1000 {
			t.Errorf("%d lines of 1000 served requests", n)
		}
		time.Sleep(logging.LineInterval)
		if n, text := lines(1000, proxy.ReasonCredentials); n != 1 || !strings.Contains(text, "count=990") {
			t.Errorf("%d lines after a pause: %q", n, text)
		}
		time.Sleep(time.Hour)
		if n, _ := lines(1000, proxy.ReasonCredentials); n != logging.LineBurst {
			t.Errorf("%d lines after an hour", n)
		}
	})
}
