package httpserver

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// A body is the body of a request. One goroutine at a time may call Read, until
// the handler has returned.
type body struct {
	conn *conn
	resp *response // the response that sends 100 Continue; nil: the client does not wait for it

	mu      sync.Mutex // held during a Read
	left    int64      // number of bytes of the body, or of the current chunk, that were not read yet
	chunked bool
	begun   bool          // a chunk has begun, and the line end after its data was not read yet
	watched bool          // the watch has begun before the end of the body
	excess  int64         // number of framing bytes beyond the bytes that small chunks need; see nextChunk
	request *http.Request // the request whose Trailer readTrailer sets
	err     error         // the error of all further reads; io.EOF at the end of the body
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

// Read reads the body. It returns io.EOF together with the last bytes if it
// already knows that no more bytes follow.
//
// If no Read was in progress when the watch looked for the client, the client may have
// left although the whole body has arrived. So if the client has left, the Read that
// finds the end of the body fails and returns none of its bytes, unless the response
// has begun. A handler that sends the body on as it reads it can then not complete the
// request of a client that does not wait for the response any more.
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
	if err == io.EOF && b.watched && b.conn.watch.wasBlocked() && !b.conn.resp.hasStarted() && !b.conn.isThere() {
		n, err = 0, errClientLeft
	}
	switch {
	case err == io.EOF:
		b.conn.watch.begin()
	case err == nil && !b.watched:
		b.watched = true
		b.conn.watch.beginBody()
	}
	b.err = err
	return n, err
}

// errClientLeft is the error of reading a body whose client has left.
var errClientLeft = errors.New("httpserver: the client has left")

// inRead reports whether a Read is in progress.
func (b *body) inRead() bool {
	if !b.mu.TryLock() {
		return true
	}
	b.mu.Unlock()
	return false
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
		case n > 0 && !b.nextArrived():
			return n, nil // do not wait for the next chunk
		default:
			err = b.nextChunk()
		}
		if err != nil || n == len(p) && b.left > 0 {
			return n, err
		}
	}
}

// nextArrived reports whether the line before the next chunk has arrived, after the
// end of the current chunk.
func (b *body) nextArrived() bool {
	rest := b.conn.in.buffered()
	return indexLF(rest[min(len(rest), len("\r\n")):]) >= 0
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
	// Many small chunks are permitted, but many long chunk extensions are not.
	// net/http has the same limit.
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

// finish ends the use of the body when the handler has returned. It reports
// whether the body was read to its end.
func (b *body) finish() (complete bool) {
	if !b.mu.TryLock() {
		b.conn.in.interrupt() // a goroutine of the handler is still in Read
		b.mu.Lock()
		b.conn.in.resume()
	}
	defer b.mu.Unlock()
	complete = b.err == io.EOF
	b.err = errBodyClosed
	return complete
}
