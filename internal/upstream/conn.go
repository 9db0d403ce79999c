package upstream

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"time"

	"hmaproxy/internal/socket"
)

// A conn is a connection to the server. At most one attempt uses it at a time.
type conn struct {
	config    *Config
	transport *Transport // the Transport that the connection belongs to; nil until the connection is open
	tcp       net.Conn   // connection that Config.Dial returned
	wire      *wire
	tls       *tls.Conn
	state     *tls.ConnectionState
	br        *bufio.Reader               // reads from the conn, whose readLimit bounds the head of a response
	tryRead   func(p []byte) (int, error) // reads without waiting; nil: the connection has no file descriptor, or the system has no call for it
	readLimit int64                       // number of bytes that may still be read
	recording bool                        // Read appends to recorded
	recorded  []byte                      // copy of the bytes that record and Read have added

	reused     bool      // has served a request before
	idleSince  time.Time // time at which the connection became idle
	idleReader chan bool // the goroutine that reads while the connection is idle sends one value: whether nothing was received; nil: there is no such goroutine
}

// readBufferSize is the size of a connection's read buffer, which holds a
// response's head and the sizes of chunks. A larger buffer would not save
// system calls, because TLS has its own buffer below. It would cost memory,
// because there may be thousands of streams.
const readBufferSize = 1 << 10

// newConn returns a connection before its TLS handshake. through is tcp itself
// or, if tcp leads to a corporate proxy, a tunnel through that proxy.
func newConn(config *Config, through, tcp net.Conn, tlsConfig *tls.Config) *conn {
	c := &conn{config: config, tcp: tcp, wire: &wire{Conn: socket.Of(through)}, readLimit: math.MaxInt64}
	c.tls = tls.Client(c.wire, tlsConfig)
	c.br = bufio.NewReaderSize(c, readBufferSize)
	c.tryRead = socket.TryReader(through)
	return c
}

// Read reads decrypted bytes within readLimit.
func (c *conn) Read(p []byte) (int, error) {
	if c.readLimit <= 0 {
		return 0, fmt.Errorf("upstream: the response's head is longer than %d bytes", c.config.MaxHead)
	}
	n, err := c.tls.Read(p[:min(int64(len(p)), c.readLimit)])
	c.readLimit -= int64(n)
	if c.recording {
		c.recorded = append(c.recorded, p[:n]...)
	}
	return n, err
}

// record begins to keep a copy of the bytes that are read. The copy begins with
// the argument "already", which has bytes that were read before the call.
func (c *conn) record(already []byte) {
	c.recording = true
	c.recorded = append([]byte(nil), already...)
}

// stopRecording ends what record began, and returns the recorded bytes.
func (c *conn) stopRecording() []byte {
	recorded := c.recorded
	c.recording, c.recorded = false, nil
	return recorded
}

// close closes a connection that no attempt uses.
func (c *conn) close() { _ = c.tls.Close() }

// abort closes the connection while other goroutines may read and write it. It
// sends no TLS close_notify, so that the server does not process a truncated
// request as a complete one. It discards unsent bytes: after an outage the
// system would otherwise still deliver a request whose client has given up.
func (c *conn) abort() {
	if tcp, ok := c.tcp.(interface{ SetLinger(seconds int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.tcp.Close()
}

// lose closes the connection because the server is silent. The attempt that uses
// it fails with socket.ErrSilent.
func (c *conn) lose() {
	c.wire.lost.Store(true)
	c.abort()
}

// usable reports whether an idle connection can serve another request: the
// server has neither closed it nor sent anything, it acknowledges keep-alive probes,
// and its address is current.
func (c *conn) usable() bool {
	if !c.config.Current(c.tcp) || c.isSilent() {
		return false
	}
	if c.idleReader != nil {
		return c.stopIdleReader()
	}
	// Look for data through TLS, for two reasons. TLS may have buffered bytes
	// after the last response. Bytes on the socket may belong to a TLS message
	// without data.
	c.wire.tryRead = c.tryRead
	_, err := c.br.Peek(1)
	c.wire.tryRead = nil
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// isSilent reports whether the server of an idle connection may be lost. Without this
// check, a request would wait for socket.MaxSilence.
func (c *conn) isSilent() bool {
	if time.Since(c.idleSince) < socket.Doubtful {
		return false
	}
	s, ok := c.transport.silence.sockets.sending(c.tcp)
	return ok && s.Silence >= socket.Doubtful
}

// startIdleReader reads from an idle connection in another goroutine, if tryRead
// cannot find out later whether something was received.
func (c *conn) startIdleReader() {
	if c.tryRead != nil {
		return
	}
	c.idleReader = make(chan bool, 1)
	go func() {
		_, err := c.br.Peek(1)
		c.idleReader <- errors.Is(err, os.ErrDeadlineExceeded)
	}()
}

// stopIdleReader ends the read of an idle connection. It reports whether the
// connection received nothing.
func (c *conn) stopIdleReader() bool {
	_ = c.wire.SetReadDeadline(time.Unix(1, 0))
	silent := <-c.idleReader
	c.idleReader = nil
	return silent && c.wire.SetReadDeadline(time.Time{}) == nil
}
