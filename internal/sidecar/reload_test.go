package sidecar

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestReloader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		var changed bool
		var err error
		r := &reloader{
			variable: "HMA_X_FILE", log: slog.New(slog.NewTextHandler(&b, nil)),
			take: func() (bool, error) { return changed, err },
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go r.watch(ctx)
		// after waits until the files were looked at once more and returns what
		// the log says since the last time.
		after := func() string {
			time.Sleep(listPoll)
			synctest.Wait()
			defer b.Reset()
			return b.String()
		}
		if s := after(); s != "" {
			t.Errorf("nothing happened, and the log says %q", s)
		}
		changed = true
		if s := after(); !strings.Contains(s, "taken up") || !strings.Contains(s, "HMA_X_FILE") {
			t.Errorf("a change: %q", s)
		}
		changed, err = false, errors.New("line 3")
		if s := after(); s != "" || r.alarm.Load() != nil {
			t.Errorf("a first fault: %q", s)
		}
		if s := after(); !strings.Contains(s, "level=ERROR") || !strings.Contains(s, "line 3") || r.alarm.Load() == nil {
			t.Errorf("a lasting fault: %q", s)
		}
		if s := after(); s != "" || r.alarm.Load() == nil {
			t.Errorf("the same fault: %q", s)
		}
		err = errors.New("line 4")
		if s := after() + after() + after(); strings.Count(s, "line 4") != 1 {
			t.Errorf("another fault: %q", s)
		}
		err = nil
		if s := after(); !strings.Contains(s, "readable again") || r.alarm.Load() != nil {
			t.Errorf("repaired: %q", s)
		}
	})
}
