package exchange

import (
	"encoding/xml"
	"strings"
)

// A node is an element with its attributes, text and children.
type node struct {
	name xml.Name
	attr []xml.Attr
	text string
	size int64 // size of the text on the wire, in bytes, including trimmed runs
	kids []*node
}

// attribute returns an attribute's value, or "". It may be called on nil.
func (n *node) attribute(space, local string) string {
	if n == nil {
		return ""
	}
	for _, a := range n.attr {
		if a.Name.Local == local && a.Name.Space == space {
			return a.Value
		}
	}
	return ""
}

// find returns the first element along a path of local names, or nil. It may
// be called on nil.
func (n *node) find(path ...string) *node {
	for _, local := range path {
		if n == nil {
			return nil
		}
		var next *node
		for _, kid := range n.kids {
			if kid.name.Local == local {
				next = kid
				break
			}
		}
		n = next
	}
	return n
}

// value returns the trimmed text at a path, or "".
func (n *node) value(path ...string) string {
	if found := n.find(path...); found != nil {
		return strings.TrimSpace(found.text)
	}
	return ""
}

// children returns the elements below a path.
func (n *node) children(path ...string) []*node {
	if found := n.find(path...); found != nil {
		return found.kids
	}
	return nil
}

func leaf(name, text string) *node {
	return &node{name: xml.Name{Space: nsTypes, Local: name}, text: text}
}

func branch(name string, kids ...*node) *node {
	return &node{name: xml.Name{Space: nsTypes, Local: name}, kids: kids}
}

// with adds an attribute.
func (n *node) with(name, value string) *node {
	n.attr = append(n.attr, xml.Attr{Name: xml.Name{Local: name}, Value: value})
	return n
}

// write renders an element of the types namespace.
func (n *node) write(b *strings.Builder) {
	b.WriteString("<t:" + n.name.Local)
	for _, a := range n.attr {
		if a.Name.Space == "" && a.Name.Local != "xmlns" {
			b.WriteString(" " + a.Name.Local + `="` + esc(a.Value) + `"`)
		}
	}
	b.WriteString(">")
	if len(n.kids) == 0 {
		xml.EscapeText(b, []byte(n.text))
	}
	for _, kid := range n.kids {
		kid.write(b)
	}
	b.WriteString("</t:" + n.name.Local + ">")
}

// weight returns the size of all text below a node, as it was on the wire.
func (n *node) weight() int64 {
	size := n.size
	for _, kid := range n.kids {
		size += kid.weight()
	}
	return size
}
