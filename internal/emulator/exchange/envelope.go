package exchange

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	maxHead     = 160 << 10 // Exchange's own limit of the buffered header
	maxNodes    = 100_000
	maxDepth    = 200
	keptText    = 8 << 20 // number of text bytes of a request that are kept; further text is only counted
	trimTextRun = 1 << 20 // bytes of one run of text that are kept, unless KeepContent sets a higher limit
)

// An envelope reads a SOAP document while it arrives. It uses encoding/xml with the
// stricter checks of .NET: prefixes must be declared, attributes must not repeat,
// and DTDs and processing instructions are refused.
type envelope struct {
	raw   *rawReader
	dec   *xml.Decoder
	space []map[string]bool // namespaces in scope, by depth
	nodes int
	text  int
}

func newEnvelope(r io.Reader) *envelope {
	raw := newRawReader(r)
	return &envelope{raw: raw, dec: xml.NewDecoder(raw)}
}

// next returns the next token, or an error if .NET would refuse the token.
func (e *envelope) next() (xml.Token, error) {
	t, err := e.dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case xml.StartElement:
		return t, e.open(t)
	case xml.EndElement:
		e.space = e.space[:len(e.space)-1]
	case xml.Directive:
		return nil, errors.New("DTD is prohibited in this XML document")
	case xml.ProcInst:
		if t.Target != "xml" || len(e.space) > 0 {
			return nil, errors.New("processing instructions (other than the XML declaration) and DTDs are not supported")
		}
	}
	return t, nil
}

func (e *envelope) open(t xml.StartElement) error {
	scope := map[string]bool{"": true, "xml": true, "http://www.w3.org/XML/1998/namespace": true, "xmlns": true}
	if n := len(e.space); n > 0 {
		scope = e.space[n-1]
	}
	for _, a := range t.Attr {
		if a.Name.Space == "xmlns" || a.Name == (xml.Name{Local: "xmlns"}) {
			own := map[string]bool{a.Value: true}
			for k := range scope {
				own[k] = true
			}
			scope = own
		}
	}
	e.space = append(e.space, scope)
	if e.nodes++; e.nodes > maxNodes || len(e.space) > maxDepth {
		return errors.New("the document is too large or too deep")
	}
	seen := map[xml.Name]bool{}
	for _, a := range t.Attr {
		if !scope[a.Name.Space] || seen[a.Name] {
			return fmt.Errorf("attribute '%s' is repeated or its prefix is not declared", a.Name.Local)
		}
		seen[a.Name] = true
	}
	if !scope[t.Name.Space] {
		return fmt.Errorf("'%s' is an undeclared prefix", t.Name.Space)
	}
	return nil
}

// tree reads the element that start begins, up to its end tag, and returns it with
// its content.
func (e *envelope) tree(start xml.StartElement) (*node, error) {
	n := &node{name: start.Name, attr: start.Copy().Attr}
	var text strings.Builder
	trimmed := e.raw.trimmed
	for {
		t, err := e.next()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			kid, err := e.tree(t)
			if err != nil {
				return nil, err
			}
			n.kids = append(n.kids, kid)
			trimmed = e.raw.trimmed
		case xml.CharData:
			n.size += int64(len(t)) + e.raw.trimmed - trimmed
			trimmed = e.raw.trimmed
			if e.text += len(t); e.text <= keptText {
				text.Write(t)
			}
		case xml.EndElement:
			n.text = text.String()
			return n, nil
		}
	}
}

// element returns the next start tag, or false at an end tag. It skips comments and
// white space, and a byte order mark at the start.
func (e *envelope) element() (xml.StartElement, bool, error) {
	for {
		t, err := e.next()
		if err != nil {
			return xml.StartElement{}, false, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			return t.Copy(), true, nil
		case xml.EndElement:
			return xml.StartElement{}, false, nil
		case xml.CharData:
			if len(e.space) == 0 {
				t = bytes.TrimPrefix(t, []byte("\ufeff"))
			}
			if len(bytes.Trim(t, " \t\r\n")) > 0 {
				return xml.StartElement{}, false, errors.New("text where an element is expected")
			}
		}
	}
}

// want reads the next start tag, which must have the given name.
func (e *envelope) want(space, local string) (xml.StartElement, error) {
	t, ok, err := e.element()
	if err == nil && (!ok || t.Name != xml.Name{Space: space, Local: local}) {
		err = fmt.Errorf("'%s' is missing", local)
	}
	return t, err
}

// readHead reads up to and including the Body's start tag. With an error it also
// returns the head. This head has the blocks only if the whole Header was read.
func (e *envelope) readHead() (*head, error) {
	h := new(head)
	if _, err := e.want(nsSoap, "Envelope"); err != nil {
		return h, err
	}
	bodyAt := e.dec.InputOffset()
	t, ok, err := e.element()
	if err == nil && ok && t.Name == (xml.Name{Space: nsSoap, Local: "Header"}) {
		var n *node
		if n, err = e.tree(t); err != nil {
			return h, err
		}
		h.blocks = n.kids
		h.look()
		bodyAt = e.dec.InputOffset()
		t, ok, err = e.element()
	}
	if err != nil {
		return h, err
	}
	if !ok || t.Name != (xml.Name{Space: nsSoap, Local: "Body"}) {
		return h, errors.New("'Body' is missing")
	}
	kept := e.raw.stopKeeping()
	tag := bytes.LastIndexByte(kept[bodyAt:], '<') // white space and comments may precede the Body's start tag
	e.raw.startHash(kept[int(bodyAt)+tag:])
	return h, h.unmarshal(kept)
}

// readOperation reads the Body's first element to its end, and no further.
func (e *envelope) readOperation() (*node, error) {
	t, ok, err := e.element()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &fault{code: "ErrorInvalidRequest", text: "The request is invalid."}
	}
	return e.tree(t)
}

// finish reads to the end of the input. It returns the hash of the Body, or ""
// if the input ended within the Body.
func (e *envelope) finish() string {
	sum := ""
	for {
		if _, err := e.next(); err != nil {
			break
		}
		if len(e.space) == 1 && sum == "" {
			sum = e.raw.stopHash()
		}
	}
	io.Copy(io.Discard, e.raw.in)
	return sum
}

// BodySHA256 returns the SHA-256, in hexadecimal, of the part of an envelope from
// "<Body" to the end of "</Body>", for comparison with Hop.BodySHA256. prefix is
// the namespace prefix of Body; "" if Body has none.
func BodySHA256(envelope []byte, prefix string) string {
	if prefix != "" {
		prefix += ":"
	}
	from, end := bytes.Index(envelope, []byte("<"+prefix+"Body")), []byte("</"+prefix+"Body>")
	to := bytes.LastIndex(envelope, end)
	if from < 0 || to < from {
		return ""
	}
	sum := sha256.Sum256(envelope[from : to+len(end)])
	return hex.EncodeToString(sum[:])
}
