package emulator

import (
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A Fault replaces or changes the response to a request. Fields combine: Latency
// comes first, then the first other field that is set.
type Fault struct {
	// Match selects requests; nil selects all. A request that does not match does
	// not count for Inject.
	Match func(*http.Request) bool

	Latency time.Duration // wait before anything else
	Hang    bool          // read the request, then never respond
	Drop    bool          // close the connection without a response

	// Status, if not 0, is sent with Header, then Body, then Filler bytes. For a
	// redirect set Status 307 and a Location in Header.
	Status int
	Header http.Header
	Body   string
	Filler int64

	// AADSTS, when not 0, makes Entra refuse with this code.
	AADSTS int
	// TruncateAt, if not 0, ends the service's own response after so many bytes.
	TruncateAt int64
	// NoExpiresIn makes Entra leave that field out of a granted token.
	NoExpiresIn bool
	// NoTenantInChallenge makes Key Vault's challenge name an authority
	// without a path.
	NoTenantInChallenge bool
}

// A scripted fault applies while its condition holds.
type scripted struct {
	Fault
	left  int         // further requests, when while is nil
	while func() bool // or nil
}

// Inject applies the fault to the next n requests that match. Faults that were
// injected earlier come first.
func (s *Service) Inject(n int, f Fault) { s.script(&scripted{Fault: f, left: n}) }

// InjectWhile applies the fault to every matching request while the function
// returns true. The function is called once per request, under a lock, and must not
// call the emulator.
func (s *Service) InjectWhile(while func() bool, f Fault) {
	s.script(&scripted{Fault: f, while: while})
}

// ClearFaults removes all faults that are still to come.
func (s *Service) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

func (s *Service) script(f *scripted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
}

// dueFault returns the fault to apply to r, or nil.
func (s *Service) dueFault(r *http.Request) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.Match != nil && !f.Match(r) {
			continue
		}
		if f.while != nil {
			if f.while() {
				return &f.Fault
			}
		} else if f.left > 0 {
			f.left--
			return &f.Fault
		}
	}
	return nil
}

// strike applies a fault that replaces the response, and reports whether it did.
func (f *Fault) strike(s *Service, w *meteredWriter, r *http.Request) bool {
	if f.Latency > 0 && !s.pause(r, f.Latency) {
		panic(http.ErrAbortHandler)
	}
	switch {
	case f.Hang:
		io.Copy(io.Discard, r.Body) // the server detects a client that disconnects only after the body is read
		s.pause(r, 1<<62)
		panic(http.ErrAbortHandler)
	case f.Drop:
		panic(http.ErrAbortHandler)
	case f.Status != 0:
		f.respond(w)
		return true
	}
	if f.TruncateAt > 0 {
		w.limit = f.TruncateAt
	}
	return false
}

// pause waits. It reports false if the client disconnected or the emulator closed.
func (s *Service) pause(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
	case <-s.emulator.done:
	}
	return false
}

func (f *Fault) respond(w http.ResponseWriter) {
	if f.Body != "" || f.Filler > 0 {
		w.Header().Set("Content-Type", "text/html; charset=us-ascii")
		w.Header().Set("Content-Length", strconv.FormatInt(int64(len(f.Body))+f.Filler, 10))
	}
	maps.Copy(w.Header(), f.Header)
	w.WriteHeader(f.Status)
	io.WriteString(w, f.Body)
	writeFiller(w, f.Filler)
}

// writeFiller writes n bytes of filler in pieces.
func writeFiller(w io.Writer, n int64) error {
	piece := strings.Repeat("QUJD", 8<<10) // base64, for attachments
	for n > 0 {
		k := min(n, int64(len(piece)))
		if _, err := io.WriteString(w, piece[:k]); err != nil {
			return err
		}
		n -= k
	}
	return nil
}
