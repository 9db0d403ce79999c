package body

import (
	"errors"
	"io"
	"sync/atomic"
)

// ErrRefused marks the error of an Inspector. The transport aborts the upstream
// request when Read returns such an error.
var ErrRefused = errors.New("the request was refused while it was read")

// ErrTail is the error for a body with too many inspected bytes that may not be
// sent yet. No valid request has more than maxTail such bytes.
var ErrTail = errors.New("more of the body has to wait for its end than a request can need")

// A Stream is a Payload that is read from the client, inspected and sent at the
// same time. No byte is sent before the Inspector has permitted it, and a
// refused body is never completed.
type Stream struct {
	users
	owner     Owner
	buffer    *Buffer
	client    *Reader
	inspector Inspector
	size      int64

	head   []byte // bytes that are sent first
	store  []byte // store[r:w] was inspected and is not yet sent
	r, w   int
	offset int64 // offset of store[r] in the client's body
	err    error // error that Read returns: io.EOF after all bytes were sent, any other error immediately

	begun atomic.Bool // an attempt has read a byte
}

// NewStream returns a Payload that consists of head, buffer.Bytes()[from:] and the
// rest of the client's body. announced is the length of the client's body, -1 if it
// is unknown. owner owns the memory of head, of buffer and of the Inspector.
func NewStream(head []byte, buffer *Buffer, from int, client *Reader, announced int64, in Inspector, owner Owner) *Stream {
	data := buffer.Bytes()
	s := &Stream{
		owner: owner, buffer: buffer, client: client, inspector: in, size: -1,
		head: head, store: data, r: from, w: len(data), offset: int64(from),
	}
	s.payload = s
	if announced >= 0 {
		s.size = announced - int64(from) + int64(len(head))
	}
	return s
}

func (s *Stream) release() {
	s.head, s.store, s.inspector, s.r, s.w = nil, nil, nil, 0, 0
	s.owner.Release()
}

func (s *Stream) Len() int64     { return s.size }
func (s *Stream) CanOpen() bool  { return !s.begun.Load() }
func (s *Stream) Streamed() bool { return true }
func (s *Stream) Unsent() bool   { return !s.begun.Load() }
func (s *Stream) Err() error {
	if s.err == io.EOF {
		return nil
	}
	return s.err
}

func (s *Stream) Open() (io.ReadCloser, error) {
	if !s.CanOpen() {
		return nil, ErrSpent
	}
	s.opened()
	return &streamReader{stream: s}, nil
}

// A streamReader is one attempt's reader of a Stream.
type streamReader struct {
	stream *Stream
	closed atomic.Bool
}

func (r *streamReader) Read(p []byte) (int, error) { return r.stream.read(p) }

func (r *streamReader) Close() error {
	r.stream.readerClosed(&r.closed)
	return nil
}

func (s *Stream) read(p []byte) (int, error) {
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

// ready returns how many of the stored bytes may be sent.
func (s *Stream) ready() int {
	stored := s.w - s.r
	switch s.err {
	case io.EOF:
		return stored
	case nil:
		return int(min(int64(stored), max(0, s.inspector.Forwardable()-s.offset)))
	}
	return 0
}

// fill reads once from the client and inspects the bytes read.
func (s *Stream) fill() {
	if s.w-s.r > maxTail {
		if refused := s.inspector.Refuse(ErrTail); refused != nil {
			s.err = errors.Join(ErrRefused, refused)
		}
		return
	}
	if !s.makeRoom() {
		s.err = ErrFull
		return
	}
	n, err := s.client.Read(s.store[s.w:min(s.w+chunk, len(s.store))])
	s.w += n
	refused := s.inspector.Inspect(s.store[s.w-n : s.w])
	if refused == nil && err == io.EOF {
		refused = s.inspector.Finish()
	}
	if refused != nil {
		err = errors.Join(ErrRefused, refused)
	}
	s.err = err
}

// makeRoom makes room for further bytes in store: for a chunk, or for less if
// the budget is used up. It returns false when there is no room.
func (s *Stream) makeRoom() bool {
	if s.r == s.w {
		s.r, s.w = 0, 0
	}
	store := s.store[:cap(s.store)]
	if len(store)-s.w < chunk {
		if len(store) < streamSize && s.buffer.extend(streamSize) {
			store = make([]byte, streamSize)
		}
		s.w = copy(store, s.store[s.r:s.w])
		s.r = 0
	}
	s.store = store
	return s.w < len(store)
}
