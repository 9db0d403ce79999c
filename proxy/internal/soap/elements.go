package soap

import "bytes"

// A frame is an open element.
type frame struct {
	name     int // index in elements.names at which the element's name begins; it ends where the name of the next element begins
	bindings int // number of namespace declarations in force outside this element
}

// elements are the open elements, the innermost last. The type keeps the
// namespace declarations in force and checks that start and end tags match.
type elements struct {
	current element // element of the latest start tag
	stack   []frame
	names   []byte // qualified names of the open elements
	spaces  namespaces
	work    int64
}

func (o *elements) reset() {
	o.spaces.reset()
	o.current = element{attrs: o.current.attrs[:0]}
	o.stack, o.names, o.work = o.stack[:0], o.names[:0], 0
}

// depth returns the number of open elements.
func (o *elements) depth() int { return len(o.stack) }

// innermost returns the qualified name of the innermost open element.
func (o *elements) innermost() []byte { return o.names[o.stack[len(o.stack)-1].name:] }

// open parses a start tag and adds its element. The element is valid until the
// next call.
func (o *elements) open(tag *token) (*element, error) {
	e := &o.current
	e.at, e.depth, e.size = tag.at, len(o.stack)+1, len(tag.text)
	if err := e.parse(tag.text); err != nil {
		return nil, err
	}
	if err := o.distinct(); err != nil {
		return nil, err
	}
	if e.depth > maxDepth {
		return nil, violation(tag.at, "elements too deep in each other")
	}
	o.stack = append(o.stack, frame{name: len(o.names), bindings: len(o.spaces.bindings)})
	o.names = append(o.names, e.name...)
	return e, o.resolve()
}

// closes returns an error if an end tag does not belong to the innermost open
// element.
func (o *elements) closes(tag *token) error {
	name := tag.text[len("/"):]
	for len(name) > 0 && isSpace(name[len(name)-1]) {
		name = name[:len(name)-1]
	}
	if len(o.stack) == 0 {
		return violation(tag.at, "an end tag without a start tag")
	}
	if !bytes.Equal(name, o.innermost()) {
		return violation(tag.at, "an end tag that is not the open element's")
	}
	return nil
}

// pop ends the innermost open element and its namespace declarations.
func (o *elements) pop() {
	top := o.stack[len(o.stack)-1]
	o.stack = o.stack[:len(o.stack)-1]
	o.names = o.names[:top.name]
	o.spaces.pop(top.bindings)
}

// distinct refuses two attributes that are written with the same name.
func (o *elements) distinct() error {
	attrs := o.current.attrs
	for i := range attrs {
		for j := range i {
			o.work++
			if bytes.Equal(attrs[i].name, attrs[j].name) {
				return o.current.violation(attrs[i].at, twice)
			}
		}
	}
	return nil
}

// Reasons that several checks return.
const (
	twice     = "an attribute twice"
	badPrefix = "a prefix that is not declared or reserved"
)

// resolve adds the declarations of the current element and sets the namespaces of
// the element and its attributes.
func (o *elements) resolve() error {
	e := &o.current
	for i := range e.attrs {
		if a := &e.attrs[i]; a.declares() {
			if err := o.declare(a); err != nil {
				return err
			}
		}
	}
	var ok bool
	if e.space, ok = o.spaces.find(e.prefix); !ok || e.space.class == xmlClass {
		return e.violation(0, badPrefix)
	}
	for i := range e.attrs {
		a := &e.attrs[i]
		if len(a.prefix) == 0 || a.declares() {
			continue
		}
		if a.space, ok = o.spaces.find(a.prefix); !ok {
			return e.violation(a.at, badPrefix)
		}
		if err := o.distinctIn(e.attrs[:i], a); err != nil {
			return err
		}
	}
	return nil
}

// distinctIn returns an error if an attribute in before has the same local name
// and namespace as the attribute a. The prefixes may differ.
func (o *elements) distinctIn(before []attribute, a *attribute) error {
	for i := range before {
		b := &before[i]
		o.work++
		if len(b.prefix) > 0 && !b.declares() && bytes.Equal(a.local, b.local) && a.space.same(b.space) {
			return o.current.violation(a.at, twice)
		}
	}
	return nil
}

// declare adds the namespace declaration a. Namespaces are compared by the text
// of their URIs, so declare refuses a URI with characters that a reader could
// change.
func (o *elements) declare(a *attribute) error {
	prefix := a.local
	if len(a.prefix) == 0 {
		prefix = nil
	}
	uri := a.value
	if bytes.IndexByte(uri, '&') >= 0 { // a reference other than &amp; keeps its ";", which is refused
		uri = bytes.ReplaceAll(uri, []byte("&amp;"), []byte("&"))
	}
	for _, c := range uri {
		if classes[c]&inURI == 0 {
			return o.current.violation(a.at, "a namespace URI that is not of plain characters")
		}
	}
	if !bindable(prefix, uri) {
		return o.current.violation(a.at, "a namespace declaration that is not allowed")
	}
	if !o.spaces.push(prefix, uri) {
		return o.current.violation(a.at, "too many namespaces")
	}
	return nil
}
