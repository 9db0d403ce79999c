package upstream

import (
	"bytes"
	"io"
	"maps"
	"net/textproto"
	"sync/atomic"
)

// Some clients look headers up case-sensitively, for example X-FEServer. In a
// Response, net/http has names in canonical form only (X-Feserver), so the
// transport reads the spelling separately.

// headerNames maps canonical names of headers to the server's spelling. It leaves
// out a name that the server has always spelled canonically. It must not be changed
// after other goroutines have got it.
type headerNames struct {
	spelling  map[string]string // by canonical name
	spellings map[string]bool   // the values of spelling
}

// maxHeaderNames limits the cache. A response that would add more names empties
// it.
const maxHeaderNames = 128

// headerNameCache holds the names of the latest responses. A server sends the
// same names with every response, so the cache rarely allocates memory.
type headerNameCache struct{ last atomic.Pointer[headerNames] }

// read returns the names for a response with the given head.
func (c *headerNameCache) read(head []byte) *headerNames {
	names := c.last.Load()
	var changed *headerNames
	for name := range fieldNames(head) {
		if isCanonical(name) {
			if names == nil || names.spelling[string(name)] == "" {
				continue
			}
		} else if names != nil && names.has(name) {
			continue
		}
		if changed == nil {
			changed = names.clone()
			names = changed
		}
		changed.add(string(name))
	}
	switch {
	case changed == nil:
	case len(changed.spelling) <= maxHeaderNames:
		c.last.Store(changed)
	default:
		c.last.Store(nil) // too many names to cache; the returned names are used for this response only
	}
	return names
}

// has reports whether n contains name in this spelling.
func (n *headerNames) has(name []byte) bool { return n.spellings[string(name)] }

func (n *headerNames) clone() *headerNames {
	if n == nil {
		return &headerNames{spelling: map[string]string{}, spellings: map[string]bool{}}
	}
	return &headerNames{spelling: maps.Clone(n.spelling), spellings: maps.Clone(n.spellings)}
}

func (n *headerNames) add(name string) {
	canonical := textproto.CanonicalMIMEHeaderKey(name)
	delete(n.spellings, n.spelling[canonical])
	n.spelling[canonical], n.spellings[name] = name, true
}

// HeaderName returns the server's spelling of the header whose canonical name is
// given. It returns canonical if the server's spelling is not known.
func (n *headerNames) HeaderName(canonical string) string {
	if n != nil {
		if name, ok := n.spelling[canonical]; ok {
			return name
		}
	}
	return canonical
}

// fieldNames yields the names of the fields in a head. It skips the head's
// first line.
func fieldNames(head []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		_, rest, _ := bytes.Cut(head, []byte("\n"))
		for len(rest) > 0 && rest[0] != '\r' && rest[0] != '\n' {
			var line []byte
			line, rest, _ = bytes.Cut(rest, []byte("\n"))
			name, _, found := bytes.Cut(line, []byte(":"))
			if found && len(name) > 0 && name[0] != ' ' && name[0] != '\t' && !yield(name) {
				return
			}
		}
	}
}

// isCanonical reports whether a name is in net/http's canonical form.
func isCanonical(name []byte) bool {
	upper := true
	for _, c := range name {
		if upper && 'a' <= c && c <= 'z' || !upper && 'A' <= c && c <= 'Z' {
			return false
		}
		upper = c == '-'
	}
	return true
}

// headEnd returns the length of the head at the beginning of b, with its empty
// line, or -1 when the head is not complete.
func headEnd(b []byte) int {
	for i := 0; ; {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return -1
		}
		i += n + 1
		switch rest := b[i:]; {
		case len(rest) >= 1 && rest[0] == '\n':
			return i + 1
		case len(rest) >= 2 && rest[0] == '\r' && rest[1] == '\n':
			return i + 2
		}
	}
}

// An emptyBody is the body of a response that has no body.
type emptyBody struct{ *headerNames }

func (emptyBody) Read([]byte) (int, error)         { return 0, io.EOF }
func (emptyBody) Close() error                     { return nil }
func (emptyBody) WriteTo(io.Writer) (int64, error) { return 0, nil }
