package logging

import (
	"bytes"
	"io"
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

// take returns the messages of the writes since the last call.
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

func open(t *testing.T, w io.Writer) *Output {
	t.Helper()
	o, err := Open(&config.Config{}, w)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestServedRequestsAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out recorder
		o := open(t, &out)
		log := o.Logger()
		log.Info(RequestMessage)
		log.Info(RequestMessage)
		synctest.Wait()
		out.expect(t, "at once")
		time.Sleep(maxDelay)
		synctest.Wait()
		out.expect(t, "after the delay", "request+request")

		log.Info(RequestMessage)
		log.Warn(RequestMessage)
		synctest.Wait()
		out.expect(t, "with a refused request", "request+request")
		log.Info("token")
		synctest.Wait()
		log.With("a", 1).WithGroup("g").Info("grouped")
		synctest.Wait()
		out.expect(t, "another message", "token", "grouped")

		log.Info(RequestMessage)
		o.Close()
		out.expect(t, "at the end", "request")
	})
}

func TestLargeBufferIsWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out recorder
		q := newQueue(&out, nil)
		line := bytes.Repeat([]byte("x"), 1<<10)
		for range writeSize >> 10 {
			if n, err := q.Write(line); n != len(line) || err != nil {
				t.Fatal(n, err)
			}
		}
		synctest.Wait()
		if n := len(out.take()); n != 1 {
			t.Errorf("%d writes of %d KiB", n, writeSize>>10)
		}
		q.close()
	})
}

// A blockable writer blocks until its channel is closed.
type blockable struct {
	recorder
	blocked chan struct{}
}

func (b *blockable) Write(p []byte) (int, error) {
	<-b.blocked
	return b.recorder.Write(p)
}

func TestBlockedLogBlocksNoCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &blockable{blocked: make(chan struct{})}
		o := open(t, out)
		log := o.Logger()
		start := time.Now()
		text := strings.Repeat("x", 1000)
		for range 5000 {
			log.Warn("line", "text", text)
		}
		if passed := time.Since(start); passed != 0 {
			t.Errorf("callers waited for %v", passed)
		}
		time.Sleep(blockedTime + time.Second)
		s := o.State()
		if s.Dropped < 3000 || s.Last.IsZero() || !s.Blocked {
			t.Errorf("state %+v", s)
		}
		close(out.blocked)
		time.Sleep(time.Second)
		if s := o.State(); s.Blocked {
			t.Error("still blocked after the write has ended")
		}
		log.Warn("after")
		o.Close()
		written := strings.Join(out.take(), "+")
		if !strings.HasSuffix(written, "line+log lines were dropped because the log was not read+after") {
			t.Errorf("the last lines are %q", written[max(0, len(written)-200):])
		}
	})
}

func TestCloseDoesNotWaitForABlockedLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &blockable{blocked: make(chan struct{})}
		o := open(t, out)
		o.Logger().Warn("line")
		start := time.Now()
		o.Close()
		if passed := time.Since(start); passed > closeWait {
			t.Errorf("Close waited for %v", passed)
		}
		close(out.blocked)
	})
}
