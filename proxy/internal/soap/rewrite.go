package soap

import "hmaproxy/proxy/ews"

// headTags are the parts of the tags of Envelope and Header that are needed to
// write a new head.
type headTags struct {
	envelope []byte // start tag of Envelope, rewritten
	prefix   []byte // prefix of Envelope, with its colon
	header   []byte // name of Header as written, empty without a Header
	slash    int64  // offset of "/" in <Header/>, 0 for a Header with an end tag
	close    int64  // offset of the "<" of Header's end tag
}

func (h *headTags) reset() {
	*h = headTags{envelope: h.envelope[:0], prefix: h.prefix[:0], header: h.header[:0]}
}

// keepEnvelope writes a new start tag for the Envelope. It keeps the prefix and
// the name that the client wrote, because they must match the client's end tag.
// It keeps the namespace declarations, because the Body may use them.
func (h *headTags) keepEnvelope(e *element) {
	if len(e.prefix) > 0 {
		h.prefix = append(append(h.prefix, e.prefix...), ':')
	}
	h.envelope = append(append(h.envelope, '<'), e.name...)
	for i := range e.attrs {
		a := &e.attrs[i]
		if a.declares() {
			h.envelope = append(append(h.envelope, ' '), a.name...)
			h.envelope = append(append(h.envelope, `="`...), a.value...)
			h.envelope = append(h.envelope, '"')
		}
	}
	h.envelope = append(h.envelope, '>')
}

// keepHeader records the start tag of Header.
func (h *headTags) keepHeader(e *element) {
	h.header = append(h.header, e.name...)
	if e.empty {
		h.slash = e.at + int64(e.size)
	}
}

// endHeader records the offset of the end tag of Header.
func (h *headTags) endHeader(at int64) { h.close = at }

// appendHead appends a new head with the given header blocks; see
// Scanner.AppendHead.
func (h *headTags) appendHead(dst, blocks []byte, id ews.Identity) []byte {
	dst = append(dst, `<?xml version="1.0" encoding="utf-8"?>`...)
	dst = append(dst, h.envelope...)
	dst = h.appendTag(dst, "<")
	dst = append(dst, blocks...)
	dst = appendIdentity(dst, id)
	return h.appendTag(dst, "</")
}

// appendSpliced appends the client's head with an impersonation added; see
// Scanner.AppendSpliced.
func (h *headTags) appendSpliced(dst, head []byte, id ews.Identity) []byte {
	switch {
	case len(h.header) == 0:
		dst = append(dst, head...)
		dst = h.appendTag(dst, "<")
		dst = appendIdentity(dst, id)
		return h.appendTag(dst, "</")
	case h.slash > 0:
		dst = append(append(dst, head[:h.slash]...), '>')
		dst = appendIdentity(dst, id)
		dst = append(append(dst, "</"...), h.header...)
		return append(dst, head[h.slash+1:]...)
	default:
		dst = append(dst, head[:h.close]...)
		dst = appendIdentity(dst, id)
		return append(dst, head[h.close:]...)
	}
}

// appendTag appends a tag of Header with the prefix of Envelope. opening is "<"
// or "</".
func (h *headTags) appendTag(dst []byte, opening string) []byte {
	dst = append(append(dst, opening...), h.prefix...)
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
