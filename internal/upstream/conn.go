package upstream

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"hmaproxy/internal/socket"
)

// A conn is a connection to the server. One request has it at a time.
type conn struct {
	t     *Transport
	wire  *wire
	tls   *tls.Conn
	state *tls.ConnectionState
	br    *bufio.Reader       // over the conn itself, which bounds an answer's head
	look  func() socket.Sight // nil: the system cannot be asked
	left  int64               // bytes that may still be read

	reused  bool
	unused  time.Time // since when
	watched chan bool // reports how a watch ended; nil: there is none
}

// readSize is the size of a connection's buffer, for the head of an answer and
// the sizes of chunks. Below it TLS has one of its own, so that a larger one
// would save no call; thousands of streams have one each.
const readSize = 1 << 10

func newConn(t *Transport, raw net.Conn) *conn {
	c := &conn{t: t, wire: &wire{Conn: socket.Of(raw)}, left: math.MaxInt64}
	c.tls = tls.Client(c.wire, t.config.TLS)
	c.br = bufio.NewReaderSize(c, readSize)
	c.look = socket.Looker(raw)
	return c
}

// A wire is a connection below TLS. It counts what the system has taken.
type wire struct {
	net.Conn
	sent atomic.Int64
	look func() socket.Sight // if set, Read gives what is there and never waits

	mu   sync.Mutex // TLS also writes on its own account, in the goroutine that reads
	held []byte     // if not nil, what Write takes waits here for flush
}

func (w *wire) Read(p []byte) (int, error) {
	if w.look != nil {
		switch w.look() {
		case socket.Silent:
			return 0, os.ErrDeadlineExceeded // TLS goes on after this one
		case socket.Ended:
			return 0, io.EOF
		}
	}
	return w.Conn.Read(p)
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held != nil {
		w.held = append(w.held, p...)
		return len(p), nil
	}
	return w.write(p)
}

// hold gathers what is written in room, which has some, until flush. TLS writes
// each record of 16 KiB by itself, and each wakes whoever waits for it.
func (w *wire) hold(room []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = room[:0]
}

func (w *wire) flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := w.write(w.held)
	w.held = nil
	return err
}

// write is called with w.mu held.
func (w *wire) write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	w.sent.Add(int64(n))
	return n, err
}

// Read reads what TLS has decrypted, as much of it as may be.
func (c *conn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, fmt.Errorf("upstream: the answer's head is longer than %d bytes", c.t.config.MaxHead)
	}
	n, err := c.tls.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// close ends a connection on which nothing is under way.
func (c *conn) close() { _ = c.tls.Close() }

// abort breaks a connection off, whoever reads or writes. The server does not
// see TLS's proper end, and so knows a part for a part.
func (c *conn) abort() { _ = c.wire.Conn.Close() }

// usable reports whether an idle connection can be expected to serve another
// request: the server has not ended it and has said nothing unasked.
func (c *conn) usable() bool {
	if c.watched != nil {
		return c.unwatch()
	}
	// TLS may hold what came with the last answer, and it may have something to
	// say of its own: only reading through it tells.
	c.wire.look = c.look
	_, err := c.br.Peek(1)
	c.wire.look = nil
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// watch waits for what an idle connection brings where the system cannot be
// asked when it is used again.
func (c *conn) watch() {
	if c.look != nil {
		return
	}
	c.watched = make(chan bool, 1)
	go func() {
		_, err := c.br.Peek(1)
		c.watched <- errors.Is(err, os.ErrDeadlineExceeded)
	}()
}

// unwatch ends the watch and reports whether nothing has come.
func (c *conn) unwatch() bool {
	_ = c.wire.SetReadDeadline(time.Unix(1, 0))
	silent := <-c.watched
	c.watched = nil
	return silent && c.wire.SetReadDeadline(time.Time{}) == nil
}
