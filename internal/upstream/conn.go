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
	transport *Transport // that uses the connection; nil until it is connected
	tcp       net.Conn   // as Config.Dial returned it
	wire      *wire
	tls       *tls.Conn
	state     *tls.ConnectionState
	br        *bufio.Reader       // reads from the conn, which bounds a response's head
	probe     func() socket.State // nil: the system has no such call
	readLimit int64               // bytes that may still be read
	deadline  time.Time           // the read deadline of responses, zero for none
	recording bool                // recorded is in use
	recorded  []byte              // what was read since record

	reused     bool      // has served a request before
	idleSince  time.Time // while it is idle
	idleReader chan bool // receives whether the idle connection stayed silent; nil: no goroutine reads
}

// readBufferSize is the size of a connection's read buffer, for a response's
// head and the sizes of chunks. TLS has a buffer of its own below it, so a
// larger one would save no system call. Thousands of streams have one each.
const readBufferSize = 1 << 10

// newConn returns a connection before its TLS handshake. through is tcp, or the
// tunnel through a corporate proxy at the other end of tcp.
func newConn(config *Config, through, tcp net.Conn, tlsConfig *tls.Config) *conn {
	c := &conn{config: config, tcp: tcp, wire: &wire{Conn: socket.Of(through)}, readLimit: math.MaxInt64}
	c.tls = tls.Client(c.wire, tlsConfig)
	c.br = bufio.NewReaderSize(c, readBufferSize)
	c.probe = socket.Probe(through)
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

// record keeps a copy of what is read from now on, after already.
func (c *conn) record(already []byte) {
	c.recording = true
	c.recorded = append([]byte(nil), already...)
}

// stopRecording returns what was recorded.
func (c *conn) stopRecording() []byte {
	recorded := c.recorded
	c.recording, c.recorded = false, nil
	return recorded
}

// close closes a connection that no attempt uses.
func (c *conn) close() { _ = c.tls.Close() }

// abort closes the connection while it may be read and written. It sends no
// TLS close_notify, so that the server does not take a truncated request for a
// whole one, and discards what is unsent: after an outage the system would still
// deliver a request whose client has given up.
func (c *conn) abort() {
	if tcp, ok := c.tcp.(interface{ SetLinger(seconds int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.tcp.Close()
}

// usable reports whether an idle connection can serve another request: the
// server has neither closed it nor sent anything, and its address is current.
func (c *conn) usable() bool {
	if !c.config.Current(c.tcp) {
		return false
	}
	if c.idleReader != nil {
		return c.stopIdleReader()
	}
	// Read through TLS: it may have buffered bytes after the last response, and
	// the server may have sent a message of TLS itself.
	c.wire.probe = c.probe
	_, err := c.br.Peek(1)
	c.wire.probe = nil
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// startIdleReader reads from an idle connection where its state cannot be
// probed.
func (c *conn) startIdleReader() {
	if c.probe != nil {
		return
	}
	c.idleReader = make(chan bool, 1)
	go func() {
		_, err := c.br.Peek(1)
		c.idleReader <- errors.Is(err, os.ErrDeadlineExceeded)
	}()
}

// stopIdleReader reports whether nothing was received.
func (c *conn) stopIdleReader() bool {
	c.deadline = time.Time{}
	_ = c.wire.SetReadDeadline(time.Unix(1, 0))
	silent := <-c.idleReader
	c.idleReader = nil
	return silent && c.wire.SetReadDeadline(time.Time{}) == nil
}
