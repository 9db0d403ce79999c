package body

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// ErrClient marks a failure to read the client's body: the client disconnected
// or was too slow.
var ErrClient = errors.New("the client's body ended before it was complete")

// A Reader reads a client's body and limits the time that reading takes. Only one
// goroutine at a time may call Read and Drain; other goroutines may call StopBy
// and Ended at the same time.
type Reader struct {
	source io.Reader
	conn   *http.ResponseController
	n      int64
	waited time.Duration // time spent in all reads
	err    error         // the error of all further reads; io.EOF at the end
	ended  atomic.Bool   // err is io.EOF

	mu   sync.Mutex // held while a deadline is set
	last time.Time  // time by which every read must end; zero: no limit
}

// Reset prepares r for a request. source is the body of the request; conn sets
// the read deadline.
func (r *Reader) Reset(source io.Reader, conn *http.ResponseController) {
	r.source, r.conn = source, conn
}

// Read reads the next bytes of the body. It sets a new deadline before each
// read, but none after the end of the body. A deadline after the end would
// prevent the HTTP server from noticing that the client disconnects. It would
// also make net/http's server end the request.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	began := time.Now()
	r.setDeadline(began)
	n, err := r.source.Read(p)
	r.n += int64(n)
	r.waited += time.Since(began)
	switch {
	case err == io.EOF:
		r.finish()
	case IsBusy(err):
		r.err = errors.Join(ErrFull, err)
	case err != nil:
		r.err = errors.Join(ErrClient, err)
	}
	return n, r.err
}

// IsBusy reports whether a read failed because the listener closed the
// connection to make room for another connection. Such an error has a method
// Busy() bool that returns true.
func IsBusy(err error) bool {
	var busy interface{ Busy() bool }
	return errors.As(err, &busy) && busy.Busy()
}

func (r *Reader) setDeadline(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.deadline(now)
	if !r.last.IsZero() && r.last.Before(at) {
		at = r.last
	}
	_ = r.conn.SetReadDeadline(at)
}

// StopBy makes all reads end at the given time or earlier. This includes later
// reads by other goroutines and a read in progress.
func (r *Reader) StopBy(last time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last = last; !r.Ended() {
		_ = r.conn.SetReadDeadline(last)
	}
}

// deadline returns the time by which a read must end. One read may take
// readPause. All reads together may take graceTime, and one second for every
// minPerSec bytes read. The time between reads does not count, because during
// it the proxy waits for Exchange.
func (r *Reader) deadline(now time.Time) time.Time {
	left := graceTime + time.Duration(r.n/minPerSec)*time.Second - r.waited
	return now.Add(min(readPause, left))
}

// finish records that the body was read to its proper end.
func (r *Reader) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.conn.SetReadDeadline(time.Time{})
	r.err = io.EOF
	r.ended.Store(true)
}

// Ended reports whether the body was read to its proper end.
func (r *Reader) Ended() bool { return r.ended.Load() }

// Failed reports whether reading has failed.
func (r *Reader) Failed() bool { return r.err != nil && !r.Ended() }

// N returns how many bytes were read.
func (r *Reader) N() int64 { return r.n }

// Drain reads and discards the rest of the body, so that the client can read
// the response. A client may first send its whole body, and closing a
// connection with unread bytes resets it. Drain reports whether the body ended
// properly within MaxDrained bytes and DrainTime.
func (r *Reader) Drain() bool {
	if r.err != nil {
		return r.Ended()
	}
	_ = r.conn.SetReadDeadline(time.Now().Add(DrainTime))
	n, err := io.Copy(io.Discard, io.LimitReader(r.source, MaxDrained))
	r.n += n
	if err != nil || n == MaxDrained {
		r.err = ErrClient
		return false
	}
	r.finish()
	return true
}
