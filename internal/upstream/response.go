package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
)

// A responseBody is the body of a response. Close may be called while another
// goroutine reads. It has a method HeaderName, which returns the server's
// spelling of a header's canonical name.
type responseBody struct {
	*headerNames
	attempt   *attempt
	body      io.ReadCloser // Body of the http.Response that http.ReadResponse returned
	fillReads bool          // whether a Read may return several TLS records
	keepAlive bool          // the server keeps the connection open after the response
	state     atomic.Int32
}

// States of a response body.
const (
	responseOpen     int32 = iota
	responseComplete       // read to its end
	responseClosed         // closed or failed before its end
)

// Read reads the body. An error other than io.EOF means that the body is
// incomplete.
func (b *responseBody) Read(p []byte) (int, error) {
	switch b.state.Load() {
	case responseComplete:
		return 0, io.EOF
	case responseClosed:
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.body.Read(p)
	if b.fillReads {
		n, err = b.fill(p, n, err)
	}
	switch {
	case err == io.EOF:
		if b.finish(responseComplete); b.state.Load() != responseComplete { // another goroutine has called Close first
			err = http.ErrBodyReadAfterClose
		}
	case err != nil:
		b.attempt.conn.transport.checkPeer(err)
		b.finish(responseClosed)
		if ctx := b.attempt.msg.ctx; ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	}
	return n, err
}

// minFillSize is the response size above which a Read may return several TLS
// records.
const minFillSize = 64 << 10

// fill continues a Read that has returned the first n bytes of p, and err. It
// reads more bytes as long as received data is available and p has room for a
// TLS record. It does not wait. It returns the new number of bytes in p.
func (b *responseBody) fill(p []byte, n int, err error) (int, error) {
	c := b.attempt.conn
	c.wire.tryRead = c.tryRead
	defer func() { c.wire.tryRead = nil }()
	const record = 16 << 10
	for err == nil && len(p)-n >= record {
		var more int
		more, err = b.body.Read(p[n:])
		n += more
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return n, err
}

// Close ends the response. It closes the connection unless the body was read to
// its end.
func (b *responseBody) Close() error {
	b.finish(responseClosed)
	return nil
}

// finish moves the body to its last state. Only the first call has an effect.
func (b *responseBody) finish(state int32) {
	if !b.state.CompareAndSwap(responseOpen, state) {
		return
	}
	// Close the connection if bytes follow the response, because they would be
	// read as the next response.
	reusable := state == responseComplete && b.keepAlive && b.attempt.conn.br.Buffered() == 0
	b.attempt.responseEnded(reusable)
}
