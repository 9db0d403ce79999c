package soap

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"hmaproxy/proxy/ews"
)

// A reading is the content of a document as encoding/xml reads it. Scanner must
// find the same content in every document that it accepts.
type reading struct {
	blocks     []xml.Name
	contents   []string       // attributes and content of each block in a normal form
	identities []ews.Identity // identities of the header blocks that are an ExchangeImpersonation
	operation  string
	push       bool
	bodyOffset int64
	opEnd      int64    // offset of the "<" of the operation's end tag, or of the tag of an empty operation
	body       []string // tokens of the Body
}

type reader struct {
	reading
	stack []xml.Name
	start []int64 // offsets of the start tags of the elements in stack
	text  string

	last     int64 // offset of the last start tag
	startEnd int64 // offset after the last start tag
}

// read parses a document with encoding/xml and returns its content.
func read(doc []byte) (reading, error) {
	doc = bytes.TrimPrefix(doc, []byte("\xEF\xBB\xBF"))
	r := reader{}
	d := xml.NewDecoder(bytes.NewReader(doc))
	for {
		at := d.InputOffset()
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return reading{}, err
		}
		if _, ok := tok.(xml.StartElement); ok {
			r.last, r.startEnd = at, d.InputOffset()
		}
		if err := r.token(tok, at, doc); err != nil {
			return reading{}, err
		}
	}
	if len(r.stack) != 0 || r.operation == "" {
		return reading{}, errors.New("no operation")
	}
	return r.reading, nil
}

func (r *reader) token(tok xml.Token, at int64, doc []byte) error {
	if len(r.stack) >= 2 && r.stack[1].Local == "Body" {
		r.body = append(r.body, fmt.Sprintf("%T%v", tok, tok))
	}
	defer r.content(tok)
	switch tok := tok.(type) {
	case xml.StartElement:
		r.stack, r.start = append(r.stack, tok.Name), append(r.start, at)
		r.text = ""
		return r.enter(tok.Name, at)
	case xml.EndElement:
		r.exit(at, doc)
		r.stack, r.start = r.stack[:len(r.stack)-1], r.start[:len(r.start)-1]
	case xml.CharData:
		r.text += string(tok)
		if len(r.stack) < 3 && strings.Trim(string(tok), " \t\r\n") != "" {
			return errors.New("text outside header blocks and operation")
		}
	case xml.ProcInst:
		if tok.Target != "xml" || at != 0 {
			return errors.New("a processing instruction")
		}
	case xml.Directive:
		return errors.New("a directive")
	}
	return nil
}

func (r *reader) enter(name xml.Name, at int64) error {
	soap := name.Space == ews.EnvelopeNS
	switch len(r.stack) {
	case 1:
		if !soap || name.Local != "Envelope" || r.operation != "" {
			return errors.New("no envelope")
		}
	case 2:
		switch {
		case soap && name.Local == "Header" && r.bodyOffset == 0 && r.blocks == nil:
			r.blocks = []xml.Name{}
		case soap && name.Local == "Body" && r.bodyOffset == 0:
			r.bodyOffset = at
		default:
			return errors.New("no header, no body")
		}
	case 3:
		if r.stack[1].Local == "Header" {
			r.blocks, r.contents = append(r.blocks, name), append(r.contents, "")
			if name == (xml.Name{Space: ews.TypesNS, Local: "ExchangeImpersonation"}) {
				r.identities = append(r.identities, ews.Identity{})
			}
			break
		}
		if r.operation != "" || name.Space != ews.MessagesNS {
			return errors.New("not one operation")
		}
		r.operation = name.Local
	case 4:
		r.push = r.push || r.operation == "Subscribe" && name.Local == "PushSubscriptionRequest"
	}
	if soap && len(r.stack) > 2 {
		return errors.New("a SOAP element out of place")
	}
	return nil
}

// content appends a token of a header block to contents, without the parts that
// a rewritten block may omit.
func (r *reader) content(tok xml.Token) {
	if len(r.stack) < 3 || r.stack[1].Local != "Header" {
		return
	}
	c := &r.contents[len(r.contents)-1]
	switch tok := tok.(type) {
	case xml.StartElement:
		*c += "<" + tok.Name.Space + "|" + tok.Name.Local
		for _, a := range tok.Attr {
			if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" && a.Name.Local != "mustUnderstand" && a.Name.Local != "actor" {
				*c += fmt.Sprintf(" %s=%q", a.Name.Local, strings.Join(strings.Fields(a.Value), " "))
			}
		}
	case xml.EndElement:
		*c += ">"
	case xml.CharData:
		if text := strings.Trim(string(tok), " \t\r\n"); text != "" {
			*c += fmt.Sprintf(" %q", text)
		}
	}
}

func (r *reader) exit(at int64, doc []byte) {
	if len(r.stack) == 3 && r.stack[1].Local == "Body" {
		r.opEnd = at
		if r.last == r.start[2] && at == r.startEnd && doc[at-2] == '/' {
			r.opEnd = r.start[2]
		}
	}
	way := []xml.Name{
		{Space: ews.EnvelopeNS, Local: "Envelope"}, {Space: ews.EnvelopeNS, Local: "Header"},
		{Space: ews.TypesNS, Local: "ExchangeImpersonation"}, {Space: ews.TypesNS, Local: "ConnectingSID"},
	}
	if len(r.stack) != len(way)+1 || !slices.Equal(r.stack[:len(way)], way) {
		return
	}
	for k := ews.PrimarySmtpAddress; k <= ews.SID; k++ {
		if r.stack[len(way)] == (xml.Name{Space: ews.TypesNS, Local: k.String()}) {
			r.identities[len(r.identities)-1] = ews.Identity{Kind: k, Value: strings.Trim(r.text, " \t\r\n")}
		}
	}
}

// agree compares the content that Scanner found in doc with the content that
// encoding/xml finds.
func agree(s *Scanner, doc []byte) error {
	want, err := read(doc)
	if err != nil {
		return fmt.Errorf("encoding/xml: %w", err)
	}
	m := s.Request()
	if m == nil {
		return errors.New("accepted, but without a Request")
	}
	shift := int64(0)
	if bytes.HasPrefix(doc, []byte("\xEF\xBB\xBF")) {
		shift = 3
	}
	switch {
	case m.Operation != want.operation, m.Push != want.push:
		return fmt.Errorf("operation %s %v, want %s %v", m.Operation, m.Push, want.operation, want.push)
	case m.BodyOffset != want.bodyOffset+shift:
		return fmt.Errorf("Body at %d, want %d", m.BodyOffset, want.bodyOffset+shift)
	case s.envelope.operationEnd != want.opEnd+shift:
		return fmt.Errorf("operation ends at %d, want %d", s.envelope.operationEnd, want.opEnd+shift)
	case len(m.Blocks) != len(want.blocks):
		return fmt.Errorf("%d header blocks, want %d", len(m.Blocks), len(want.blocks))
	}
	return agreeOnHeader(m, want)
}

func agreeOnHeader(m *ews.Request, want reading) error {
	var first ews.Identity
	impersonations := 0
	for i, b := range m.Blocks {
		if b.Space != want.blocks[i].Space || b.Name != want.blocks[i].Local {
			return fmt.Errorf("block %d is %v, want %v", i, b, want.blocks[i])
		}
		if b.Space == ews.TypesNS && b.Name == "ExchangeImpersonation" {
			if b.Problem == "" && first.Kind == ews.NoIdentity {
				first = want.identities[impersonations]
			}
			impersonations++
		}
	}
	if m.Identity != first {
		return fmt.Errorf("identity %v, want %v", m.Identity, first)
	}
	return nil
}
