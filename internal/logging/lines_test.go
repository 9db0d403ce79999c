package logging

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/config"
)

// A recorder keeps each write.
type recorder struct {
	mu     sync.Mutex
	writes []string
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes = append(r.writes, string(p))
	return len(p), nil
}

// take returns the writes since the last call, as the messages in them.
func (r *recorder) take() (messages []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.writes {
		var one []string
		for line := range strings.Lines(w) {
			_, rest, _ := strings.Cut(line, `"msg":"`)
			message, _, _ := strings.Cut(rest, `"`)
			one = append(one, message)
		}
		messages = append(messages, strings.Join(one, "+"))
	}
	r.writes = nil
	return messages
}

func (r *recorder) expect(t *testing.T, when string, want ...string) {
	t.Helper()
	if got := r.take(); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s: written %q, want %q", when, got, want)
	}
}

func TestServedRequestsAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out recorder
		log, flush := New(&out, &config.Config{})

		log.Info(RequestMessage)
		log.Info(RequestMessage)
		out.expect(t, "at once")
		time.Sleep(maxDelay)
		synctest.Wait()
		out.expect(t, "after the wait", "request+request")

		log.Info(RequestMessage)
		log.Warn(RequestMessage)
		out.expect(t, "a refusal", "request+request")
		log.Info("token")
		log.With("a", 1).WithGroup("g").Info("grouped")
		out.expect(t, "another message", "token", "grouped")

		log.Info(RequestMessage)
		if err := flush(); err != nil {
			t.Error(err)
		}
		out.expect(t, "at the end", "request")
		time.Sleep(time.Second)
		synctest.Wait()
		out.expect(t, "a second later")
	})
}

func TestFullBufferIsWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out recorder
		l := &lines{w: &out}
		line := bytes.Repeat([]byte("x"), 1<<10)
		for range maxBuffered >> 10 {
			if n, err := l.Write(line); n != len(line) || err != nil {
				t.Fatal(n, err)
			}
		}
		if n := len(out.take()); n != 1 {
			t.Errorf("%d writes of %d KiB", n, maxBuffered>>10)
		}
	})
}

// TestFailedWriteIsReportedAndNotRepeated checks that lines that cannot be
// written are dropped.
func TestFailedWriteIsReportedAndNotRepeated(t *testing.T) {
	failed := errors.New("no space left on device")
	l := &lines{w: writerFunc(func([]byte) (int, error) { return 0, failed })}
	h := promptHandler{slog.NewJSONHandler(l, nil), l}
	r := slog.NewRecord(time.Now(), slog.LevelWarn, "disk", 0)
	if err := h.Handle(t.Context(), r); !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
	if len(l.buffer) != 0 {
		t.Errorf("%d bytes are still buffered", len(l.buffer))
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
