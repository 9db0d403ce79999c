package soap

// The namespace of the xsi attributes, and a value of the attribute actor. SOAP
// toolkits write these attributes on header blocks.
const (
	schemaInstanceNS = "http://www.w3.org/2001/XMLSchema-instance"
	actorNext        = "http://schemas.xmlsoap.org/soap/actor/next" // SOAP 1.1 section 4.2.2
)

// badAttribute is a constant because several checks return this reason.
const badAttribute = "an attribute that does not belong there"

// isSchemaInstance reports whether the attribute has the given local name and
// the namespace of XML Schema instances, whose usual prefix is xsi.
func (a *attribute) isSchemaInstance(local string) bool {
	return a.space.class == foreign && string(a.space.uri) == schemaInstanceNS && string(a.local) == local
}

// onlyNil reports whether xsi:nil="true" is the only attribute of e apart from
// namespace declarations. JAX-WS stubs write such a block for each header that the
// program does not set.
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

// passive reports whether e has no attributes except namespace declarations and
// mustUnderstand.
func passive(e *element) bool {
	for i := range e.attrs {
		a := &e.attrs[i]
		if !a.declares() && (a.space.class != envelopeClass || string(a.local) != "mustUnderstand") {
			return false
		}
	}
	return true
}
