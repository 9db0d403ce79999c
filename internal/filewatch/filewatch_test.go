package filewatch

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAlarmNeedsTwoFailedChecks(t *testing.T) {
	var b bytes.Buffer
	var changed bool
	var err error
	w := New(Config{
		Variable: "HMA_X_FILE", Log: slog.New(slog.NewTextHandler(&b, nil)),
		Load: func() (bool, error) { return changed, err },
	})
	// The function "logged" calls Reload and returns the log lines of this call.
	logged := func() string {
		w.Reload(t.Context())
		defer b.Reset()
		return b.String()
	}
	if s := logged(); s != "" {
		t.Errorf("unchanged file: log %q", s)
	}
	changed = true
	if s := logged(); !strings.Contains(s, "changed file reloaded") || !strings.Contains(s, "HMA_X_FILE") {
		t.Errorf("changed file: log %q", s)
	}
	changed, err = false, errors.New("line 3")
	if s := logged(); s != "" || w.Err() != nil {
		t.Errorf("first failure: log %q, alarm %v", s, w.Err())
	}
	if s := logged(); !strings.Contains(s, "level=ERROR") || !strings.Contains(s, "line 3") || w.Err() == nil {
		t.Errorf("second failure: log %q, alarm %v", s, w.Err())
	}
	if s := logged(); s != "" || w.Err() == nil {
		t.Errorf("third failure: log %q, alarm %v", s, w.Err())
	}
	err = errors.New("line 4")
	if s := logged() + logged() + logged(); strings.Count(s, "line 4") != 1 || w.Err().Error() != "line 4" {
		t.Errorf("another failure: log %q, alarm %v", s, w.Err())
	}
	err = nil
	if s := logged(); !strings.Contains(s, "file is readable again") || w.Err() != nil {
		t.Errorf("repaired: log %q, alarm %v", s, w.Err())
	}
	err = errors.New("line 5")
	if s := logged(); s != "" || w.Err() != nil {
		t.Errorf("first failure after the repair: log %q, alarm %v", s, w.Err())
	}
}

func TestRunChecksEveryInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loads atomic.Int64
		w := New(Config{Log: slog.New(slog.DiscardHandler), Load: func() (bool, error) { loads.Add(1); return false, nil }})
		ctx, cancel := context.WithCancel(t.Context())
		go w.Run(ctx)
		time.Sleep(10*Interval + time.Second)
		cancel()
		time.Sleep(time.Hour)
		if n := loads.Load(); n != 10 {
			t.Errorf("%d loads in the time of 10", n)
		}
	})
}

// TestBlockedReadRaisesAnAlarm uses a read that hangs, as on a network file
// system: the check ends, the alarm says why, and the next load that ends is
// used.
func TestBlockedReadRaisesAnAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blocked := make(chan struct{})
		var loads atomic.Int64
		w := New(Config{Variable: "HMA_X_FILE", Log: slog.New(slog.DiscardHandler), Load: func() (bool, error) {
			loads.Add(1)
			<-blocked
			return true, nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go w.Run(ctx)
		time.Sleep(time.Minute)
		if !errors.Is(w.Err(), errTimeout) || loads.Load() != 1 {
			t.Errorf("while the read blocks: alarm %v, %d loads", w.Err(), loads.Load())
		}
		close(blocked)
		time.Sleep(2 * loadTimeout)
		if w.Err() != nil || loads.Load() < 2 {
			t.Errorf("after the read has ended: alarm %v, %d loads", w.Err(), loads.Load())
		}
	})
}

func TestBlockedReadDoesNotKeepTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blocked := make(chan struct{})
		w := New(Config{Log: slog.New(slog.DiscardHandler), Load: func() (bool, error) { <-blocked; return false, nil }})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { w.Run(ctx); close(ended) }()
		time.Sleep(Interval + time.Second)
		cancel()
		synctest.Wait()
		select {
		case <-ended:
		default:
			t.Error("Run waits for a blocked read after the end of its context")
		}
		close(blocked)
	})
}

func TestUnchangedFileIsNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	write := func(content string, modified time.Time) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, modified, modified); err != nil {
			t.Fatal(err)
		}
	}
	loads := 0
	var failure error
	w := New(Config{Paths: []string{path}, Log: slog.New(slog.DiscardHandler), Load: func() (bool, error) { loads++; return false, failure }})
	check := func(name string, force bool, want int) {
		t.Helper()
		before := loads
		w.check(t.Context(), force)
		if loads-before != want {
			t.Errorf("%s: %d loads, want %d", name, loads-before, want)
		}
	}
	hour := time.Now().Add(-time.Hour)
	write("a", hour)
	check("first check", false, 1)
	check("unchanged", false, 0)
	check("unchanged, but a reload was asked for", true, 1)
	check("unchanged after the reload", false, 0)
	write("bc", hour)
	check("another size", false, 1)
	write("cd", hour.Add(time.Second))
	check("another time", false, 1)
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	check("removed", false, 1)
	write("cd", hour.Add(time.Second))
	check("another file with the same size and time", false, 1)
	write("de", time.Now())
	check("written a moment ago", false, 1)
	check("still too new to rely on its time", false, 1)
	failure = errors.New("faulty")
	write("ef", hour)
	check("faulty", false, 1)
	check("faulty and unchanged", false, 1)
}
