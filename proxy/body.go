package proxy

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// errClient marks a failure to read the client's body: it left, or it was too
// slow.
var errClient = errors.New("the client's body ended before it was whole")

// clientBody reads a request's body under bounds on how slowly it may come.
type clientBody struct {
	body  io.Reader
	rc    *http.ResponseController
	start time.Time
	n     int64
	err   error       // sticky; io.EOF at the end
	end   atomic.Bool // err is io.EOF; asked while the transport reads

	mu   sync.Mutex // held while a deadline is set
	last time.Time  // no read goes on longer; zero: no such moment
}

// Read sets the deadline anew before each read that is not at the end: one
// that is set after the end would end net/http's watch for a client that
// leaves, and with it the request.
func (b *clientBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	b.await()
	n, err := b.body.Read(p)
	b.n += int64(n)
	switch {
	case err == io.EOF:
		b.finish()
	case err != nil:
		b.err = errors.Join(errClient, err)
	}
	return n, b.err
}

func (b *clientBody) await() {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := b.deadline(time.Now())
	if !b.last.IsZero() && b.last.Before(at) {
		at = b.last
	}
	_ = b.rc.SetReadDeadline(at)
}

// hurry ends the reading at last, also that of another goroutine and however
// often it reads until then.
func (b *clientBody) hurry(last time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last = last; !b.ended() {
		_ = b.rc.SetReadDeadline(last)
	}
}

// deadline is the earlier of a pause and of the time by which a body of this
// size must have come.
func (b *clientBody) deadline(now time.Time) time.Time {
	pause := now.Add(readPause)
	due := b.start.Add(bodyGrace + time.Duration(b.n/bodyRate)*time.Second)
	if due.Before(pause) {
		return due
	}
	return pause
}

// finish marks the proper end.
func (b *clientBody) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.rc.SetReadDeadline(time.Time{})
	b.err = io.EOF
	b.end.Store(true)
}

// ended reports whether the body was read to its end. Unlike everything else
// here it may be asked while another goroutine reads.
func (b *clientBody) ended() bool { return b.end.Load() }

// drain reads what the client still sends, so that it comes to read the
// answer. It reports whether the body came to its end.
func (b *clientBody) drain() bool {
	if b.err != nil {
		return b.ended()
	}
	_ = b.rc.SetReadDeadline(time.Now().Add(drainTime))
	n, err := io.Copy(io.Discard, io.LimitReader(b.body, drainBytes))
	b.n += n
	if err != nil || n == drainBytes {
		b.err = errClient
		return false
	}
	b.finish()
	return true
}

// A budget bounds what is held for all requests together.
type budget struct {
	limit int64
	used  atomic.Int64
}

func (b *budget) reserve(n int64) bool {
	if b.used.Add(n) > b.limit {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *budget) release(n int64) { b.used.Add(-n) }

// errBodySpent is why a request cannot be sent again.
var errBodySpent = errors.New("the request's body has already been sent")

// A payload is a request body on its way to Exchange.
type payload interface {
	// open returns a reader for one attempt, and errBodySpent when an attempt
	// has already taken bytes that cannot be had again.
	open() (io.ReadCloser, error)
	// length is the body's size in bytes, -1 when it is not known yet.
	length() int64
	// fresh reports whether open can be called now.
	fresh() bool
	// unspent reports whether Exchange cannot have run the operation, because
	// an attempt that failed has not sent any of it.
	unspent() bool
	// drop lets go of the memory, once nothing reads it any more.
	drop()
}

// none is the payload of a GET.
type none struct{}

func (none) open() (io.ReadCloser, error) { return http.NoBody, nil }
func (none) length() int64                { return 0 }
func (none) fresh() bool                  { return true }
func (none) unspent() bool                { return false } // the transport itself repeats a GET
func (none) drop()                        {}

// whole is a payload that is in memory: a head and the rest.
type whole struct {
	head, rest []byte
	readers    *readers
}

func (p *whole) length() int64 { return int64(len(p.head) + len(p.rest)) }
func (p *whole) fresh() bool   { return true }
func (p *whole) unspent() bool { return false } // it goes together with its header
func (p *whole) drop()         { p.head, p.rest = nil, nil }
func (p *whole) open() (io.ReadCloser, error) {
	p.readers.opened()
	return &wholeReader{head: p.head, rest: p.rest, readers: p.readers}, nil
}

// wholeReader reads a whole once.
type wholeReader struct {
	head, rest []byte
	readers    *readers
	closed     atomic.Bool
}

func (r *wholeReader) Read(p []byte) (int, error) {
	if len(r.head) == 0 {
		r.head, r.rest = r.rest, nil
	}
	if len(r.head) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.head)
	if r.head = r.head[n:]; len(r.head) == 0 {
		r.head = nil // an answer may stay open for half an hour
	}
	return n, nil
}

func (r *wholeReader) Close() error {
	r.readers.closed(&r.closed)
	return nil
}

// readers counts the readers of a payload that the transport has not closed
// yet. It closes them on its own time, often after it has returned an answer.
type readers struct {
	wait sync.WaitGroup
	n    atomic.Int32
}

// opened counts one more.
func (r *readers) opened() {
	r.wait.Add(1)
	r.n.Add(1)
}

// closed counts one less, the first time that it is called for one of them.
func (r *readers) closed(already *atomic.Bool) {
	if already.CompareAndSwap(false, true) {
		r.n.Add(-1)
		r.wait.Done()
	}
}

func (r *readers) idle() bool { return r.n.Load() == 0 }
