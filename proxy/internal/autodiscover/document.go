package autodiscover

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// Limits of a document, each with its reason.
const (
	MaxDocument = 64 << 10 // 100 of the longest addresses with their elements take less than 40 KiB

	maxDepth      = 16   // clients need 8
	maxElements   = 2048 // 100 users and all settings need fewer than 400 elements
	maxAttributes = 32   // in one start tag, namespace declarations included
	maxText       = 1024 // text of an element; an address has at most 254 characters
)

// A Violation says why a document is refused. It contains no part of the
// document.
type Violation struct{ Reason string }

func (v *Violation) Error() string { return v.Reason }

func violation(reason string) error { return &Violation{reason} }

// An element is an XML element of a document, with its text and child elements.
type element struct {
	name     xml.Name
	attrs    bool   // has attributes other than namespace declarations
	text     string // without surrounding white space
	children []element
	parts    int // number of comments, and of runs of text that are not white space
}

// leaf reports whether e has neither attributes nor child elements, and at most
// one comment or run of text.
func (e *element) leaf() bool { return len(e.children) == 0 && e.parts <= 1 && !e.attrs }

// branch reports whether e has neither attributes nor text.
func (e *element) branch() bool { return e.text == "" && !e.attrs }

// child returns the child element with the given name, or nil if there is none.
// It returns an error if there are two.
func (e *element) child(name xml.Name) (*element, error) {
	var found *element
	for i := range e.children {
		switch c := &e.children[i]; {
		case c.name != name:
		case found != nil:
			return nil, violation("an element is given twice")
		default:
			found = c
		}
	}
	return found, nil
}

// known returns an error if e has a child element whose name is not in names.
func (e *element) known(names ...xml.Name) error {
next:
	for i := range e.children {
		for _, name := range names {
			if e.children[i].name == name {
				continue next
			}
		}
		return violation("an element that is not known")
	}
	return nil
}

// parseDocument reads a document. It accepts UTF-8, XML 1.0, one optional byte
// order mark and one XML declaration. It refuses DOCTYPE, processing instructions
// and CDATA, prefixes that are not declared and attributes that are given twice.
func parseDocument(doc []byte) (*element, error) {
	switch {
	case len(doc) > MaxDocument:
		return nil, violation("the document is too long")
	case !utf8.Valid(doc):
		return nil, violation("the document is not UTF-8")
	case bytes.Contains(doc, []byte("<![CDATA[")):
		return nil, violation("a CDATA section")
	}
	doc = bytes.TrimPrefix(doc, []byte("\xef\xbb\xbf"))
	r := documentReader{decoder: xml.NewDecoder(bytes.NewReader(doc))}
	for {
		token, err := r.decoder.Token()
		switch {
		case err == io.EOF && r.root != nil: // the decoder itself returns an error if elements are not closed
			return r.root, nil
		case err != nil:
			return nil, violation("the document is not well-formed XML in UTF-8")
		}
		if err := r.take(token); err != nil {
			return nil, err
		}
	}
}

// A documentReader builds the tree of a document from its tokens.
type documentReader struct {
	decoder  *xml.Decoder
	root     *element
	open     []*element // from the root to the element that is being read
	elements int
	begun    bool // a token was read; an XML declaration is permitted only as the first token
}

func (r *documentReader) take(token xml.Token) error {
	begun := r.begun
	r.begun = true
	switch token := token.(type) {
	case xml.Directive:
		return violation("a DOCTYPE or another directive")
	case xml.ProcInst:
		if begun || token.Target != "xml" {
			return violation("a processing instruction")
		}
	case xml.StartElement:
		return r.start(token)
	case xml.EndElement:
		e := r.open[len(r.open)-1]
		e.text = strings.Trim(e.text, space)
		r.open = r.open[:len(r.open)-1]
	case xml.CharData:
		return r.add(string(token))
	case xml.Comment:
		if len(r.open) > 0 {
			r.open[len(r.open)-1].parts++
		}
	}
	return nil
}

// space contains the characters that XML calls white space.
const space = " \t\r\n"

func (r *documentReader) start(token xml.StartElement) error {
	r.elements++
	switch {
	case r.root != nil && len(r.open) == 0:
		return violation("more than one root element")
	case len(r.open) == maxDepth:
		return violation("elements are nested too deep")
	case r.elements > maxElements:
		return violation("too many elements")
	}
	attrs, err := checkAttributes(token)
	if err != nil {
		return err
	}
	e := element{name: token.Name, attrs: attrs}
	if r.root == nil {
		r.root = &e
		r.open = append(r.open, r.root)
		return nil
	}
	parent := r.open[len(r.open)-1]
	parent.children = append(parent.children, e)
	r.open = append(r.open, &parent.children[len(parent.children)-1])
	return nil
}

// checkAttributes checks the names in a start tag. It reports whether there are
// attributes other than namespace declarations. The decoder returns an
// undeclared prefix in place of the namespace. checkAttributes recognises such
// a prefix because it has no colon, while every namespace URI has one.
func checkAttributes(token xml.StartElement) (attrs bool, err error) {
	if len(token.Attr) > maxAttributes {
		return false, violation("too many attributes")
	}
	declared := func(space string) bool { return space == "" || strings.Contains(space, ":") }
	if !declared(token.Name.Space) {
		return false, violation("a prefix that is not declared")
	}
	for i, a := range token.Attr {
		for _, earlier := range token.Attr[:i] {
			if a.Name == earlier.Name {
				return false, violation("an attribute is given twice")
			}
		}
		if a.Name.Space == "xmlns" || a.Name == (xml.Name{Local: "xmlns"}) {
			continue
		}
		if !declared(a.Name.Space) {
			return false, violation("a prefix that is not declared")
		}
		attrs = true
	}
	return attrs, nil
}

func (r *documentReader) add(text string) error {
	blank := strings.Trim(text, space) == ""
	if len(r.open) == 0 {
		if blank {
			return nil
		}
		return violation("text outside the root element")
	}
	e := r.open[len(r.open)-1]
	if !blank {
		e.parts++
	}
	if e.text += text; len(e.text) > maxText {
		if strings.Trim(e.text, space) != "" {
			return violation("a text is too long")
		}
		e.text = ""
	}
	return nil
}

// AsViolation returns the violation that err wraps, or nil if there is none.
func AsViolation(err error) *Violation {
	v, _ := errors.AsType[*Violation](err)
	return v
}
