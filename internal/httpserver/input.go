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
	buf  []byte // buf[r:w] was read from the connection and is not used yet
	r, w int

	mu      sync.Mutex
	stopped bool // reads fail with errStopped, and deadlines are ignored
}

// buffered returns the bytes that were read and not yet used.
func (in *input) buffered() []byte { return in.buf[in.r:in.w] }

// discard removes n bytes from the beginning of buffered.
func (in *input) discard(n int) {
	if in.r += n; in.r == in.w {
		in.r, in.w = 0, 0
	}
}

// fill reads once from the connection and appends the bytes to buffered. It
// enlarges a full buffer, up to limit bytes. buffered must have fewer than
// limit bytes.
func (in *input) fill(limit int) error {
	if in.w == len(in.buf) {
		in.makeRoom(limit)
	}
	n, err := in.readConn(in.buf[in.w:])
	in.w += n
	if n > 0 {
		return nil // the next read returns the error again
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

// buffers holds unused buffers of readSize bytes.
var buffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// release returns an empty buffer to the pool. Otherwise a notification stream
// would keep a buffer for half an hour.
func (in *input) release() {
	if in.r < in.w || in.buf == nil {
		return
	}
	if len(in.buf) == readSize {
		buffers.Put((*[readSize]byte)(in.buf))
	}
	in.buf, in.r, in.w = nil, 0, 0
}

// drop returns the buffer to the pool and discards its content.
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

// shrink drops an empty buffer that is larger than readSize.
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

// line reads a line that ends with CR LF and returns it without CR LF. The result
// is valid until the next call. limit is the maximum length, including CR LF.
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

// readConn reads from the connection. It does not rely on the deadline that
// interrupt sets: the listener removes deadlines when it closes a connection to make
// room for another, and TLS returns bytes that it has buffered.
func (in *input) readConn(p []byte) (int, error) {
	if in.isStopped() {
		return 0, errStopped
	}
	n, err := in.conn.Read(p)
	if n == 0 && isTimeout(err) && in.isStopped() {
		err = errStopped
	}
	return n, err
}

var errStopped = errors.New("httpserver: the connection is not read any more")

// setDeadline sets the deadline of reads, including a read in progress; the zero
// time means none.
func (in *input) setDeadline(t time.Time) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.stopped {
		_ = in.conn.SetReadDeadline(t)
	}
}

// interrupt ends the read in progress, if there is one. Further reads fail
// until resume is called.
func (in *input) interrupt() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.stopped = true
	_ = in.conn.SetReadDeadline(time.Unix(1, 0))
}

// resume permits reads after interrupt, without a deadline.
func (in *input) resume() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.stopped = false
	_ = in.conn.SetReadDeadline(time.Time{})
}

func (in *input) isStopped() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.stopped
}

// isTimeout reports whether a read ended because of its deadline.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
