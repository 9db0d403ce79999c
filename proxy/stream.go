package proxy

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"hmaproxy/proxy/internal/soap"
	"hmaproxy/proxy/policy"
)

// A stream is a payload that is scanned while it passes. It obeys the hold-back
// rule: no byte leaves before it was scanned, and from the operation's end tag
// on none leaves before the whole document was judged. A violation is an error
// of Read, so that the transport breaks the upstream request off.
type stream struct {
	source  io.Reader
	scanner *soap.Scanner // nil: pass bytes as they come
	lenient func(error) bool
	size    int64 // -1 when it is not known

	head   []byte // goes first
	store  []byte // store[r:w] was scanned and not yet sent
	r, w   int
	offset int64 // of store[r] in the client's document
	err    error // sticky, once all is sent that may be

	begun   atomic.Bool // bytes have been taken
	gate    *gate       // of the present attempt
	stuck   func()      // called when Exchange takes nothing more
	readers *readers
}

// errRefused is what the transport sees of a violation; the reason stays here.
var errRefused = errors.New("the request was refused while it was read")

func (s *stream) length() int64 { return s.size }
func (s *stream) fresh() bool   { return !s.begun.Load() }
func (s *stream) unspent() bool { return s.fresh() }
func (s *stream) drop()         { s.head, s.store, s.scanner, s.r, s.w = nil, nil, nil, 0, 0 }
func (s *stream) open() (io.ReadCloser, error) {
	if !s.fresh() {
		return nil, errBodySpent
	}
	s.readers.opened()
	r := &streamReader{stream: s, gate: s.gate}
	r.stuck = time.AfterFunc(takePause, s.stuck)
	return r, nil
}

// streamReader is one attempt's view of a stream.
type streamReader struct {
	stream *stream
	gate   *gate
	closed atomic.Bool
	stuck  *time.Timer // runs while nobody reads
}

// Read also keeps the watch for an upstream that has stopped reading. There is
// no other: while a body is under way net/http does not even notice that the
// client has left.
func (r *streamReader) Read(p []byte) (int, error) {
	r.stuck.Stop()
	defer r.stuck.Reset(takePause)
	if !r.stream.begun.Load() {
		if err := r.gate.pass(); err != nil {
			return 0, err
		}
	}
	return r.stream.read(p)
}

func (r *streamReader) Close() error {
	r.stuck.Stop()
	r.stream.readers.closed(&r.closed)
	return nil
}

func (s *stream) read(p []byte) (int, error) {
	s.begun.Store(true)
	if len(s.head) > 0 {
		n := copy(p, s.head)
		s.head = s.head[n:]
		return n, nil
	}
	for {
		if n := copy(p, s.store[s.r:s.r+s.ready()]); n > 0 {
			s.r, s.offset = s.r+n, s.offset+int64(n)
			return n, nil
		}
		if s.err != nil {
			return 0, s.err
		}
		s.fill()
	}
}

// ready is how many of the stored bytes may leave.
func (s *stream) ready() int {
	switch {
	case s.err != nil && s.err != io.EOF:
		return 0
	case s.scanner == nil:
		return s.w - s.r
	}
	return min(s.w-s.r, max(0, int(s.scanner.Forwardable()-s.offset)))
}

// fill reads once and scans what came.
func (s *stream) fill() {
	if s.w-s.r > heldTail {
		s.fail(&soap.Violation{Offset: s.offset, Reason: "more is held back than a request can need"})
		return
	}
	s.room()
	n, err := s.source.Read(s.store[s.w : s.w+chunk])
	s.w += n
	if !s.scan(s.store[s.w-n : s.w]) {
		return
	}
	if err == io.EOF && s.scanner != nil {
		if err := s.scanner.Close(); err != nil {
			s.fail(err)
		}
	}
	if s.err == nil {
		s.err = err
	}
}

// room makes place for a chunk in a buffer that is used over and over.
func (s *stream) room() {
	if cap(s.store)-s.w >= chunk {
		s.store = s.store[:cap(s.store)]
		return
	}
	store := s.store
	if cap(store) < heldTail+2*chunk {
		store = make([]byte, heldTail+2*chunk)
	}
	store = store[:cap(store)]
	s.w = copy(store, s.store[s.r:s.w])
	s.r, s.store = 0, store
}

func (s *stream) scan(p []byte) bool {
	if s.scanner == nil {
		return true
	}
	if _, err := s.scanner.Write(p); err != nil {
		s.fail(err)
	}
	return s.err == nil
}

// fail ends the stream for a violation, or where refusals are only reported,
// goes on without the scanner.
func (s *stream) fail(err error) {
	if s.lenient(err) {
		s.scanner = nil
		return
	}
	s.err = errors.Join(errRefused, err)
}

// refusalOf turns what the scanner returned into a refusal: its own violation,
// or what the policy said of a reference.
func refusalOf(err error) *policy.Refusal {
	var refusal *policy.Refusal
	if errors.As(err, &refusal) {
		return refusal
	}
	var violation *soap.Violation
	detail := "the request cannot be read"
	if errors.As(err, &violation) {
		detail = violation.Reason
	}
	return &policy.Refusal{Reason: policy.EnvelopeRefused, Detail: detail}
}
