package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// managed is a running service whose service manager is the test.
type managed struct {
	controls chan control
	mu       sync.Mutex
	reported []state
	ended    chan struct{}
	err      error
}

// manage starts the function "serve" as a service. After synctest.Wait, the
// field "reported" contains all states that the service has reported.
func manage(serve func(context.Context, supervision) error) *managed {
	m := &managed{controls: make(chan control), ended: make(chan struct{})}
	go func() {
		defer close(m.ended)
		m.err = manager{m.controls, m.report}.supervise(context.Background(), serve)
	}()
	synctest.Wait()
	return m
}

func (m *managed) report(now state) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reported = append(m.reported, now)
}

func (m *managed) wantReports(t *testing.T, want ...state) {
	t.Helper()
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Equal(m.reported, want) {
		t.Errorf("reports %v, want %v", m.reported, want)
	}
	m.reported = nil
}

func TestServiceStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := manage(func(ctx context.Context, s supervision) error {
			time.Sleep(time.Second)
			s.started()
			<-ctx.Done()
			time.Sleep(5 * time.Second) // requests are in progress during this time
			return nil
		})
		m.wantReports(t, stateStarting)
		time.Sleep(time.Second)
		m.wantReports(t, stateRunning)
		m.controls <- controlReport
		m.wantReports(t, stateRunning)
		m.controls <- controlStop
		m.wantReports(t, stateStopping)
		time.Sleep(4 * time.Second)
		m.wantReports(t, stateStopping, stateStopping)
		<-m.ended
		if m.err != nil {
			t.Error(m.err)
		}
	})
}

func TestServiceStopWhileStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := manage(func(ctx context.Context, s supervision) error {
			<-ctx.Done()
			s.started() // called after the stop
			time.Sleep(time.Second)
			return nil
		})
		m.controls <- controlStop
		<-m.ended
		for _, c := range m.reported[1:] {
			if c != stateStopping {
				t.Errorf("reports %v", m.reported)
			}
		}
	})
}

func TestServiceFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("HMA_EWS_URL: is required")
		m := manage(func(context.Context, supervision) error { return settingsError{broken} })
		<-m.ended
		if exitCode(m.err) != exitSettings || !strings.Contains(m.err.Error(), "HMA_EWS_URL") {
			t.Errorf("%v", m.err)
		}
		m.wantReports(t, stateStarting)
	})
}

func TestServiceReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reloads := 0
		m := manage(func(ctx context.Context, s supervision) error {
			s.started()
			for {
				select {
				case <-s.reload:
					reloads++
					time.Sleep(time.Second)
				case <-ctx.Done():
					return nil
				}
			}
		})
		for range 10 {
			m.controls <- controlReload // this must not block
		}
		time.Sleep(time.Minute)
		m.controls <- controlStop
		<-m.ended
		if reloads != 2 {
			t.Errorf("reloaded %d times, want one at once and one for all that came during it", reloads)
		}
	})
}

// A recorder is an eventLog that keeps each event as one text.
type recorder []string

func (r *recorder) put(kind string, id uint32, text string) error {
	*r = append(*r, fmt.Sprintf("%s %d %s", kind, id, text))
	return nil
}
func (r *recorder) Info(id uint32, text string) error    { return r.put("info", id, text) }
func (r *recorder) Warning(id uint32, text string) error { return r.put("warning", id, text) }
func (r *recorder) Error(id uint32, text string) error   { return r.put("error", id, text) }

func TestEventLog(t *testing.T) {
	var got recorder
	log := slog.New(eventHandler(&got)).With("version", "v1")
	log.Debug("started")
	log.Info("token", "expires", "soon")
	log.Info("started", "listen", "127.0.0.1:8080")
	log.Warn("request", "reason", "mailbox")
	log.Error("request")
	log.Warn("configuration", "remark", "no allow-list")
	log.Error("ended", "error", strings.Repeat("x", 40<<10)+"\x00")
	log.Info("stopped")
	want := recorder{
		"info 1 started\nversion: v1\nlisten: 127.0.0.1:8080",
		"warning 2 configuration\nversion: v1\nremark: no allow-list",
		"error 3 ended\nversion: v1\nerror: x",
		"info 1 stopped\nversion: v1",
	}
	if len(got) != len(want) {
		t.Fatalf("%q", got)
	}
	for i := range want {
		// an event holds at most 31,839 characters
		if !strings.HasPrefix(got[i], want[i]) || len(got[i]) > 31839 || strings.Contains(got[i], "\x00") {
			t.Errorf("event %d: %.200q of %d bytes, want %q", i, got[i], len(got[i]), want[i])
		}
	}
}

func TestServiceVerb(t *testing.T) {
	for _, c := range []struct {
		name, args, verb, file, err string
	}{
		{"install", "install -env-file a.env", "install", "a.env", ""},
		{"flag first", "-env-file a.env run", "run", "a.env", ""},
		{"start", "start", "start", "", ""},
		{"nothing", "", "", "", "one of install, remove, start, stop"},
		{"no file", "install", "", "", "-env-file is required"},
		{"more", "stop now", "", "", "takes no arguments"},
		{"unknown flag", "start -force", "", "", "not defined: -force"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inv := new(invocation)
			var err error
			if inv.args, err = serviceCommand().parse(&inv.options, strings.Fields(c.args)); err != nil {
				t.Fatal(err)
			}
			verb, err := serviceVerb(inv)
			if c.err == "" && (err != nil || verb != c.verb || inv.envFile != c.file) {
				t.Errorf("%q, %q, %v", verb, inv.envFile, err)
			}
			if c.err != "" && (exitCode(err) != exitUsage || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("%v, want %q", err, c.err)
			}
		})
	}
}
