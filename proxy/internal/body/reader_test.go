package body

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// A slowClient sends a body in pieces of the given size, with a pause before each
// piece.
type slowClient struct {
	pause    time.Duration
	size     int
	deadline time.Time
}

func (c *slowClient) Read(p []byte) (int, error) {
	if wait := time.Until(c.deadline); wait < c.pause {
		time.Sleep(wait)
		return 0, os.ErrDeadlineExceeded
	}
	time.Sleep(c.pause)
	return copy(p, make([]byte, c.size)), nil
}

// A deadlineWriter is a ResponseWriter that sets the read deadline of the
// client.
type deadlineWriter struct {
	http.ResponseWriter
	client *slowClient
}

func (w deadlineWriter) SetReadDeadline(at time.Time) error { w.client.deadline = at; return nil }

// TestSlowBody checks how slow a client may be. Time in which Exchange reads
// nothing does not count.
func TestSlowBody(t *testing.T) {
	for _, c := range []struct {
		name     string
		client   slowClient
		upstream time.Duration // pause of Exchange between two reads
		lasts    time.Duration // time spent reading until the body fails; 0: it does not fail
	}{
		{"fast client, slow Exchange", slowClient{size: 64 << 10}, 20 * time.Second, 0},
		{"slow line that both share", slowClient{pause: 10 * time.Second, size: 64 << 10}, 20 * time.Second, 0},
		{"client at the least rate", slowClient{pause: 10 * time.Second, size: 40 << 10}, 0, 0},
		{"client below the least rate", slowClient{pause: 10 * time.Second, size: 1 << 10}, 0, 61 * time.Second},
		{"the same with a slow Exchange", slowClient{pause: 10 * time.Second, size: 1 << 10}, 20 * time.Second, 61 * time.Second},
		{"silent client", slowClient{pause: time.Hour, size: 1}, 0, readPause},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := new(Reader)
				r.Reset(&c.client, http.NewResponseController(deadlineWriter{httptest.NewRecorder(), &c.client}))
				var reading time.Duration
				buf := make([]byte, 64<<10)
				for range 100 {
					began := time.Now()
					_, err := io.ReadAtLeast(r, buf, 1)
					reading += time.Since(began)
					if err != nil {
						if reading != c.lasts {
							t.Errorf("%v after %v of reading, want %v", err, reading, c.lasts)
						}
						return
					}
					time.Sleep(c.upstream)
				}
				if c.lasts != 0 {
					t.Errorf("read 100 times in %v, want an end after %v", reading, c.lasts)
				}
			})
		})
	}
}
