package exchange

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
)

// A rawReader feeds an XML decoder byte by byte, so that the decoder never reads
// beyond the token that it returns. It keeps the document's head, hashes the Body,
// and trims long runs of text, which the decoder would buffer.
type rawReader struct {
	in      *bufio.Reader
	kept    []byte // the head, while it is being read
	keeping bool
	hash    hash.Hash // hash of the Body; may be nil
	pending []byte    // bytes that are not hashed yet

	inTag    bool
	inEntity bool
	run      int
	longest  int   // length of the longest run that is not trimmed
	trimmed  int64 // number of bytes that were trimmed so far
}

func newRawReader(r io.Reader) *rawReader {
	return &rawReader{in: bufio.NewReaderSize(r, 16<<10), keeping: true, longest: trimTextRun}
}

// ReadByte returns the next byte that was not trimmed. The decoder calls only
// this method.
func (r *rawReader) ReadByte() (byte, error) {
	for {
		b, err := r.in.ReadByte()
		if err != nil {
			return 0, err
		}
		if r.keeping {
			if len(r.kept) >= maxHead {
				return 0, errors.New("the SOAP header exceeds the quota of 163840 bytes")
			}
			r.kept = append(r.kept, b)
		}
		if r.hash != nil {
			if r.pending = append(r.pending, b); len(r.pending) == cap(r.pending) {
				r.flush()
			}
		}
		if !r.trim(b) {
			return b, nil
		}
		r.trimmed++
	}
}

// Read implements io.Reader, which xml.NewDecoder requires.
func (r *rawReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := r.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = b
	return 1, nil
}

// trim reports whether b may be left out: it is a byte of base64, and at least
// r.longest bytes of the run of text precede it. Every byte that could be markup is
// kept.
func (r *rawReader) trim(b byte) bool {
	switch b {
	case '<':
		r.inTag, r.run = true, 0
	case '>':
		r.inTag = false
	case '&':
		r.inEntity = true
	case ';':
		r.inEntity = false
	}
	if r.inTag || r.inEntity {
		return false
	}
	r.run++
	return r.run > r.longest && isBase64(b)
}

func isBase64(b byte) bool {
	return 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z' || '0' <= b && b <= '9' ||
		b == '+' || b == '/' || b == '=' || b == '\r' || b == '\n'
}

func (r *rawReader) stopKeeping() []byte {
	r.keeping = false
	return r.kept
}

func (r *rawReader) startHash(tag []byte) {
	r.hash = sha256.New()
	r.hash.Write(tag)
	r.pending = make([]byte, 0, 4<<10)
}

func (r *rawReader) flush() {
	r.hash.Write(r.pending)
	r.pending = r.pending[:0]
}

func (r *rawReader) stopHash() string {
	r.flush()
	sum := hex.EncodeToString(r.hash.Sum(nil))
	r.hash = nil
	return sum
}
