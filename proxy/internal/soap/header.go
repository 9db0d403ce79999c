package soap

import "hmaproxy/proxy/ews"

// A blockKind is a kind of header block. Blocks of every kind except
// unknownBlock are written from their values.
type blockKind uint8

const (
	unknownBlock blockKind = iota
	impersonationBlock
	versionBlock
	cultureBlock
	precisionBlock
	zoneBlock
)

var blockNames = [...]string{
	impersonationBlock: "ExchangeImpersonation",
	versionBlock:       "RequestServerVersion",
	cultureBlock:       "MailboxCulture",
	precisionBlock:     "DateTimePrecision",
	zoneBlock:          "TimeZoneContext",
}

func kindOf(e *element) blockKind {
	if e.space.class == typesClass {
		for kind, name := range blockNames {
			if name == string(e.local) {
				return blockKind(kind)
			}
		}
	}
	return unknownBlock
}

// A header reads the header blocks one after the other. It writes the blocks of
// known kinds from their values. The level of an element is its depth below the
// block: the block itself has level 0, its children have level 1. The level of a
// text is the level of the element that contains the text.
type header struct {
	written []byte                // output: the known blocks that have no Problem, each kind once, but not ExchangeImpersonation
	seen    [len(blockNames)]bool // kinds of the blocks that were read and have no Problem

	block         block // the block that is being read
	leaf          leaf  // text of the block, or of the element in it that is being read
	impersonation impersonation
	zone          zone
}

// A block is a header block that is being read.
type block struct {
	kind    blockKind
	found   ews.HeaderBlock
	begin   int  // offset in header.written at which the block's output begins
	content bool // the block has content although it has xsi:nil
}

// fail records the first problem of a block of a known kind.
func (b *block) fail(problem string) {
	if b.found.Problem == "" && b.kind != unknownBlock {
		b.found.Problem = problem
	}
}

func (h *header) reset() {
	*h = header{written: h.written[:0], leaf: leaf{text: h.leaf.text[:0]}}
}

// begin starts to read the header block whose start tag is e.
func (h *header) begin(e *element) {
	kind := kindOf(e)
	h.block = block{kind: kind, begin: len(h.written)}
	b := &h.block
	h.leaf.reset()
	b.found.Space, b.found.Name = e.space.String(), blockNames[kind]
	if kind == unknownBlock {
		b.found.Name = string(e.local)
	}
	if b.found.Nil = kind != impersonationBlock && onlyNil(e); b.found.Nil {
		return
	}
	version := b.attributes(e)
	switch kind {
	case impersonationBlock:
		h.impersonation = impersonation{}
	case versionBlock:
		h.writeVersion(version)
	case zoneBlock:
		h.zone = zone{}
		h.written = append(appendStart(h.written, kind), '>')
	}
}

// attributes checks the block's attributes and sets MustUnderstand. It returns
// the attribute Version of a RequestServerVersion. A value of mustUnderstand
// that is not a boolean counts as true. The attribute actor is accepted only if
// it denotes the receiver of the request. A block without this attribute is for
// the receiver too.
func (b *block) attributes(e *element) (version []byte) {
	for i := range e.attrs {
		a := &e.attrs[i]
		switch {
		case a.declares():
		case a.space.class == envelopeClass && string(a.local) == "mustUnderstand":
			switch string(trim(a.value)) {
			case "0", "false":
			case "1", "true":
				b.found.MustUnderstand = true
			default:
				b.found.MustUnderstand = true
				b.fail("mustUnderstand is not a boolean")
			}
		case a.space.class == envelopeClass && string(a.local) == "actor":
			if len(a.value) > 0 && string(a.value) != actorNext {
				b.found.Problem = "a header block for another actor"
			}
		case b.kind == versionBlock && string(a.name) == "Version":
			version = a.value
		default:
			b.fail(badAttribute)
		}
	}
	return version
}

// enter handles the start tag of an element inside the block. level is 1 for a
// child of the block, 2 for a child of that child.
func (h *header) enter(e *element, level int) {
	b := &h.block
	switch {
	case b.found.Nil:
		b.content = true
	case b.kind == unknownBlock || b.found.Problem != "":
	case b.kind == impersonationBlock:
		h.leaf.reset()
		b.fail(h.impersonation.enter(e, level))
	case b.kind == zoneBlock:
		var problem string
		h.leaf.reset()
		h.written, problem = h.zone.enter(h.written, e, level)
		b.fail(problem)
	default:
		b.fail("an element where text should be")
	}
}

// exit handles the end of an element inside the block. name is its qualified name.
func (h *header) exit(name []byte, level int) {
	b := &h.block
	switch {
	case b.found.Nil || b.found.Problem != "":
	case b.kind == impersonationBlock && level == 2:
		b.fail(identityProblem(&h.leaf))
	case b.kind == zoneBlock:
		var problem string
		h.written, problem = h.zone.exit(h.written, name, &h.leaf)
		b.fail(problem)
		if len(h.written)-b.begin > maxZone {
			b.fail("a time zone that is too large")
		}
	}
}

// text handles text in the block. level is the level of the element that contains
// the text, 0 for the block itself.
func (h *header) text(p []byte, level int) {
	b := &h.block
	switch {
	case b.found.Nil:
		b.content = b.content || spaces(p) < len(p)
	case b.kind == unknownBlock:
	case b.kind == impersonationBlock && level == 2,
		b.kind == cultureBlock, b.kind == precisionBlock,
		b.kind == zoneBlock && h.zone.inText:
		h.leaf.add(p)
	case spaces(p) < len(p):
		b.fail("text where none should be")
	}
}

// interrupted handles a comment in the block. Readers disagree about a text that
// a comment interrupts; see envelope.interrupted.
func (h *header) interrupted() { h.leaf.mixed = true }

// end ends the block. It returns the block and, for an ExchangeImpersonation
// without a Problem, the mailbox.
func (h *header) end() (ews.HeaderBlock, ews.Identity) {
	b := &h.block
	if b.found.Nil {
		return b.endNil(), ews.Identity{}
	}
	var id ews.Identity
	switch b.kind {
	case impersonationBlock:
		b.fail(h.impersonation.problem())
		if b.found.Problem == "" {
			id = ews.Identity{Kind: h.impersonation.kind, Value: string(trim(h.leaf.text))}
		}
	case cultureBlock, precisionBlock:
		h.writeText()
	case zoneBlock:
		h.written = appendEnd(h.written, zoneBlock)
	}
	if b.found.Problem != "" || h.seen[b.kind] {
		h.written = h.written[:b.begin]
	} else {
		h.seen[b.kind] = true
	}
	return b.found, id
}

// endNil ends a block whose only attribute is xsi:nil="true", and returns it.
// Nothing is written for such a block. If the block has content, Nil is false in
// the result, and a block of a known kind gets a Problem.
func (b *block) endNil() ews.HeaderBlock {
	if b.content {
		b.found.Nil = false
		b.fail("content in an element that is nil")
	}
	return b.found
}

// writeVersion writes RequestServerVersion with the given value of its attribute
// Version. If the value is malformed, it writes nothing and records a problem.
func (h *header) writeVersion(version []byte) {
	good := len(version) > 0 && len(version) <= 64
	for _, c := range version {
		good = good && (classes[c]&nameRest != 0 && c != '-' && c != '.')
	}
	if !good {
		h.block.fail("Version is not what a version looks like")
		return
	}
	h.written = appendStart(h.written, versionBlock)
	h.written = append(h.written, ` Version="`...)
	h.written = append(h.written, version...)
	h.written = append(h.written, `"/>`...)
}

// writeText writes MailboxCulture or DateTimePrecision with the text that was
// read. If the text is malformed, it writes nothing and records a problem.
func (h *header) writeText() {
	kind, value := h.block.kind, trim(h.leaf.text)
	good := !h.leaf.long && !h.leaf.mixed && len(value) > 0 && len(value) <= 35
	for _, c := range value {
		good = good && (classes[c]&nameRest != 0 && c != '_' && c != '.')
	}
	if kind == precisionBlock {
		good = good && (string(value) == "Seconds" || string(value) == "Milliseconds")
	}
	if !good {
		h.block.fail("text that is not of this block's form")
		return
	}
	h.written = append(appendStart(h.written, kind), '>')
	h.written = append(h.written, value...)
	h.written = appendEnd(h.written, kind)
}

// appendStart appends the beginning of a block's start tag: its name and the
// declaration of the prefix t. The caller adds the block's own attributes and the
// ">".
func appendStart(dst []byte, kind blockKind) []byte {
	dst = append(dst, "<t:"...)
	dst = append(dst, blockNames[kind]...)
	return append(dst, ` xmlns:t="`+ews.TypesNS+`"`...)
}

// appendEnd appends a block's end tag.
func appendEnd(dst []byte, kind blockKind) []byte {
	dst = append(dst, "</t:"...)
	dst = append(dst, blockNames[kind]...)
	return append(dst, '>')
}
