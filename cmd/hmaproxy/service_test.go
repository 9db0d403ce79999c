package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A managed is a service under a manager that the test plays.
type managed struct {
	demands chan demand
	mu      sync.Mutex
	told    []condition
	ended   chan struct{}
	err     error
}

// manage starts a service. After a wait for all goroutines told is what the
// manager has heard.
func manage(serve func(context.Context, world) error) *managed {
	m := &managed{demands: make(chan demand), ended: make(chan struct{})}
	go func() {
		defer close(m.ended)
		m.err = manager{m.demands, m.tell}.supervise(context.Background(), world{}, serve)
	}()
	synctest.Wait()
	return m
}

func (m *managed) tell(c condition) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = append(m.told, c)
}

func (m *managed) hears(t *testing.T, want ...condition) {
	t.Helper()
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Equal(m.told, want) {
		t.Errorf("the manager heard %v, want %v", m.told, want)
	}
	m.told = nil
}

func TestServiceIsStoppedAndTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := manage(func(ctx context.Context, w world) error {
			time.Sleep(time.Second)
			w.started()
			<-ctx.Done()
			time.Sleep(5 * time.Second) // requests under way
			return nil
		})
		m.hears(t, conditionStarting)
		time.Sleep(time.Second)
		m.hears(t, conditionRunning)
		m.demands <- demandReport
		m.hears(t, conditionRunning)
		m.demands <- demandStop
		m.hears(t, conditionStopping)
		time.Sleep(4 * time.Second)
		m.hears(t, conditionStopping, conditionStopping)
		<-m.ended
		if m.err != nil {
			t.Error(m.err)
		}
	})
}

func TestServiceStoppedWhileStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := manage(func(ctx context.Context, w world) error {
			<-ctx.Done()
			w.started() // came a moment too late
			time.Sleep(time.Second)
			return nil
		})
		m.demands <- demandStop
		<-m.ended
		for _, c := range m.told[1:] {
			if c != conditionStopping {
				t.Errorf("the manager heard %v", m.told)
			}
		}
	})
}

func TestServiceThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("HMA_EWS_URL: is required")
		m := manage(func(context.Context, world) error { return usageError{broken} })
		<-m.ended
		if exitCode(m.err) != exitConfiguration || !strings.Contains(m.err.Error(), "HMA_EWS_URL") {
			t.Errorf("%v", m.err)
		}
		m.hears(t, conditionStarting)
	})
}

func TestServiceLooksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		m := manage(func(ctx context.Context, w world) error {
			w.started()
			for asked := w.reload(ctx); ; {
				select {
				case <-asked:
					looks++
					time.Sleep(time.Second)
				case <-ctx.Done():
					return nil
				}
			}
		})
		for range 10 {
			m.demands <- demandReload // never waits for the looking
		}
		time.Sleep(time.Minute)
		m.demands <- demandStop
		<-m.ended
		if looks != 2 {
			t.Errorf("looked %d times; ten demands in a moment are one look at once and one after", looks)
		}
	})
}

// A recorder is an Event Log.
type recorder []string

func (r *recorder) put(kind string, id uint32, text string) error {
	*r = append(*r, fmt.Sprintf("%s %d %s", kind, id, text))
	return nil
}
func (r *recorder) Info(id uint32, text string) error    { return r.put("info", id, text) }
func (r *recorder) Warning(id uint32, text string) error { return r.put("warning", id, text) }
func (r *recorder) Error(id uint32, text string) error   { return r.put("error", id, text) }

func TestEventLogGetsWhatAdministratorsShouldSee(t *testing.T) {
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
		// an event holds 31,839 characters at most
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
			f := &flags{set: flag.NewFlagSet("", flag.ContinueOnError)}
			f.set.SetOutput(io.Discard)
			f.set.StringVar(&f.envFile, "env-file", "", "")
			if err := f.set.Parse(strings.Fields(c.args)); err != nil {
				t.Fatal(err)
			}
			verb, err := serviceVerb(f)
			if c.err == "" && (err != nil || verb != c.verb || f.envFile != c.file) {
				t.Errorf("%q, %q, %v", verb, f.envFile, err)
			}
			if c.err != "" && (exitCode(err) != exitConfiguration || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("%v, want %q", err, c.err)
			}
		})
	}
}
