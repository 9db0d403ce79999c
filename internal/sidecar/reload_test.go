package sidecar

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestReloader(t *testing.T) {
	var b bytes.Buffer
	var changed bool
	var err error
	r := &reloader{
		variable: "HMA_X_FILE", log: slog.New(slog.NewTextHandler(&b, nil)),
		take: func() (bool, error) { return changed, err },
	}
	// after looks at the files and returns what the log says to it.
	after := func() string {
		r.look()
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
}

func TestFilesAreLookedAtAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		r := &reloader{log: slog.New(slog.DiscardHandler), take: func() (bool, error) { looks.Add(1); return false, nil }}
		ctx, cancel := context.WithCancel(t.Context())
		go r.watch(ctx)
		time.Sleep(10*listPoll + time.Second)
		cancel()
		time.Sleep(time.Hour)
		if n := looks.Load(); n != 10 {
			t.Errorf("%d looks in the time of 10", n)
		}
	})
}
