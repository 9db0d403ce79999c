package device

import (
	"encoding/binary"
	"errors"
	"net"
)

// maxHello is the size of the largest ClientHello record, header included, that
// fits into one segment on usual networks, with room for options.
const maxHello = 1400

var errLongHello = errors.New("device: the ClientHello is too long")

// A shortHelloConn calls onLong when the first TLS record is longer than maxHello.
type shortHelloConn struct {
	net.Conn
	onLong func(net.Conn)

	head   []byte // first bytes of the first TLS record, until they contain the record's length
	passed bool
}

func (c *shortHelloConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.passed {
		return n, err
	}
	c.head = append(c.head, p[:n]...)
	if len(c.head) < 5 {
		return n, err
	}
	c.passed = true
	if 5+int(binary.BigEndian.Uint16(c.head[3:5])) > maxHello {
		c.onLong(c.Conn)
		return 0, errLongHello
	}
	return n, err
}

// reset closes a TCP connection with RST, and any other connection normally.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// wait reads until the client closes the connection.
func wait(c net.Conn) {
	buf := make([]byte, 4096)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

// A helloConn writes reply in place of the TLS handshake and closes the
// connection.
type helloConn struct {
	net.Conn
	reply string
}

func (c *helloConn) Read(p []byte) (int, error) {
	if n, err := c.Conn.Read(p); err != nil {
		return n, err
	}
	go wait(c.Conn) // the client may still be sending its hello
	write(c.Conn, c.reply)
	_ = c.Conn.Close()
	return 0, net.ErrClosed
}
