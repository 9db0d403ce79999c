package body

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// ErrSpent is the error of Payload.Open when an attempt has read bytes that
// cannot be read a second time.
var ErrSpent = errors.New("the request's body has already been sent")

// A Payload is a request body on its way to Exchange.
//
// A Payload uses the memory of its Owner until the Payload and all readers that
// Open returned are closed. The last Close calls Owner.Release.
type Payload interface {
	// Open returns a reader for one attempt. It returns ErrSpent when an attempt
	// has read bytes that cannot be read a second time.
	Open() (io.ReadCloser, error)
	// Len returns the number of bytes, -1 when it is not known.
	Len() int64
	// CanOpen reports whether Open can succeed now.
	CanOpen() bool
	// Streamed reports whether the body is read from the client while it is
	// sent. Such a body can be sent only once.
	Streamed() bool
	// Unsent reports whether no attempt has read any byte of the body. The
	// request's header may have been sent.
	Unsent() bool
	// Err returns why the body ended early: an Inspector's error, ErrClient or
	// ErrFull. It returns nil if the body did not end early. It is valid once
	// Wait has returned.
	Err() error

	// Close declares that there will be no further attempt.
	Close()
	// Idle reports whether no reader is open.
	Idle() bool
	// Wait blocks until no reader is open. The transport closes readers
	// asynchronously, often after it has returned a response.
	Wait()
}

// An Owner owns the memory of a Payload.
type Owner interface {
	// Release releases the memory. It is called once, by any goroutine.
	Release()
}

// Empty is the Payload of a request without a body.
type Empty struct{}

func (Empty) Open() (io.ReadCloser, error) { return http.NoBody, nil }
func (Empty) Len() int64                   { return 0 }
func (Empty) CanOpen() bool                { return true }
func (Empty) Streamed() bool               { return false }
func (Empty) Unsent() bool                 { return true }
func (Empty) Err() error                   { return nil }
func (Empty) Close()                       {}
func (Empty) Idle() bool                   { return true }
func (Empty) Wait()                        {}

// The type "users" counts the open readers of a Payload and records whether the
// Payload itself was closed. When the Payload and its readers are closed, users
// calls payload.release once.
type users struct {
	readers  atomic.Int32
	wait     sync.WaitGroup // waits for the readers
	closed   atomic.Bool
	released atomic.Bool
	payload  interface{ release() }
}

func (u *users) opened() {
	u.wait.Add(1)
	u.readers.Add(1)
}

// readerClosed counts a reader as closed. The argument "already" is a flag of that
// reader. Because of the flag, only the reader's first Close has an effect.
func (u *users) readerClosed(already *atomic.Bool) {
	if already.CompareAndSwap(false, true) {
		u.readers.Add(-1)
		u.releaseUnused()
		u.wait.Done()
	}
}

// Close declares that there will be no further attempt.
func (u *users) Close() {
	u.closed.Store(true)
	u.releaseUnused()
}

// Idle reports whether no reader is open.
func (u *users) Idle() bool { return u.readers.Load() == 0 }

// Wait blocks until no reader is open.
func (u *users) Wait() { u.wait.Wait() }

func (u *users) releaseUnused() {
	if u.closed.Load() && u.Idle() && u.released.CompareAndSwap(false, true) {
		u.payload.release()
	}
}

// A Buffered is a Payload that is completely in memory: a head and the rest of
// the body.
type Buffered struct {
	users
	owner      Owner
	head, rest []byte
	begun      atomic.Bool // an attempt has read a byte
}

// NewBuffered returns the Payload that consists of head and rest, whose memory
// belongs to owner.
func NewBuffered(head, rest []byte, owner Owner) *Buffered {
	p := &Buffered{head: head, rest: rest, owner: owner}
	p.payload = p
	return p
}

func (p *Buffered) release() {
	p.head, p.rest = nil, nil
	p.owner.Release()
}

func (p *Buffered) Len() int64     { return int64(len(p.head) + len(p.rest)) }
func (p *Buffered) CanOpen() bool  { return true }
func (p *Buffered) Streamed() bool { return false }
func (p *Buffered) Unsent() bool   { return !p.begun.Load() }
func (p *Buffered) Err() error     { return nil }
func (p *Buffered) Open() (io.ReadCloser, error) {
	p.opened()
	return &bufferedReader{head: p.head, rest: p.rest, payload: p}, nil
}

// A bufferedReader reads a Buffered once.
type bufferedReader struct {
	head, rest []byte
	payload    *Buffered
	closed     atomic.Bool
}

func (r *bufferedReader) Read(p []byte) (int, error) {
	r.payload.begun.Store(true)
	if len(r.head) == 0 {
		r.head, r.rest = r.rest, nil
	}
	if len(r.head) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.head)
	if r.head = r.head[n:]; len(r.head) == 0 {
		r.head = nil // release the memory, because the transport may keep this reader for half an hour
	}
	return n, nil
}

func (r *bufferedReader) Close() error {
	r.payload.readerClosed(&r.closed)
	return nil
}
