package upstream

import (
	"net"
	"sync"
	"sync/atomic"

	"hmaproxy/internal/socket"
)

// A wire is the connection below TLS. It counts the bytes that the operating
// system has accepted, can read without waiting, and can gather several writes
// into one.
type wire struct {
	net.Conn
	sent     atomic.Int64
	lost     atomic.Bool                 // the connection was closed because the server was silent
	received bool                        // the server has sent something; used only by the goroutine that reads
	tryRead  func(p []byte) (int, error) // if set, Read calls it and never waits; see socket.TryReader

	mu       sync.Mutex // needed because TLS may also write in the goroutine that reads, for example for a key update
	gathered []byte     // if not nil, Write collects data here until flush is called
}

// Read returns os.ErrDeadlineExceeded when tryRead is set and nothing has been
// received. TLS treats that error as temporary.
func (w *wire) Read(p []byte) (int, error) {
	read := w.tryRead
	if read == nil {
		read = w.Conn.Read
	}
	n, err := read(p)
	if n > 0 {
		w.received = true
	}
	return n, w.cause(err)
}

// cause returns socket.ErrSilent in place of the error if the connection was
// closed because the server was silent.
func (w *wire) cause(err error) error {
	if err != nil && w.lost.Load() {
		return socket.ErrSilent
	}
	return err
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gathered == nil {
		return w.write(p)
	}
	w.gathered = append(w.gathered, p...)
	if len(p) > 0 && p[0] == applicationData {
		return len(p), nil
	}
	// p is a TLS message without application data, for example for a
	// renegotiation. It is sent now, because the upload's next Write waits
	// until the peer has responded to it.
	_, err := w.write(w.gathered)
	w.gathered = w.gathered[:0]
	return len(p), err
}

// applicationData is the first byte of a TLS record with application data. In
// TLS 1.3 every encrypted record begins with this byte.
const applicationData = 23

// gather makes Write collect application data in buf until flush is called. buf
// should have enough capacity for all the data. TLS writes each record of 16
// KiB separately. If the records are gathered, they need one system call and
// wake the receiver once.
func (w *wire) gather(buf []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gathered = buf[:0]
}

func (w *wire) flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := w.write(w.gathered)
	w.gathered = nil
	return err
}

// write sends p to the server and counts the bytes. The caller holds w.mu.
func (w *wire) write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	w.sent.Add(int64(n))
	return n, w.cause(err)
}
