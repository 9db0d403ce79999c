package sidecar

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/proxy"
)

func TestStrangersDoNotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		log := slog.New(slog.NewTextHandler(&b, nil))
		var s strangers
		lines := func(n int) (written int) {
			for range n {
				if !s.omit(log, &proxy.Record{Reason: proxy.ReasonCredentials}) {
					written++
				}
			}
			return written
		}
		if n := lines(1000); n != strangerBurst {
			t.Errorf("%d lines of the first 1000", n)
		}
		if s.omit(log, &proxy.Record{Reason: proxy.ReasonHost}) || s.omit(log, &proxy.Record{}) {
			t.Error("other requests are left out of the log")
		}
		time.Sleep(strangerPause)
		if n := lines(1000); n != 1 || !strings.Contains(b.String(), "count=990") {
			t.Errorf("%d lines after a pause; the log says %q", n, b.String())
		}
		time.Sleep(time.Hour)
		if n := lines(1000); n != strangerBurst {
			t.Errorf("%d lines after an hour", n)
		}
	})
}
