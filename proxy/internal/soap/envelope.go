package soap

import "hmaproxy/proxy/ews"

// A place is the position of the reader in the envelope.
type place uint8

const (
	beforeRoot place = iota
	inEnvelope       // in Envelope, before Header and Body
	inHeader         // in Header, between its blocks
	inBlock
	afterHeader
	inBody // in Body, before the operation
	inOperation
	afterOperation
	afterBody
	afterRoot
)

// Depths of elements: 1 is the root.
const (
	envelopeDepth = 1 + iota
	partDepth     // Header and Body
	blockDepth    // header blocks and the operation
	requestDepth  // children of the operation
)

// textOutOfPlace is a constant because several checks return this reason.
const textOutOfPlace = "text where none may be"

// An envelope tracks the elements of a document, checks that they form a
// request, and collects the content of the head.
type envelope struct {
	bare         bool // do not apply the rules about envelopes; for tests of the rules about XML
	place        place
	request      ews.Request
	known        bool  // request is complete
	operationEnd int64 // offset of the operation's end tag, -1 until it is known
	tags         headTags
	header       header
	references   references
}

func (v *envelope) reset(report func(ews.Reference) error, ids bool) {
	clear(v.request.Blocks) // do not keep strings of the previous document in memory
	v.place, v.known, v.operationEnd = beforeRoot, false, -1
	v.request = ews.Request{Blocks: v.request.Blocks[:0]}
	v.tags.reset()
	v.header.reset()
	v.references.reset(report, ids)
}

// enter handles a start tag.
func (v *envelope) enter(e *element) error {
	if v.bare && v.place != afterRoot {
		v.place = inOperation
		return nil
	}
	switch v.place {
	case beforeRoot:
		return v.enterEnvelope(e)
	case inEnvelope, afterHeader:
		return v.enterPart(e)
	case inHeader, inBlock, inBody, inOperation:
		if e.space.class == envelopeClass {
			return violation(e.at, "an element of the SOAP namespace out of place")
		}
		return v.enterContent(e)
	}
	return violation(e.at, "an element where none may be")
}

func (v *envelope) enterEnvelope(e *element) error {
	if !e.is(envelopeClass, "Envelope") {
		return violation(e.at, "the root is not a SOAP 1.1 Envelope")
	}
	v.place = inEnvelope
	v.tags.keepEnvelope(e)
	return soapAttributes(e)
}

func (v *envelope) enterPart(e *element) error {
	switch {
	case e.is(envelopeClass, "Header") && v.place == inEnvelope:
		v.place = inHeader
		v.tags.keepHeader(e)
	case e.is(envelopeClass, "Body"):
		v.place = inBody
		v.request.BodyOffset = e.at
		if !passiveBody(e) {
			return violation(e.at, "an attribute that Body may not have")
		}
	default:
		return violation(e.at, "something other than one Header and then one Body in Envelope")
	}
	return soapAttributes(e)
}

// soapAttributes refuses attributes of the SOAP namespace on Envelope, Header
// and Body, except encodingStyle, which many toolkits write there.
func soapAttributes(e *element) error {
	for i := range e.attrs {
		a := &e.attrs[i]
		if a.space.class == envelopeClass && string(a.local) != "encodingStyle" {
			return e.violation(a.at, "a SOAP attribute that has no meaning here")
		}
	}
	return nil
}

// passiveBody reports whether Body has only attributes that do not change the
// meaning of its content: namespace declarations, encodingStyle, a language,
// locations of schemas, and ids of the element. These attributes are sent
// upstream unchanged.
func passiveBody(e *element) bool {
	for i := range e.attrs {
		a := &e.attrs[i]
		switch string(a.local) {
		case "encodingStyle", "Id", "ID", "id":
		default:
			if !a.declares() && !a.isSchemaInstance("schemaLocation") &&
				!(a.space.class == xmlClass && string(a.local) == "lang") {
				return false
			}
		}
	}
	return true
}

func (v *envelope) enterContent(e *element) error {
	switch v.place {
	case inHeader:
		if len(v.request.Blocks) == maxBlocks {
			return violation(e.at, "too many header blocks")
		}
		v.place = inBlock
		v.header.begin(e)
		return nil
	case inBlock:
		v.header.enter(e, e.depth-blockDepth)
		return nil
	case inBody:
		return v.enterOperation(e)
	}
	if e.depth == requestDepth && v.request.Operation == "Subscribe" {
		if v.known {
			return violation(e.at, "more than one request in Subscribe")
		}
		v.request.Push = string(e.local) == "PushSubscriptionRequest"
		v.known = true
	}
	return v.references.enter(e)
}

func (v *envelope) enterOperation(e *element) error {
	if e.space.class != messagesClass {
		return violation(e.at, "an operation that is not of the messages namespace")
	}
	v.place = inOperation
	v.request.Operation = string(e.local)
	v.known = v.request.Operation != "Subscribe"
	v.references.begin(v.request.Operation)
	return nil
}

// exit handles the end of an element with the given depth and qualified name.
// at is the offset of the end tag, or of the only tag of an empty element.
func (v *envelope) exit(depth int, name []byte, at int64) error {
	if v.bare {
		if depth == envelopeDepth {
			v.place = afterRoot
		}
		return nil
	}
	switch {
	case v.place == inBlock && depth == blockDepth:
		v.place = inHeader
		v.exitBlock()
	case v.place == inBlock:
		v.header.exit(name, depth-blockDepth)
	case v.place == inOperation && depth == blockDepth:
		v.place = afterOperation
		v.operationEnd = at
		v.known = true
	case v.place == inOperation:
		return v.references.exit()
	case v.place == inHeader:
		v.place = afterHeader
		v.tags.endHeader(at)
	case v.place == afterOperation:
		v.place = afterBody
	case v.place == afterBody:
		v.place = afterRoot
	default:
		return violation(at, "no operation")
	}
	return nil
}

// exitBlock ends a child of Header.
func (v *envelope) exitBlock() {
	block, id := v.header.end()
	v.request.Blocks = append(v.request.Blocks, block)
	if v.request.Identity.IsZero() {
		v.request.Identity = id
	}
}

// text handles a token of text, which consists of complete characters. depth is
// the depth of the element that contains the text.
func (v *envelope) text(t *token, depth int) error {
	switch v.place {
	case inBlock:
		v.header.text(t.text, depth-blockDepth)
	case inOperation:
		return v.references.text(t.text)
	default:
		if n := spaces(t.text); n < len(t.text) {
			return violation(t.at+int64(n), textOutOfPlace)
		}
	}
	return nil
}

// referred handles a character reference or an entity in text.
func (v *envelope) referred(t *token, depth int) error {
	if v.place != inBlock && v.place != inOperation {
		return violation(t.at, textOutOfPlace)
	}
	return v.text(t, depth)
}

// interrupted handles a comment or a CDATA section. If a comment or section
// splits a text, readers disagree about the text: they may use all of it, or only
// the first or the last part.
func (v *envelope) interrupted(t *token) error {
	switch {
	case t.kind == cdataToken && v.place != inOperation:
		return violation(t.at, "a CDATA section outside the operation")
	case v.place == inBlock:
		v.header.interrupted()
	case v.place == inOperation:
		v.references.interrupted()
	}
	return nil
}
