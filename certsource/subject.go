package certsource

import (
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A nameAttribute is one attribute of a distinguished name.
type nameAttribute struct {
	oid   string // "2.5.4.3"
	value string // in lower case, white space as single blanks
}

// attributeOIDs maps the names of attributes, as RFC 4514, OpenSSL and Windows
// (CertStrToName) use them, to object identifiers.
var attributeOIDs = map[string]string{
	"CN": "2.5.4.3", "SN": "2.5.4.4", "SERIALNUMBER": "2.5.4.5", "C": "2.5.4.6", "L": "2.5.4.7",
	"ST": "2.5.4.8", "S": "2.5.4.8", "STREET": "2.5.4.9", "O": "2.5.4.10", "OU": "2.5.4.11",
	"T": "2.5.4.12", "TITLE": "2.5.4.12", "DESCRIPTION": "2.5.4.13", "POSTALCODE": "2.5.4.17",
	"G": "2.5.4.42", "GN": "2.5.4.42", "GIVENNAME": "2.5.4.42", "I": "2.5.4.43", "INITIALS": "2.5.4.43",
	"E": "1.2.840.113549.1.9.1", "EMAIL": "1.2.840.113549.1.9.1", "EMAILADDRESS": "1.2.840.113549.1.9.1",
	"DC": "0.9.2342.19200300.100.1.25", "UID": "0.9.2342.19200300.100.1.1",
}

// parseName parses a distinguished name as RFC 4514, OpenSSL and Windows write it:
// CN=HMA-Cert, O="Contoso, Ltd.", S=Washington, DC=contoso. Values may be quoted,
// with "" for a quotation mark, or escaped with backslashes.
func parseName(s string) ([]nameAttribute, error) {
	var name []nameAttribute
	for rest := s; ; {
		keyword, after, ok := strings.Cut(rest, "=")
		if !ok {
			return nil, errors.New("a subject is a distinguished name such as CN=HMA-Cert")
		}
		keyword = strings.ToUpper(strings.TrimSpace(keyword))
		oid := attributeOIDs[keyword]
		if oid == "" {
			oid = strings.TrimPrefix(keyword, "OID.")
		}
		if strings.Trim(oid, "0123456789.") != "" || oid == "" {
			return nil, fmt.Errorf("a subject's attributes are such as CN, OU, O, L, S, C, DC and E, and not %q", keyword)
		}
		value, next, more, err := cutValue(after)
		if err != nil {
			return nil, err
		}
		if value = normalValue(value); value == "" {
			return nil, fmt.Errorf("the attribute %s of the subject has no value", keyword)
		}
		name = append(name, nameAttribute{oid, value})
		if !more {
			return name, nil
		}
		rest = next
	}
}

// cutValue returns the value at the beginning of s, without quotes and escapes,
// and the text after the separator that follows the value. more is false if
// there is no separator.
func cutValue(s string) (value, rest string, more bool, err error) {
	s = strings.TrimLeft(s, " ")
	var b strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' && quoted && strings.HasPrefix(s[i+1:], `"`):
			b.WriteByte('"')
			i++
		case c == '"':
			quoted = !quoted
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case !quoted && strings.IndexByte(",;+", c) >= 0:
			return b.String(), s[i+1:], true, nil
		default:
			b.WriteByte(c)
		}
	}
	if quoted {
		return "", "", false, errors.New("a subject's quotation mark is not closed")
	}
	return b.String(), "", false, nil
}

// normalValue returns a value in the form in which values are compared. As in
// RFC 4518, it is in lower case, and each run of white space is one blank.
func normalValue(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }

// nameAttributes returns the attributes of a certificate's subject.
func nameAttributes(name pkix.Name) []nameAttribute {
	var all []nameAttribute
	for _, a := range name.Names {
		all = append(all, nameAttribute{a.Type.String(), normalValue(fmt.Sprint(a.Value))})
	}
	return all
}

// sameName reports whether a subject is the wanted name. The attributes may be
// in the same order or in the reverse order, because programs differ in the
// order.
func sameName(want, subject []nameAttribute) bool {
	if slices.Equal(want, subject) {
		return true
	}
	reversed := slices.Clone(subject)
	slices.Reverse(reversed)
	return slices.Equal(want, reversed)
}
