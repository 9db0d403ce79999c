package httpserver

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// A body is the body of a request. Read may be called by another goroutine than
// the handler's, but not after the handler has returned.
type body struct {
	conn *conn
	resp *response // writes 100 Continue; nil: the client does not wait for that

	mu      sync.Mutex // held during a Read
	left    int64      // bytes of the body, or of the chunk, that were not read
	chunked bool
	begun   bool          // a chunk was read whose end was not
	excess  int64         // bytes around small chunks, see readChunkSize
	request *http.Request // gets the trailers
	err     error         // sticky; io.EOF at the end
}

// reset prepares b for a request.
func (b *body) reset(c *conn, h *head) {
	b.conn, b.left = c, h.length
	if h.length < 0 {
		b.chunked, b.left = true, 0
	}
	if h.length == 0 {
		b.err = io.EOF
	}
}

var errBodyClosed = errors.New("httpserver: the body was read after the handler had returned")

// Read reads the body. It returns io.EOF together with the last bytes where these
// end the body.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return 0, b.err
	}
	if b.resp != nil {
		if err := b.resp.writeContinue(); err != nil {
			b.err = err
			return 0, err
		}
		b.resp = nil
	}
	n, err := b.read(p)
	if err != nil {
		b.err = err
		if err == io.EOF {
			b.conn.watch.begin()
		}
	}
	return n, err
}

func (b *body) read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	if !b.chunked {
		n, err = b.readSome(p)
		if err == nil && b.left == 0 {
			err = io.EOF
		}
		return n, err
	}
	for {
		switch {
		case b.left > 0:
			var some int
			some, err = b.readSome(p[n:])
			n += some
		case n > 0 && !b.conn.in.hasLine():
			return n, nil // the next chunk has not come yet
		default:
			err = b.nextChunk()
		}
		if err != nil || n == len(p) && b.left > 0 {
			return n, err
		}
	}
}

// readSome reads bytes of the body, or of one chunk.
func (b *body) readSome(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.conn.in.read(p)
	b.left -= int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// nextChunk reads up to the data of the next chunk. It returns io.EOF after the
// last chunk and the trailer section.
func (b *body) nextChunk() error {
	if b.begun {
		line, err := b.conn.in.line(len("\r\n"))
		if err != nil || len(line) != 0 {
			return chunkError(err)
		}
		b.begun = false
	}
	line, err := b.conn.in.line(maxChunk)
	if err != nil {
		return chunkError(err)
	}
	if b.left, err = parseChunkSize(line); err != nil {
		return err
	}
	// Small chunks are legitimate, long extensions around them are not. The bound
	// is net/http's.
	b.excess = max(0, b.excess+int64(len(line))+2-16-2*b.left)
	if b.excess > 16<<10 {
		return errChunk
	}
	if b.left == 0 {
		return b.readTrailer()
	}
	b.begun = true
	return nil
}

func chunkError(err error) error {
	switch err {
	case nil:
		return errChunk
	case io.EOF:
		return io.ErrUnexpectedEOF
	}
	return err
}

// readTrailer reads the trailer section.
func (b *body) readTrailer() error {
	for size := maxTrailer; ; {
		line, err := b.conn.in.line(size)
		if err != nil {
			return chunkError(err)
		}
		if len(line) == 0 {
			return io.EOF
		}
		size -= len(line) + len("\r\n")
		name, value, err := parseField(string(line))
		if err != nil {
			return err
		}
		if b.request.Trailer == nil {
			b.request.Trailer = make(http.Header)
		}
		b.request.Trailer.Add(name, value)
	}
}

// Close does nothing: the server closes the connection when the handler has not
// read the body.
func (b *body) Close() error { return nil }

// finish ends the body when the handler has returned. It reports whether the body
// was read to its end.
func (b *body) finish() (complete bool) {
	if !b.mu.TryLock() {
		b.conn.in.interrupt() // the handler has left a read behind
		b.mu.Lock()
		b.conn.in.resume()
	}
	defer b.mu.Unlock()
	complete = b.err == io.EOF
	b.err = errBodyClosed
	return complete
}
