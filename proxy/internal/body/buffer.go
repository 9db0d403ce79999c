package body

import (
	"errors"
	"io"
	"sync"
)

// An Inspector decides which bytes of a body may be sent.
type Inspector interface {
	// Inspect inspects the next bytes. After an error, no further bytes are
	// read or sent.
	Inspect(p []byte) error
	// Finish is called at the end of the body. If it returns an error, the
	// body is refused.
	Finish() error
	// Refuse decides whether the body is refused because of err, an error that
	// does not come from Inspect. It returns the error with which the body is
	// refused, or nil if the body is sent nevertheless. After nil, Forwardable
	// permits all bytes.
	Refuse(err error) error
	// HeadKnown reports whether enough of the body was inspected to send its
	// first byte.
	HeadKnown() bool
	// Forwardable returns an offset in the client's body. The bytes before this
	// offset may be sent although Finish has not returned nil yet.
	Forwardable() int64
}

// ErrFull is returned in two cases. A body needs memory, but the budget is used
// up. Or the listener closed the client's connection to make room for another
// connection.
var ErrFull = errors.New("the memory for request bodies is in use")

// A page is memory for a body of usual size, and for the rewritten SOAP head, which
// is sent in place of the client's. The SOAP head is everything before the Body
// element.
type page struct {
	body [pageBody]byte
	head [pageHead]byte
}

var (
	pages      = sync.Pool{New: func() any { return new(page) }}
	longBodies = sync.Pool{New: func() any { return new([MaxBuffered]byte) }}
)

// A Buffer keeps a short body in memory, or the first part of a longer body. The
// zero Buffer is empty. Release releases the memory.
type Buffer struct {
	budget   *Budget
	reserved int64 // number of bytes of the budget that are reserved
	sending  int64 // sendMemory if that memory has been reserved, else 0
	page     *page
	long     *[MaxBuffered]byte // pooled memory for a body that needs all MaxBuffered bytes; else nil
	data     []byte
}

// Fill reads from the client until the body ends or enough of it is in memory:
// MaxBuffered bytes, or less if the budget is used up and the head is known.
// Before it reads a long body, it reserves the memory for sending the body, so
// every body that was read can be sent. announced is the length of the body, -1
// if it is unknown. The error is ErrFull, ErrClient, or an error of the
// Inspector.
func (b *Buffer) Fill(client *Reader, announced int64, budget *Budget, in Inspector) error {
	b.budget = budget
	if !b.reserve(0) || announced > shortBody && !b.reserveSending() {
		return ErrFull
	}
	b.data = b.allocate(announced)
	for !client.Ended() {
		if more, err := b.grow(in); !more {
			return err
		}
		at := len(b.data)
		n, err := client.Read(b.data[at:cap(b.data)])
		if err != nil && err != io.EOF {
			return err
		}
		b.data = b.data[:at+n]
		if err := in.Inspect(b.data[at:]); err != nil {
			return err
		}
	}
	return in.Finish()
}

// Bytes returns the bytes that were read.
func (b *Buffer) Bytes() []byte { return b.data }

// HeadRoom returns empty memory to which a head can be appended.
func (b *Buffer) HeadRoom() []byte { return b.page.head[:0] }

// allocate returns empty memory for a body of the announced length. The
// memory is that of a page if a page is large enough, if the length is unknown, or
// if the budget does not permit more.
func (b *Buffer) allocate(announced int64) []byte {
	b.page = pages.Get().(*page)
	n := announced + 1 // one byte more than the body, for the Read that reports its end
	if n <= int64(len(b.page.body)) || !b.reserve(min(n, MaxBuffered)) {
		return b.page.body[:0]
	}
	return b.reservedRoom()
}

// pageSize is the number of bytes of the budget that a page takes.
const pageSize = pageBody + pageHead

// reserve sets the reservation of b to pageSize plus n bytes. If b has already
// reserved memory for sending, that is included too. reserve returns false if the
// budget does not permit this.
func (b *Buffer) reserve(n int64) bool {
	n += pageSize + b.sending
	if !b.budget.reserve(n - b.reserved) {
		return false
	}
	b.reserved = n
	return true
}

// reserveSending reserves the memory for sending a long body, and reports
// whether it is reserved. It may be called more than once.
func (b *Buffer) reserveSending() bool {
	if b.sending == 0 && b.extend(sendMemory) {
		b.sending = sendMemory
	}
	return b.sending > 0
}

// extend adds n bytes to the reservation of b. It returns false if the budget
// does not permit this.
func (b *Buffer) extend(n int64) bool {
	if !b.budget.reserve(n) {
		return false
	}
	b.reserved += n
	return true
}

func (b *Buffer) reservedRoom() []byte {
	if n := b.reserved - pageSize - b.sending; n < MaxBuffered {
		return make([]byte, 0, n)
	}
	b.long = longBodies.Get().(*[MaxBuffered]byte)
	return b.long[:0]
}

// grow makes room for more bytes. It returns false if enough is buffered and the
// rest must be streamed. It returns an error if the budget is used up and
// either the head is still incomplete or a long body cannot be sent.
func (b *Buffer) grow(in Inspector) (more bool, err error) {
	switch grown := int64(2 * cap(b.data)); {
	case len(b.data) >= MaxBuffered:
		return false, nil
	case len(b.data) < cap(b.data):
		return true, nil
	case grown > shortBody && !b.reserveSending():
		return false, ErrFull
	case b.reserve(min(grown, MaxBuffered)):
		b.data = append(b.reservedRoom(), b.data...)
		return true, nil
	case in.HeadKnown() && b.reserveSending():
		return false, nil
	}
	return false, ErrFull
}

// Release releases memory and budget. It may be called more than once.
func (b *Buffer) Release() {
	if b.reserved > 0 {
		b.budget.release(b.reserved)
		b.reserved, b.sending = 0, 0
	}
	b.data = nil
	if b.page != nil {
		pages.Put(b.page)
		b.page = nil
	}
	if b.long != nil {
		longBodies.Put(b.long)
		b.long = nil
	}
}
