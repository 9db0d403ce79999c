package policy

import (
	"bytes"

	"hmaproxy/internal/ascii"
	"hmaproxy/proxy/ews"
)

// A list is an allow-list with an index for each form. Keys are in ASCII lower
// case; values have the operator's spelling.
type list struct {
	smtp, upn, sid map[string]string
	domains        map[string]struct{} // domains of the wildcards *@domain
	guids          map[ews.GUID]struct{}
	ofClient       bool // the list contains the patterns of a client user
}

func newList(patterns []Pattern) *list {
	l := &list{
		smtp:    make(map[string]string),
		upn:     make(map[string]string),
		sid:     make(map[string]string),
		domains: make(map[string]struct{}),
		guids:   make(map[ews.GUID]struct{}),
	}
	for _, p := range patterns {
		l.add(p)
	}
	return l
}

// add adds a pattern. If two patterns differ only in letter case, the list keeps
// the spelling of the first.
func (l *list) add(p Pattern) {
	key := string(ascii.AppendLower(nil, p.value))
	names := l.smtp
	switch p.form {
	case noForm:
		return
	case wildcardForm:
		l.domains[key] = struct{}{}
		return
	case guidForm:
		if guid, err := ews.ParseGUID(p.value); err == nil { // ParsePatterns has checked the form
			l.guids[guid] = struct{}{}
		}
		return
	case upnForm:
		names = l.upn
	case sidForm:
		names = l.sid
	}
	if _, ok := names[key]; !ok {
		names[key] = p.value
	}
}

func (l *list) size() int {
	return len(l.smtp) + len(l.upn) + len(l.sid) + len(l.domains) + len(l.guids)
}

// find looks up a name in lower case whose grammar has been checked. The
// spelling is "" if only a wildcard matched.
func (l *list) find(kind ews.IdentityKind, key []byte) (spelling string, ok bool) {
	switch kind {
	case ews.PrincipalName:
		spelling, ok = l.upn[string(key)]
		return spelling, ok
	case ews.SID:
		spelling, ok = l.sid[string(key)]
		return spelling, ok
	case ews.PrimarySmtpAddress, ews.SmtpAddress:
		if spelling, ok = l.smtp[string(key)]; ok {
			return spelling, true
		}
		return "", l.inDomain(key)
	}
	return "", false
}

// inDomain reports whether a wildcard matches a lower-case address.
func (l *list) inDomain(key []byte) bool {
	for i, c := range key {
		if c == '@' {
			_, ok := l.domains[string(key[i+1:])]
			return ok && isOrdinary(key[:i])
		}
	}
	return false
}

// isOrdinary reports whether a wildcard may match a local part, given in lower
// case. A wildcard does not match three kinds of local parts, which need their
// own entry. Two kinds lead to a mailbox in any domain: a mailbox GUID, and the
// IMCEA encapsulation of another type of address, such as a legacyDN. The third
// kind belongs to mailboxes that Exchange creates for itself. A wildcard also does
// not match a local part with a character other than a letter, a digit or one of
// "._'-+".
func isOrdinary(local []byte) bool {
	for _, c := range local {
		if !ascii.IsAlnum(c) && bytes.IndexByte([]byte("._'-+"), c) < 0 {
			return false
		}
	}
	return !isSystem(local) && !containsGUID(local)
}

// isSystem reports whether a local part, in lower case, begins like an IMCEA
// encapsulation or like the name of a mailbox that Exchange creates: an
// arbitration, discovery, federation, health or migration mailbox.
func isSystem(local []byte) bool {
	for _, prefix := range [...]string{
		"imcea", "systemmailbox", "discoverysearchmailbox", "federatedemail.", "healthmailbox", "migration.",
	} {
		if len(local) >= len(prefix) && string(local[:len(prefix)]) == prefix {
			return true
		}
	}
	return false
}

// containsGUID reports whether a lenient parser could find a GUID in s: 36
// characters with dashes at the usual places, or 32 hexadecimal digits in a
// row. "x" and "+" count as digits, because a parser may accept "0x" and a
// sign.
func containsGUID(s []byte) bool {
	digits := 0
	for i, c := range s {
		if rest := s[i:]; len(rest) >= 36 && rest[8] == '-' && rest[13] == '-' && rest[18] == '-' && rest[23] == '-' {
			return true
		}
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || c == 'x' || c == '+') {
			digits = 0
			continue
		}
		if digits++; digits == 32 {
			return true
		}
	}
	return false
}
