package soap

import "hmaproxy/proxy/ews"

// A blockKind is a header block that the rewriter knows.
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

// A block is the header block under way. Levels count from it: its own content
// is at level 0, that of its children at 1.
type block struct {
	kind    blockKind
	problem string
	seen    [len(blockNames)]bool // kinds that are in out already
	out     []byte                // blocks written again
	begin   int                   // of this one in out

	sids, names int              // ExchangeImpersonation: ConnectingSIDs and children of theirs
	identity    ews.IdentityKind // the child's
	version     []byte           // RequestServerVersion, good until the next tag
	zoneLeaf    bool             // TimeZoneContext: in an element of text
}

// fail notes the first problem, of a block that the rewriter knows.
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
	found.MustUnderstand = b.attributes(e)
	s.request.Blocks = append(s.request.Blocks, found)
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

// attributes looks through the block's attributes, and reports whether a reader
// must understand it. A value that is no boolean counts as true.
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
		case b.kind == versionBlock && string(a.name) == "Version":
			b.version = a.value
		default:
			b.fail(badAttribute)
		}
	}
	return mustUnderstand
}

const badAttribute = "an attribute that does not belong there"

// passive refuses attributes inside a block other than declarations and
// mustUnderstand.
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
	case b.kind == impersonationBlock && level == 2:
		b.exitIdentity(s)
	case b.kind == zoneBlock:
		b.exitZone(s)
	}
}

// data takes text at a level.
func (b *block) data(s *Scanner, p []byte, level int) {
	switch {
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
	switch b.kind {
	case impersonationBlock:
		if b.names == 0 {
			b.fail("ExchangeImpersonation names nobody")
		}
		if b.problem == "" && s.request.Identity.Kind == ews.NoIdentity {
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

// open writes a block's start tag up to where more attributes may stand.
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
