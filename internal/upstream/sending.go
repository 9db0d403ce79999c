package upstream

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"
)

// A sending sends a message whose body is not in memory or is long, while the
// flight listens for the answer: servers may answer before they have it all.
type sending struct {
	f      *flight
	goOn   chan bool     // whether the body is to be sent, where the server is asked
	done   chan struct{} // closed when the body is closed
	err    error         // why the message did not go to its end; valid once done is closed, as is broken
	broken bool          // it was the connection, not the body
}

func newSending(f *flight) *sending {
	return &sending{f: f, goOn: make(chan bool, 1), done: make(chan struct{})}
}

// signal says what the server thinks of the body. The first word counts.
func (s *sending) signal(wanted bool) {
	select {
	case s.goOn <- wanted:
	default:
	}
}

func (s *sending) run() {
	defer close(s.done)
	s.broken, s.err = s.send()
	s.f.close()
	if s.broken {
		s.f.late()
	}
	s.f.part(s.err == nil || s.broken)
}

// send reports whether it was the connection that broke, or else the body.
func (s *sending) send() (broken bool, err error) {
	if _, err := s.f.c.tls.Write(s.f.text); err != nil {
		return true, err
	}
	if s.f.expect && !s.wanted() {
		return false, nil
	}
	return s.copy()
}

// wanted waits for the server's word.
func (s *sending) wanted() bool {
	patience := time.NewTimer(s.f.c.t.config.ContinueTimeout)
	defer patience.Stop()
	select {
	case wanted := <-s.goOn:
		return wanted
	case <-patience.C:
		return true
	case <-s.f.ctx.Done():
		return false
	}
}

// Sizes of what is sent at once.
const (
	pieceSize = 64 << 10
	chunkHead = len("fff0\r\n")
	chunkEnd  = len("\r\n0\r\n\r\n")

	recordsSize = pieceSize + 1<<10 // of a piece as TLS has it: some thirty bytes more in each 16 KiB
)

// A piece is memory for a part of a body, and for the same in TLS.
type piece struct {
	text    [pieceSize]byte
	records [recordsSize]byte
}

var pieces = sync.Pool{New: func() any { return new(piece) }}

// copy sends the body. What is sent is one piece, or one chunk, for what one
// Read of the body gives.
func (s *sending) copy() (broken bool, err error) {
	p := pieces.Get().(*piece)
	defer pieces.Put(p)
	sent, length := int64(0), s.f.length
	for {
		n, failed := s.f.body.Read(p.text[chunkHead : pieceSize-chunkEnd])
		last := failed == io.EOF
		switch sent += int64(n); {
		case failed != nil && !last:
			return false, failed
		case length >= 0 && sent > length:
			return false, fmt.Errorf("the request's body is longer than the %d bytes announced", length)
		case length >= 0 && last && sent < length:
			return false, fmt.Errorf("the request's body has %d bytes of the %d announced", sent, length)
		}
		if err := s.write(p, n, last); err != nil {
			return true, err
		}
		if last {
			return false, nil
		}
	}
}

// write sends the n bytes in the middle of a piece.
func (s *sending) write(p *piece, n int, last bool) error {
	from, to := chunkHead, chunkHead+n
	if s.f.length < 0 {
		from, to = frame(&p.text, n, last)
	}
	if from == to {
		return nil
	}
	s.f.c.wire.hold(p.records[:])
	_, err := s.f.c.tls.Write(p.text[from:to])
	return errors.Join(err, s.f.c.wire.flush())
}

// frame writes the frame of a chunk around the n bytes in the middle of text,
// and the end of the chunks.
func frame(text *[pieceSize]byte, n int, last bool) (from, to int) {
	from, to = chunkHead, chunkHead+n
	if n > 0 {
		var size [chunkHead]byte
		head := append(strconv.AppendInt(size[:0], int64(n), 16), "\r\n"...)
		from -= copy(text[chunkHead-len(head):], head)
		to += copy(text[to:], "\r\n")
	}
	if last {
		to += copy(text[to:], "0\r\n\r\n")
	}
	return from, to
}
