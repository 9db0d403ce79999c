package soap

import "bytes"

// zoneElement reports whether a TimeZoneContext may contain an element of this
// name, and whether that contains text instead of elements. The names are those of
// TimeZoneDefinitionType in types.xsd.
func zoneElement(name []byte) (known, text bool) {
	switch string(name) {
	case "TimeZoneDefinition", "Periods", "Period", "TransitionsGroups", "TransitionsGroup", "Transitions",
		"Transition", "AbsoluteDateTransition", "RecurringDayTransition", "RecurringDateTransition":
		return true, false
	case "To", "DateTime", "TimeOffset", "Month", "Day", "DayOfWeek", "Occurrence":
		return true, true
	}
	return false, false
}

func zoneAttribute(name []byte) bool {
	switch string(name) {
	case "Id", "Name", "Bias", "Kind":
		return true
	}
	return false
}

// enterZone writes the start tag of an element inside TimeZoneContext.
func (b *block) enterZone(s *Scanner, e *element, level int) {
	known, text := zoneElement(e.local)
	switch {
	case e.space.class != typesClass || !known:
		b.fail("an element that does not belong in a time zone")
	case b.zoneLeaf:
		b.fail("an element where text should be")
	case (level == 1) != (string(e.local) == "TimeZoneDefinition"):
		b.fail("a time zone definition out of place")
	}
	if b.problem != "" {
		return
	}
	b.zoneLeaf = text
	s.leaf.reset()
	b.out = append(b.out, "<t:"...)
	b.out = append(b.out, e.local...)
	b.zoneAttributes(e)
	b.out = append(b.out, '>')
}

func (b *block) zoneAttributes(e *element) {
	var buf [256]byte
	for i := range e.attrs {
		a := &e.attrs[i]
		if a.declares() {
			continue
		}
		if !zoneAttribute(a.name) {
			b.fail(badAttribute)
			return
		}
		b.out = append(b.out, ' ')
		b.out = append(b.out, a.name...)
		b.out = append(b.out, `="`...)
		b.out = appendEscaped(b.out, appendValue(buf[:0], a.value))
		b.out = append(b.out, '"')
	}
}

// exitZone writes the end tag of the innermost element, with its text if it is
// one that has any.
func (b *block) exitZone(s *Scanner) {
	if b.problem != "" {
		return
	}
	if b.zoneLeaf {
		b.zoneLeaf = false
		if s.leaf.mixed || s.leaf.long || bytes.ContainsAny(s.leaf.text, "\t\r\n") {
			b.fail("text of a time zone that is not plain")
			return
		}
		b.out = appendEscaped(b.out, s.leaf.text)
	}
	top := s.stack[len(s.stack)-1]
	_, local := split(s.names[top.name:])
	b.out = append(b.out, "</t:"...)
	b.out = append(b.out, local...)
	b.out = append(b.out, '>')
	if len(b.out)-b.begin > maxZone {
		b.fail("a time zone that is too large")
	}
}
