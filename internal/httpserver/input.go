package httpserver

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// An input reads a connection. One goroutine at a time may use it; interrupt and
// setDeadline may be called while that goroutine reads.
type input struct {
	conn net.Conn
	buf  []byte // buf[r:w] was read and is not yet used
	r, w int

	mu       sync.Mutex
	deadline time.Time // of reads; zero: none
	armed    time.Time // as set in the connection; during a read never later than deadline
	reading  bool
	stopped  bool // reads fail
}

// buffered returns the bytes that were read and not yet used.
func (in *input) buffered() []byte { return in.buf[in.r:in.w] }

// hasLine reports whether a whole line was read.
func (in *input) hasLine() bool { return indexLF(in.buffered()) >= 0 }

// discard makes n bytes of buffered used.
func (in *input) discard(n int) {
	if in.r += n; in.r == in.w {
		in.r, in.w = 0, 0
	}
}

// fill reads once and adds to buffered. A full buffer grows up to limit bytes, which
// buffered must not have reached.
func (in *input) fill(limit int) error {
	if in.w == len(in.buf) {
		in.makeRoom(limit)
	}
	n, err := in.readConn(in.buf[in.w:])
	in.w += n
	if n > 0 {
		return nil // an error comes again
	}
	return err
}

func (in *input) makeRoom(limit int) {
	have := in.buffered()
	switch {
	case in.buf == nil:
		in.buf = buffers.Get().(*[readSize]byte)[:]
	case in.r == 0:
		grown := make([]byte, min(limit, 2*len(in.buf)))
		copy(grown, have)
		in.buf = grown
	default:
		copy(in.buf, have)
	}
	in.r, in.w = 0, len(have)
}

// buffers are those of readSize.
var buffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// release gives an empty buffer back. A notification stream does not need one for
// half an hour.
func (in *input) release() {
	if in.r < in.w || in.buf == nil {
		return
	}
	if len(in.buf) == readSize {
		buffers.Put((*[readSize]byte)(in.buf))
	}
	in.buf, in.r, in.w = nil, 0, 0
}

// drop gives the buffer back, with what is in it.
func (in *input) drop() {
	in.r, in.w = 0, 0
	in.release()
}

// add appends bytes that another reader of the connection has read.
func (in *input) add(p []byte) {
	for len(in.buf)-in.w < len(p) {
		in.makeRoom(2*len(in.buf) + readSize)
	}
	in.w += copy(in.buf[in.w:], p)
}

// shrink replaces a buffer that has grown, if it is empty.
func (in *input) shrink() {
	if in.r == in.w && len(in.buf) > readSize {
		in.buf = nil
	}
}

// read reads buffered bytes into p or, if there are none, from the connection.
func (in *input) read(p []byte) (int, error) {
	if in.r == in.w {
		if len(p) >= readSize {
			return in.readConn(p)
		}
		if err := in.fill(readSize); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.buffered())
	in.discard(n)
	return n, nil
}

// line reads a line that ends with CR LF and returns it without its end. It is
// valid until the next call. limit bounds its length, its end included.
func (in *input) line(limit int) ([]byte, error) {
	for scanned := 0; ; {
		have := in.buffered()
		if n := indexLF(have[scanned:]); n >= 0 {
			end := scanned + n
			if end == 0 || have[end-1] != '\r' || end+1 > limit {
				return nil, errChunk
			}
			in.discard(end + 1)
			return have[:end-1], nil
		}
		if scanned = len(have); scanned >= limit {
			return nil, errChunk
		}
		if err := in.fill(max(limit, readSize)); err != nil {
			return nil, err
		}
	}
}

// readConn reads from the connection until the deadline.
func (in *input) readConn(p []byte) (int, error) {
	for {
		if err := in.begin(); err != nil {
			return 0, err
		}
		n, err := in.conn.Read(p)
		if repeat := in.end(n, err); !repeat {
			return n, err
		}
	}
}

var errStopped = errors.New("httpserver: the connection is not read any more")

// begin sets the connection's deadline for a read. Setting one is expensive, and
// most reads end at once. So one that is sooner stays; a read that it ends is
// repeated.
func (in *input) begin() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.stopped {
		return errStopped
	}
	if sooner(in.deadline, in.armed) {
		in.arm()
	}
	in.reading = true
	return nil
}

// end ends a read. It returns true when the read must be repeated.
func (in *input) end(n int, err error) (repeat bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.reading = false
	if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || in.stopped {
		return false
	}
	if !in.deadline.IsZero() && !time.Now().Before(in.deadline) {
		return false
	}
	in.arm()
	return true
}

// arm sets the connection's deadline. The caller holds in.mu.
func (in *input) arm() {
	in.armed = in.deadline
	_ = in.conn.SetReadDeadline(in.armed)
}

// sooner reports whether the deadline a is before b. The zero time means never.
func sooner(a, b time.Time) bool { return !a.IsZero() && (b.IsZero() || a.Before(b)) }

// setDeadline sets the deadline of reads, one that is under way included.
func (in *input) setDeadline(t time.Time) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.deadline = t
	if in.reading && sooner(t, in.armed) {
		in.arm()
	}
}

// interrupt ends the read that is under way, if there is one, and makes further
// ones fail until resume.
func (in *input) interrupt() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.stopped = true
	if in.reading {
		in.armed = time.Unix(1, 0)
		_ = in.conn.SetReadDeadline(in.armed)
	}
}

// resume permits reads again.
func (in *input) resume() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.stopped = false
	if in.armed.Equal(time.Unix(1, 0)) {
		in.deadline = time.Time{}
		in.arm()
	}
}

// isTimeout reports whether a read ended because of its deadline.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
