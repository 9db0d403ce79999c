package body

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/iotest"
)

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestDrain checks which bodies are drained to their end, and what the Reader reports
// afterwards.
func TestDrain(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name  string
		body  io.Reader
		read  int64 // number of bytes that are read before
		ended bool
		n     int64
	}{
		{"empty", io.LimitReader(zeros{}, 0), 0, true, 0},
		{"short", io.LimitReader(zeros{}, 10), 0, true, 10},
		{"partly read", io.LimitReader(zeros{}, 10), 4, true, 10},
		{"the longest", io.LimitReader(zeros{}, 64<<20-1), 0, true, 64<<20 - 1},
		{"too long", io.LimitReader(zeros{}, 64<<20), 0, false, 64 << 20},
		{"much too long", zeros{}, 0, false, 64 << 20},
		{"broken", io.MultiReader(io.LimitReader(zeros{}, 10), iotest.ErrReader(broken)), 0, false, 10},
	} {
		r := new(Reader)
		r.Reset(c.body, http.NewResponseController(httptest.NewRecorder()))
		if _, err := io.CopyN(io.Discard, r, c.read); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second call has the same result and reads nothing
			if ended := r.Drain(); ended != c.ended || r.Ended() != c.ended || r.Failed() == c.ended || r.N() != c.n {
				t.Errorf("%s: drained %v, ended %v, failed %v, %d bytes", c.name, ended, r.Ended(), r.Failed(), r.N())
			}
		}
		want := ErrClient
		if c.ended {
			want = io.EOF
		}
		if n, err := r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, want) {
			t.Errorf("%s: a read afterwards returns %d, %v, want %v", c.name, n, err, want)
		}
	}
}
