package soap

import "bytes"

// zoneElement reports whether a TimeZoneContext may contain an element of this
// name, and whether that element contains text instead of elements. The names
// come from TimeZoneDefinitionType in types.xsd.
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

// A zone writes the elements of a TimeZoneContext from their values. After a problem
// the zone must not be used any more.
type zone struct {
	inText bool // the innermost element contains text
}

// enter appends the start tag of an element. level is the depth of the element
// below TimeZoneContext: 1 for its children. enter returns the extended dst and what is
// wrong with the element, or "".
func (z *zone) enter(dst []byte, e *element, level int) ([]byte, string) {
	known, text := zoneElement(e.local)
	switch {
	case e.space.class != typesClass || !known:
		return dst, "an element that does not belong in a time zone"
	case z.inText:
		return dst, "an element where text should be"
	case (level == 1) != (string(e.local) == "TimeZoneDefinition"):
		return dst, "a time zone definition out of place"
	}
	z.inText = text
	dst = append(dst, "<t:"...)
	dst = append(dst, e.local...)
	for i := range e.attrs {
		a := &e.attrs[i]
		switch {
		case a.declares():
		case zoneAttribute(a.name):
			dst = appendZoneAttribute(dst, a)
		default:
			return dst, badAttribute
		}
	}
	return append(dst, '>'), ""
}

func appendZoneAttribute(dst []byte, a *attribute) []byte {
	var buf [256]byte
	dst = append(dst, ' ')
	dst = append(dst, a.name...)
	dst = append(dst, `="`...)
	dst = appendEscaped(dst, appendValue(buf[:0], a.value))
	return append(dst, '"')
}

// exit appends the end tag of the innermost element. If the element contains
// text, exit appends the text before the end tag. name is the element's qualified
// name. exit returns the extended dst and what is wrong with the text, or "".
func (z *zone) exit(dst, name []byte, text *leaf) ([]byte, string) {
	if z.inText {
		z.inText = false
		if text.mixed || text.long || bytes.ContainsAny(text.text, "\t\r\n") {
			return dst, "text of a time zone that is not plain"
		}
		dst = appendEscaped(dst, text.text)
	}
	_, local, _ := cutName(name)
	dst = append(dst, "</t:"...)
	dst = append(dst, local...)
	return append(dst, '>'), ""
}
