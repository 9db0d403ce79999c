package upstream

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"
)

// An upload sends a message whose body is long, is not in memory, or waits for 100
// Continue. It does so in its own goroutine, because a server may respond before it
// has received the whole body.
type upload struct {
	attempt    *attempt
	decision   chan bool     // receives whether to send the body, if the request has "Expect: 100-continue"
	done       chan struct{} // closed after the body was closed
	err        error         // why the message was not sent completely; valid after done
	connFailed bool          // err comes from the connection and not from the body; valid after done
}

func newUpload(a *attempt) *upload {
	return &upload{attempt: a, decision: make(chan bool, 1), done: make(chan struct{})}
}

// decide sets whether the body is sent. Only the first call has an effect.
func (u *upload) decide(send bool) {
	select {
	case u.decision <- send:
	default:
	}
}

func (u *upload) run() {
	defer close(u.done)
	u.connFailed, u.err = u.send()
	u.attempt.msg.closeBody()
	switch {
	case u.connFailed:
		u.attempt.sendFailed(u.err)
	case u.err == nil:
		u.attempt.deadline.requestSent(u.attempt.conn, u.attempt.msg.request)
	}
	u.attempt.partEnded(u.err == nil || u.connFailed)
}

// send sends the message. connFailed reports that err comes from the
// connection.
func (u *upload) send() (connFailed bool, err error) {
	m := u.attempt.msg
	if _, err := u.attempt.conn.tls.Write(m.text); err != nil {
		return true, err
	}
	if m.expect && !u.awaitDecision() {
		return false, nil
	}
	return u.sendBody()
}

// awaitDecision waits for the server's response to "Expect: 100-continue", but
// not longer than ContinueTimeout. It reports whether to send the body.
func (u *upload) awaitDecision() bool {
	timeout := time.NewTimer(u.attempt.conn.config.ContinueTimeout)
	defer timeout.Stop()
	select {
	case send := <-u.decision:
		return send
	case <-timeout.C:
		return true
	case <-u.attempt.msg.ctx.Done():
		return false
	}
}

// Sizes of the pieces in which a body is sent.
const (
	maxRead       = 96 << 10 // bytes of the body that a piece contains at most
	maxChunkStart = len("18000\r\n")
	maxChunkEnd   = len("\r\n0\r\n\r\n")
	pieceSize     = maxChunkStart + maxRead + maxChunkEnd

	maxRecords = pieceSize + 1<<10 // room for a piece in TLS records, each of which adds about thirty bytes to 16 KiB
)

// A piece is memory for a part of a body and for the TLS records of that part.
type piece struct {
	text    [pieceSize]byte
	records [maxRecords]byte
}

var pieces = sync.Pool{New: func() any { return new(piece) }}

// sendBody sends the body. The bytes of one Read are sent as one piece. If the
// length of the body is unknown, that piece is a chunk.
func (u *upload) sendBody() (connFailed bool, err error) {
	p := pieces.Get().(*piece)
	defer pieces.Put(p)
	sent, length := int64(0), u.attempt.msg.length
	for {
		n, readErr := u.attempt.msg.body.Read(p.text[maxChunkStart : maxChunkStart+maxRead])
		last := readErr == io.EOF
		switch sent += int64(n); {
		case readErr != nil && !last:
			return false, readErr
		case length >= 0 && sent > length:
			return false, fmt.Errorf("the request's body is longer than the %d bytes announced", length)
		case length >= 0 && last && sent < length:
			return false, fmt.Errorf("the request's body has %d bytes of the %d announced", sent, length)
		}
		if err := u.writePiece(p, n, last); err != nil {
			return true, err
		}
		if last {
			return false, nil
		}
	}
}

// writePiece sends the n bytes in p that begin at maxChunkStart. If last is true,
// the body ends with these bytes.
func (u *upload) writePiece(p *piece, n int, last bool) error {
	from, to := maxChunkStart, maxChunkStart+n
	if u.attempt.msg.length < 0 {
		from, to = frameChunk(&p.text, n, last)
	}
	if from == to {
		return nil
	}
	c := u.attempt.conn
	c.wire.gather(p.records[:])
	_, err := c.tls.Write(p.text[from:to])
	return errors.Join(err, c.wire.flush())
}

// frameChunk adds the framing of a chunk to the n bytes in text that begin at
// maxChunkStart. After the last chunk it adds the end of the body. The bytes to
// send are text[from:to].
func frameChunk(text *[pieceSize]byte, n int, last bool) (from, to int) {
	from, to = maxChunkStart, maxChunkStart+n
	if n > 0 {
		var buf [maxChunkStart]byte
		start := append(strconv.AppendInt(buf[:0], int64(n), 16), "\r\n"...)
		from -= copy(text[maxChunkStart-len(start):], start)
		to += copy(text[to:], "\r\n")
	}
	if last {
		to += copy(text[to:], "0\r\n\r\n")
	}
	return from, to
}
