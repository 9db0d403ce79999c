package soap

import "hmaproxy/proxy/ews"

// A blockKind is a kind of header block that the rewriter knows.
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

// A block is the current header block. Levels count from it: its own content is at
// level 0, that of its children at level 1.
type block struct {
	kind    blockKind
	problem string
	isNil   bool                  // xsi:nil="true" is the only attribute
	content bool                  // there is content in a block with isNil
	seen    [len(blockNames)]bool // kinds that are in out already
	out     []byte                // the rewritten blocks
	begin   int                   // where the current one begins in out

	sids, names int              // ExchangeImpersonation: number of ConnectingSIDs and of their children
	identity    ews.IdentityKind // ExchangeImpersonation: kind of the child
	version     []byte           // RequestServerVersion: the attribute, valid until the next tag
	zoneLeaf    bool             // TimeZoneContext: inside an element of text
}

// fail records the first problem of a block that the rewriter knows.
func (b *block) fail(problem string) {
	if b.problem == "" && b.kind != unknownBlock {
		b.problem = problem
	}
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

// enterBlock begins a child of Header.
func (s *Scanner) enterBlock(e *element) error {
	if len(s.request.Blocks) == maxBlocks {
		return s.violation(s.token, "too many header blocks")
	}
	b := &s.block
	b.kind, b.problem, b.begin = kindOf(e), "", len(b.out)
	s.leaf.reset()
	found := ews.HeaderBlock{Space: e.space.String(), Name: blockNames[b.kind]}
	if b.kind == unknownBlock {
		found.Name = string(e.local)
	}
	b.isNil, b.content = b.kind != impersonationBlock && onlyNil(e), false
	if !b.isNil {
		found.MustUnderstand = b.attributes(e)
	}
	s.request.Blocks = append(s.request.Blocks, found)
	if b.isNil {
		return nil
	}
	switch b.kind {
	case impersonationBlock:
		b.sids, b.names, b.identity = 0, 0, ews.NoIdentity
	case versionBlock:
		b.writeVersion()
	case zoneBlock:
		b.zoneLeaf = false
		b.open(zoneBlock)
		b.out = append(b.out, '>')
	}
	return nil
}

// String returns the URI.
func (a space) String() string {
	switch a.class {
	case envelopeClass:
		return ews.EnvelopeNS
	case typesClass:
		return ews.TypesNS
	case messagesClass:
		return ews.MessagesNS
	}
	return string(a.uri) // empty for nowhere
}

// Values of the attributes that SOAP toolkits write on header blocks.
const (
	schemaInstanceNS = "http://www.w3.org/2001/XMLSchema-instance"
	actorNext        = "http://schemas.xmlsoap.org/soap/actor/next" // SOAP 1.1 section 4.2.2
)

// onlyNil reports whether xsi:nil="true" is the only attribute of e. Stubs of
// JAX-WS write such a block for each header that the program leaves out.
func onlyNil(e *element) bool {
	found := false
	for i := range e.attrs {
		a := &e.attrs[i]
		switch {
		case a.declares():
		case a.isSchemaInstance("nil") && string(a.value) == "true":
			found = true
		default:
			return false
		}
	}
	return found
}

// isSchemaInstance reports whether a is the attribute of this name in the
// namespace of XML Schema instances, whose usual prefix is xsi.
func (a *attribute) isSchemaInstance(local string) bool {
	return a.space.class == foreign && string(a.space.uri) == schemaInstanceNS && string(a.local) == local
}

// attributes checks the block's attributes and reports whether its receiver must
// understand it. A value that is not a boolean counts as true. The actors that are
// accepted mean the receiver, as no actor does.
func (b *block) attributes(e *element) (mustUnderstand bool) {
	b.version = nil
	for i := range e.attrs {
		a := &e.attrs[i]
		switch {
		case a.declares():
		case a.space.class == envelopeClass && string(a.local) == "mustUnderstand":
			switch string(trim(a.value)) {
			case "0", "false":
			case "1", "true":
				mustUnderstand = true
			default:
				mustUnderstand = true
				b.fail("mustUnderstand is no boolean")
			}
		case a.space.class == envelopeClass && string(a.local) == "actor":
			if len(a.value) > 0 && string(a.value) != actorNext {
				b.problem = "a header block for another actor"
			}
		case b.kind == versionBlock && string(a.name) == "Version":
			b.version = a.value
		default:
			b.fail(badAttribute)
		}
	}
	return mustUnderstand
}

const badAttribute = "an attribute that does not belong there"

// passive refuses attributes of an element inside a block, except declarations
// and mustUnderstand.
func (b *block) passive(e *element) {
	for i := range e.attrs {
		a := &e.attrs[i]
		if !a.declares() && (a.space.class != envelopeClass || string(a.local) != "mustUnderstand") {
			b.fail(badAttribute)
		}
	}
}

// enter begins an element inside the block, at a level of 1 or more.
func (b *block) enter(s *Scanner, e *element, level int) {
	if b.isNil {
		b.content = true
		return
	}
	switch b.kind {
	case unknownBlock:
	case impersonationBlock:
		b.enterImpersonation(s, e, level)
	case zoneBlock:
		b.enterZone(s, e, level)
	default:
		b.fail("an element where text should be")
	}
}

// exit ends an element inside the block.
func (b *block) exit(s *Scanner, level int) {
	switch {
	case b.isNil:
	case b.kind == impersonationBlock && level == 2:
		b.exitIdentity(s)
	case b.kind == zoneBlock:
		b.exitZone(s)
	}
}

// data takes text at a level.
func (b *block) data(s *Scanner, p []byte, level int) {
	switch {
	case b.isNil:
		b.content = b.content || spaces(p) < len(p)
	case b.kind == unknownBlock:
	case b.kind == impersonationBlock && level == 2,
		b.kind == cultureBlock, b.kind == precisionBlock,
		b.kind == zoneBlock && b.zoneLeaf:
		s.leaf.add(p)
	case spaces(p) < len(p):
		b.fail("text where none should be")
	}
}

// exitBlock ends a child of Header.
func (s *Scanner) exitBlock() {
	b := &s.block
	if b.isNil {
		s.exitNil()
		return
	}
	switch b.kind {
	case impersonationBlock:
		if b.names == 0 {
			b.fail("ExchangeImpersonation names no mailbox")
		}
		if b.problem == "" && s.request.Identity.IsZero() {
			s.request.Identity = ews.Identity{Kind: b.identity, Value: string(trim(s.leaf.text))}
		}
	case cultureBlock, precisionBlock:
		b.writeText(&s.leaf)
	case zoneBlock:
		b.close(zoneBlock)
	}
	if b.problem != "" {
		s.request.Blocks[len(s.request.Blocks)-1].Problem = b.problem
	}
	if b.problem != "" || b.seen[b.kind] {
		b.out = b.out[:b.begin]
		return
	}
	b.seen[b.kind] = true
}

// exitNil ends a child of Header that has nothing but xsi:nil="true". Nothing is
// written for it.
func (s *Scanner) exitNil() {
	last := &s.request.Blocks[len(s.request.Blocks)-1]
	switch {
	case !s.block.content:
		last.Nil = true
	case s.block.kind != unknownBlock:
		last.Problem = "content in an element that is nil"
	}
}

// open writes a block's start tag up to where its own attributes belong.
func (b *block) open(kind blockKind) {
	b.out = append(b.out, "<t:"...)
	b.out = append(b.out, blockNames[kind]...)
	b.out = append(b.out, ` xmlns:t="`+ews.TypesNS+`"`...)
}

func (b *block) close(kind blockKind) {
	b.out = append(b.out, "</t:"...)
	b.out = append(b.out, blockNames[kind]...)
	b.out = append(b.out, '>')
}

// writeVersion writes RequestServerVersion from its attribute's value.
func (b *block) writeVersion() {
	good := len(b.version) > 0 && len(b.version) <= 64
	for _, c := range b.version {
		good = good && (classes[c]&nameRest != 0 && c != '-' && c != '.')
	}
	if !good {
		b.fail("Version is not what a version looks like")
		return
	}
	b.open(versionBlock)
	b.out = append(b.out, ` Version="`...)
	b.out = append(b.out, b.version...)
	b.out = append(b.out, `"/>`...)
}

// writeText writes MailboxCulture or DateTimePrecision from its text.
func (b *block) writeText(text *leaf) {
	value := trim(text.text)
	good := !text.long && !text.mixed && len(value) > 0 && len(value) <= 35
	for _, c := range value {
		good = good && (classes[c]&nameRest != 0 && c != '_' && c != '.')
	}
	if b.kind == precisionBlock {
		good = good && (string(value) == "Seconds" || string(value) == "Milliseconds")
	}
	if !good {
		b.fail("text that is not of this block's form")
		return
	}
	b.open(b.kind)
	b.out = append(b.out, '>')
	b.out = append(b.out, value...)
	b.close(b.kind)
}
