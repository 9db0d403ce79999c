package service

import (
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Fault replaces or changes the response to a request. Latency combines with
// all other fields. Of Hang, Drop and Status, the first one that is set
// applies, and the fields below Filler then have no effect.
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
	// NoExpiresIn makes Entra leave expires_in out of the response with a token.
	NoExpiresIn bool
	// NoTenantInChallenge makes Key Vault's challenge name an authority
	// without a path.
	NoTenantInChallenge bool
}

// Faults is the list of the faults that a service will apply. It is safe for
// concurrent use.
type Faults struct {
	mu   sync.Mutex
	list []*scripted
}

// A scripted is a Fault with the number of requests, or the condition, for
// which it applies.
type scripted struct {
	Fault
	left  int         // number of further requests to which the fault applies, if while is nil
	while func() bool // condition under which the fault applies; may be nil
}

// Inject applies the fault to the next n requests that match. Faults that were
// injected earlier come first.
func (l *Faults) Inject(n int, f Fault) { l.add(&scripted{Fault: f, left: n}) }

// InjectWhile applies the fault to every matching request while the function
// returns true. The function is called at most once per request, under a lock,
// and must not call the emulator.
func (l *Faults) InjectWhile(while func() bool, f Fault) {
	l.add(&scripted{Fault: f, while: while})
}

// ClearFaults removes all faults. A fault that has already been selected for a
// request is still applied to it.
func (l *Faults) ClearFaults() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = nil
}

func (l *Faults) add(f *scripted) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, f)
}

// The method "due" returns the fault that applies to r, or nil.
func (l *Faults) due(r *http.Request) *Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.list {
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

// strike applies Latency, Hang, Drop, Status and TruncateAt. It reports whether
// it has written the response. It panics with http.ErrAbortHandler to close the
// connection.
func (f *Fault) strike(life *Lifetime, w *meteredWriter, r *http.Request) bool {
	if f.Latency > 0 && !life.pause(r, f.Latency) {
		panic(http.ErrAbortHandler)
	}
	switch {
	case f.Hang:
		io.Copy(io.Discard, r.Body) // the server detects a client that disconnects only after the body is read
		life.pause(r, 1<<62)
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

func (f *Fault) respond(w http.ResponseWriter) {
	if f.Body != "" || f.Filler > 0 {
		w.Header().Set("Content-Type", "text/html; charset=us-ascii")
		w.Header().Set("Content-Length", strconv.FormatInt(int64(len(f.Body))+f.Filler, 10))
	}
	maps.Copy(w.Header(), f.Header)
	w.WriteHeader(f.Status)
	io.WriteString(w, f.Body)
	WriteFiller(w, f.Filler)
}

// WriteFiller writes n bytes of filler in pieces.
func WriteFiller(w io.Writer, n int64) error {
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
