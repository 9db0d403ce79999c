package soap

import (
	"bytes"

	"hmaproxy/internal/ascii"
)

// A mimeHead reads the senders of an Internet message (RFC 5322) in base64, as
// MimeContent contains it. It reads only the header section, up to maxMIMEHead
// bytes, and keeps one field at a time.
//
// Programs disagree about where the header ends. A mimeHead therefore reads
// everything that any program could treat as the header, or gives up. It gives
// up, for example, at a line end that differs from the earlier line ends, at a
// sender in an unknown form, and at irregular base64.
type mimeHead struct {
	base64 base64Reader
	size   int    // number of decoded bytes
	ending string // line end of the message, LF or CR LF; "" before the first line end
	cr     bool   // the last byte was a CR
	line   int    // length of the current line, without its end
	field  []byte // the first maxLeaf bytes of the current header field, unfolded
	long   bool   // the current header field is longer than maxLeaf
	done   bool   // the header has ended, or the reader has given up
	bad    bool   // the reader has given up
}

func (h *mimeHead) reset() { *h = mimeHead{field: h.field[:0]} }

// write reads the next part of the text. It calls report for each sender, with
// the path that senderField returns for the header field.
func (h *mimeHead) write(text []byte, report func(field, address string) error) error {
	for _, c := range text {
		if h.done {
			return nil
		}
		octet, ok, bad := h.base64.read(c)
		switch {
		case bad:
			h.giveUp()
		case ok:
			if err := h.octet(octet, report); err != nil {
				return err
			}
		}
	}
	return nil
}

// end handles the end of the text, which may be within the header: a message
// may consist only of header fields.
func (h *mimeHead) end(report func(field, address string) error) error {
	if h.done {
		return nil
	}
	h.done = true
	return h.endField(report)
}

func (h *mimeHead) giveUp() { h.done, h.bad = true, true }

// octet handles a byte of the message.
func (h *mimeHead) octet(c byte, report func(field, address string) error) error {
	h.size++
	switch {
	case h.size > maxMIMEHead, c == 0, h.cr && c != '\n':
		h.giveUp()
	case c == '\r':
		h.cr = true
	case c == '\n':
		return h.endLine(report)
	default:
		if h.line == 0 && c != ' ' && c != '\t' { // otherwise the line continues the previous field
			if err := h.endField(report); err != nil {
				return err
			}
		}
		h.line++
		if len(h.field) == maxLeaf {
			h.long = true
			return nil
		}
		h.field = append(h.field, c)
	}
	return nil
}

// endLine handles the end of a line. It skips empty lines before the first
// field. An empty line after a field ends the header.
func (h *mimeHead) endLine(report func(field, address string) error) error {
	ending := "\n"
	if h.cr {
		ending = "\r\n"
	}
	if h.ending != "" && h.ending != ending {
		h.giveUp()
		return nil
	}
	empty := h.line == 0
	h.ending, h.cr, h.line = ending, false, 0
	if !empty || len(trim(h.field)) == 0 {
		return nil
	}
	h.done = true
	return h.endField(report)
}

// endField reports the senders in the current field.
func (h *mimeHead) endField(report func(field, address string) error) error {
	name, value, _ := bytes.Cut(h.field, []byte(":"))
	path, plain := senderField(name)
	long := h.long
	h.field, h.long = h.field[:0], false
	if path == "" {
		return nil
	}
	addresses, ok := parseMailboxes(value)
	if long || !plain || !ok {
		h.giveUp()
		return nil
	}
	for _, address := range addresses {
		if err := report(path, address); err != nil {
			return err
		}
	}
	return nil
}

// senderField returns "MimeContent/From" or "MimeContent/Sender" for the name of
// that header field in upper or lower case, and "" for all other names. It ignores
// characters in the name that are not printable ASCII. plain is false if it has
// ignored a character other than white space at the ends.
func senderField(name []byte) (path string, plain bool) {
	var letters [len("Sender")]byte
	n := 0
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			continue
		}
		if n == len(letters) {
			return "", false
		}
		letters[n] = c
		n++
	}
	plain = len(trim(name)) == n
	switch field := string(letters[:n]); {
	case ascii.EqualFold(field, "From"):
		return "MimeContent/From", plain
	case ascii.EqualFold(field, "Sender"):
		return "MimeContent/Sender", plain
	}
	return "", false
}

// parseMailboxes returns the addresses in the value of From or Sender. It
// accepts the forms that programs write: an address; a display name and an
// address in angle brackets; and comma-separated lists of both. It returns
// false for groups, comments, routes and everything else. An empty value names
// no sender.
func parseMailboxes(value []byte) ([]string, bool) {
	value = trim(value)
	if len(value) == 0 {
		return nil, true
	}
	var addresses []string
	for {
		address, rest, ok := parseMailbox(value)
		if !ok {
			return nil, false
		}
		addresses = append(addresses, address)
		if len(rest) == 0 {
			return addresses, true
		}
		value = rest[1:] // list after the comma
	}
}

// parseMailbox returns the first address of a list. rest is the rest of the
// list, with the comma before it, or empty after the last address. ok is false
// if the address is in a form that parseMailboxes does not accept.
func parseMailbox(list []byte) (address string, rest []byte, ok bool) {
	for i := 0; i < len(list); i++ {
		switch list[i] {
		case '"':
			end := quotedEnd(list[i:])
			if end < 0 {
				return "", nil, false
			}
			i += end
		case '<':
			end := bytes.IndexByte(list[i:], '>')
			if end < 0 {
				return "", nil, false
			}
			address, rest = string(trim(list[i+1:i+end])), trim(list[i+end+1:])
			return address, rest, isPlainAddress(address) && (len(rest) == 0 || rest[0] == ',')
		case ',':
			address = string(trim(list[:i]))
			return address, list[i:], isPlainAddress(address)
		case '(', ')', '>', '[', ']', ':', ';', '\\':
			return "", nil, false
		}
	}
	address = string(trim(list))
	return address, nil, isPlainAddress(address)
}

// quotedEnd returns the index of the quote that ends the quoted string at the
// beginning of p, or -1.
func quotedEnd(p []byte) int {
	for i := 1; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// isPlainAddress reports whether s has exactly one "@" and only characters that
// every reader treats as part of an address.
func isPlainAddress(s string) bool {
	at := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '@':
			at++
		case c <= ' ' || c >= 0x7f, bytes.IndexByte([]byte(`"(),:;<>[\]`), c) >= 0:
			return false
		}
	}
	return at == 1
}

// A base64Reader decodes base64 byte by byte.
type base64Reader struct {
	bits   uint32
	count  int  // number of bits that were read and are not part of an octet yet
	padded bool // a "=" was read
}

// read reads one character. If c completes an octet, read returns the octet and
// ok is true. bad reports that c is not allowed at this place in base64.
func (r *base64Reader) read(c byte) (octet byte, ok, bad bool) {
	var v uint32
	switch {
	case isSpace(c):
		return 0, false, false
	case c == '=':
		r.padded = true
		return 0, false, false
	case 'A' <= c && c <= 'Z':
		v = uint32(c - 'A')
	case 'a' <= c && c <= 'z':
		v = uint32(c-'a') + 26
	case '0' <= c && c <= '9':
		v = uint32(c-'0') + 52
	case c == '+':
		v = 62
	case c == '/':
		v = 63
	default:
		return 0, false, true
	}
	if r.padded {
		return 0, false, true
	}
	r.bits = r.bits<<6 | v
	if r.count += 6; r.count < 8 {
		return 0, false, false
	}
	r.count -= 8
	return byte(r.bits >> r.count), true, false
}
