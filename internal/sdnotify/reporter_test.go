//go:build unix

package sdnotify

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/health"
)

func newTestReporter(state *health.State) *Reporter {
	return NewReporter(nil, func() health.State { return *state }, slog.New(slog.DiscardHandler))
}

func TestReporterReportsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := health.State{NotReady: &health.NotReady{Cause: health.NoTokenYet}}
		r := newTestReporter(&state)
		expect := func(when string, want ...string) {
			t.Helper()
			if got := r.changes(); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", when, got, want)
			}
		}
		expect("at the start", "STATUS=not ready: no access token yet")
		expect("unchanged")
		time.Sleep(readyTimeout - time.Nanosecond)
		expect("before the timeout")
		time.Sleep(time.Nanosecond)
		expect("after the timeout", "READY=1")
		expect("after READY")
		state.Alarms = []health.Alarm{{Kind: health.FileNotReloaded, Subject: "HMA_X_FILE", Err: errors.New("line 3")}}
		expect("with an alarm", "STATUS=not ready: no access token yet alarm: HMA_X_FILE was not reloaded, the previous content is in force: line 3")
		state = health.State{}
		expect("ready", "STATUS=ready")
		r.Stop(time.Second)
		state.NotReady = &health.NotReady{Cause: health.Stopping}
		expect("while stopping")
	})
}

func TestReporterIsReadyWithTheFirstToken(t *testing.T) {
	r := newTestReporter(&health.State{})
	if got := r.changes(); !slices.Equal(got, []string{"READY=1", "STATUS=ready"}) {
		t.Errorf("%q", got)
	}
}

func TestReloadIsAnnouncedBetweenStartAndStop(t *testing.T) {
	notifier, received := newTestSocket(t)
	state := health.State{NotReady: &health.NotReady{Cause: health.NoTokenYet}}
	r := NewReporter(notifier, func() health.State { return state }, slog.New(slog.DiscardHandler))
	reloads := 0
	reload := func() { reloads++ }
	r.Reload(reload)
	if got := received(); len(got) != 0 || reloads != 1 {
		t.Errorf("before READY: %q, %d reloads", got, reloads)
	}
	state.NotReady = nil
	r.changes()
	r.Reload(reload)
	if got := received(); len(got) != 2 || !strings.HasPrefix(got[0], "RELOADING=1") || got[1] != "READY=1" || reloads != 2 {
		t.Errorf("after READY: %q, %d reloads", got, reloads)
	}
	r.Stop(90 * time.Second)
	if got := received(); len(got) != 1 || got[0] != "STOPPING=1\nSTATUS=stopping: requests in progress may finish\nEXTEND_TIMEOUT_USEC=90000000" {
		t.Errorf("at the stop: %q", got)
	}
	r.Reload(reload)
	if got := received(); len(got) != 0 {
		t.Errorf("after the stop: %q", got)
	}
}
