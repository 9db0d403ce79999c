package httpserver

import (
	"net"
	"sync"
)

// An output writes to a connection through a buffer. It has a buffer only while
// bytes are buffered.
type output struct {
	conn net.Conn
	buf  *[]byte // nil: nothing is buffered
	err  error   // error of all further writes
}

// outputs holds unused buffers of writeSize bytes.
var outputs = sync.Pool{New: func() any {
	b := make([]byte, 0, writeSize)
	return &b
}}

// buffer returns the buffer. If there is none, it takes one from the pool.
func (o *output) buffer() *[]byte {
	if o.buf == nil {
		o.buf = outputs.Get().(*[]byte)
		*o.buf = (*o.buf)[:0]
	}
	return o.buf
}

// send writes the buffered bytes and returns the buffer to its pool.
func (o *output) send() error {
	if o.buf == nil {
		return o.err
	}
	if len(*o.buf) > 0 {
		_ = o.write(*o.buf)
	}
	o.discard()
	return o.err
}

// write writes to the connection.
func (o *output) write(p []byte) error {
	if o.err == nil {
		_, o.err = o.conn.Write(p)
	}
	return o.err
}

// discard returns the buffer to its pool without writing its bytes. It does not
// keep a buffer that a large header has enlarged.
func (o *output) discard() {
	if o.buf != nil && cap(*o.buf) <= 2*writeSize {
		outputs.Put(o.buf)
	}
	o.buf = nil
}
