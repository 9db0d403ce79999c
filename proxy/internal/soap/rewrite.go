package soap

import "hmaproxy/proxy/ews"

// A headerTag is the position of Header in the client's bytes.
type headerTag struct {
	name  []byte // as written
	there bool
	slash int64 // offset of "/" in <Header/>, 0 for a Header with an end tag
	close int64 // offset of the "<" of its end tag
}

func (h *headerTag) keep(e *element, at int64) {
	h.name = append(h.name[:0], e.name...)
	h.there = true
	if e.empty {
		h.slash = at + int64(e.size)
	}
}

func (h *headerTag) end(at int64) { h.close = at }

// keepEnvelope writes a new start tag for the Envelope: the client's own name,
// because its end tag comes from the client, and its declarations, which the
// Body's content may use.
func (s *Scanner) keepEnvelope(e *element) {
	if len(e.prefix) > 0 {
		s.prefix = append(append(s.prefix, e.prefix...), ':')
	}
	s.envelope = append(append(s.envelope, '<'), e.name...)
	for i := range e.attrs {
		a := &e.attrs[i]
		if a.declares() {
			s.envelope = append(append(s.envelope, ' '), a.name...)
			s.envelope = append(append(s.envelope, `="`...), a.value...)
			s.envelope = append(s.envelope, '"')
		}
	}
	s.envelope = append(s.envelope, '>')
}

// AppendHead appends a new head, everything before the "<" of Body: the Envelope's
// start tag with the client's own name and its namespace declarations; a Header
// written from the values of the known blocks without a Problem, each kind once;
// and id, unless it is zero, as the only ExchangeImpersonation. It may be called
// once Request returns a Request.
func (s *Scanner) AppendHead(dst []byte, id ews.Identity) []byte {
	dst = append(dst, `<?xml version="1.0" encoding="utf-8"?>`...)
	dst = append(dst, s.envelope...)
	dst = s.appendTag(dst, "<")
	dst = append(dst, s.block.out...)
	dst = appendIdentity(dst, id)
	return s.appendTag(dst, "</")
}

// AppendSpliced appends head, the client's bytes before the "<" of Body, with an
// ExchangeImpersonation for id added. It changes nothing else but the Header: it
// adds one if there is none, and an end tag to <Header/>. It is for requests
// without an ExchangeImpersonation.
func (s *Scanner) AppendSpliced(dst, head []byte, id ews.Identity) []byte {
	switch h := &s.header; {
	case !h.there:
		dst = append(dst, head...)
		dst = s.appendTag(dst, "<")
		dst = appendIdentity(dst, id)
		return s.appendTag(dst, "</")
	case h.slash > 0:
		dst = append(append(dst, head[:h.slash]...), '>')
		dst = appendIdentity(dst, id)
		dst = append(append(dst, "</"...), h.name...)
		return append(dst, head[h.slash+1:]...)
	default:
		dst = append(dst, head[:h.close]...)
		dst = appendIdentity(dst, id)
		return append(dst, head[h.close:]...)
	}
}

// appendTag appends a tag of Header with the Envelope's own prefix.
func (s *Scanner) appendTag(dst []byte, opening string) []byte {
	dst = append(append(dst, opening...), s.prefix...)
	return append(dst, "Header>"...)
}

func appendIdentity(dst []byte, id ews.Identity) []byte {
	if id.IsZero() {
		return dst
	}
	name := id.Kind.String()
	dst = append(dst, `<t:ExchangeImpersonation xmlns:t="`+ews.TypesNS+`"><t:ConnectingSID><t:`...)
	dst = append(append(dst, name...), '>')
	dst = appendEscaped(dst, id.Value)
	dst = append(append(dst, "</t:"...), name...)
	return append(dst, "></t:ConnectingSID></t:ExchangeImpersonation>"...)
}
