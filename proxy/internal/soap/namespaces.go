package soap

import (
	"bytes"
	"hash/maphash"

	"hmaproxy/internal/ascii"
	"hmaproxy/proxy/ews"
)

// A class is the kind of a namespace. Each namespace that this package must
// recognise has its own class.
type class uint8

const (
	nowhere class = iota // no namespace
	foreign              // a namespace without a class of its own
	envelopeClass
	typesClass
	messagesClass
	xmlClass
)

const (
	xmlURI   = "http://www.w3.org/XML/1998/namespace"
	xmlnsURI = "http://www.w3.org/2000/xmlns/"
)

// A space is a namespace. Two spaces are equal if their class, hash and uri are
// equal.
type space struct {
	class class
	hash  uint64
	uri   []byte // only for namespaces of class foreign
}

func (a space) same(b space) bool {
	return a.class == b.class && a.hash == b.hash && bytes.Equal(a.uri, b.uri)
}

// String returns the URI. It returns "" for no namespace and for the namespace
// of the prefix xml.
func (a space) String() string {
	switch a.class {
	case envelopeClass:
		return ews.EnvelopeNS
	case typesClass:
		return ews.TypesNS
	case messagesClass:
		return ews.MessagesNS
	}
	return string(a.uri)
}

// A binding is a namespace declaration in force.
type binding struct {
	prefix []byte
	space  space
	text   int // length of namespaces.text before this binding was added
	slot   uint8
	outer  int16 // one more than the index of the previous binding in its slot; 0: there is none
}

// namespaces are the declarations in force, the innermost last. They are looked
// up by a hash that a client cannot predict. Otherwise a client could choose
// prefixes for which the scanner compares hundreds of declarations.
type namespaces struct {
	seed     maphash.Seed
	bindings []binding
	text     []byte // prefixes and URIs, in the order of bindings
	slots    [256]int16
	work     int64
}

func newNamespaces() namespaces { return namespaces{seed: maphash.MakeSeed()} }

func (n *namespaces) reset() {
	n.pop(0)
	n.work = 0
}

// pop removes the innermost declarations until only count declarations are left.
func (n *namespaces) pop(count int) {
	for i := len(n.bindings) - 1; i >= count; i-- {
		b := &n.bindings[i]
		n.slots[b.slot] = b.outer
		n.text = n.text[:b.text]
	}
	n.bindings = n.bindings[:min(count, len(n.bindings))]
}

// push adds a declaration and reports whether there was room for it.
func (n *namespaces) push(prefix, uri []byte) bool {
	size := len(prefix) + len(uri)
	if len(n.bindings) == maxBindings || len(n.text)+size > maxBindingText {
		return false
	}
	b := binding{text: len(n.text), slot: n.slot(prefix)}
	n.text = append(append(n.text, prefix...), uri...)
	kept := n.text[b.text:]
	b.prefix, uri = kept[:len(prefix)], kept[len(prefix):]
	switch string(uri) {
	case "":
	case ews.EnvelopeNS:
		b.space.class = envelopeClass
	case ews.TypesNS:
		b.space.class = typesClass
	case ews.MessagesNS:
		b.space.class = messagesClass
	default:
		b.space = space{class: foreign, hash: maphash.Bytes(n.seed, uri), uri: uri}
	}
	b.outer = n.slots[b.slot]
	n.bindings = append(n.bindings, b)
	n.slots[b.slot] = int16(len(n.bindings))
	return true
}

// slot returns the slot of a prefix. For a prefix of one byte the slot is that
// byte, not the hash, so different prefixes of one byte never share a slot.
func (n *namespaces) slot(prefix []byte) uint8 {
	if len(prefix) == 1 {
		return prefix[0]
	}
	return uint8(maphash.Bytes(n.seed, prefix))
}

// find returns the namespace that prefix is bound to, and false if the prefix is
// not declared. If there is no default namespace, the empty prefix has no
// namespace, and find returns true.
func (n *namespaces) find(prefix []byte) (space, bool) {
	if string(prefix) == "xml" {
		return space{class: xmlClass}, true
	}
	for i := n.slots[n.slot(prefix)]; i > 0; {
		n.work++
		b := &n.bindings[i-1]
		if bytes.Equal(b.prefix, prefix) {
			return b.space, true
		}
		i = b.outer
	}
	return space{}, len(prefix) == 0
}

// bindable reports whether a prefix, empty for the default namespace, may be bound
// to uri. Prefixes that begin with "xml" are reserved, and xml has its own URI.
func bindable(prefix, uri []byte) bool {
	switch {
	case string(prefix) == "xml":
		return string(uri) == xmlURI
	case string(uri) == xmlURI, string(uri) == xmlnsURI:
		return false
	case ascii.HasPrefixFold(string(prefix), "xml"):
		return false
	}
	return len(uri) > 0 || len(prefix) == 0
}
