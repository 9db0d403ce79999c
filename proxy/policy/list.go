package policy

import (
	"hmaproxy/proxy/ews"
)

// A list is an allow-list made for look-ups. Keys are in ASCII lower case,
// values are what the operator wrote.
type list struct {
	smtp, upn, sid map[string]string
	domains        map[string]struct{} // of *@domain
}

func newList(patterns []Pattern) *list {
	l := &list{
		smtp:    make(map[string]string),
		upn:     make(map[string]string),
		sid:     make(map[string]string),
		domains: make(map[string]struct{}),
	}
	for _, p := range patterns {
		l.add(p)
	}
	return l
}

// add takes a pattern in. Of two that differ in letter case only, the first
// spelling stays.
func (l *list) add(p Pattern) {
	key := string(appendLower(nil, p.value))
	names := l.smtp
	switch p.form {
	case noForm:
		return
	case wildcardForm:
		l.domains[key] = struct{}{}
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
	return len(l.smtp) + len(l.upn) + len(l.sid) + len(l.domains)
}

// find looks up a name whose grammar has been checked, in lower case. The
// spelling is "" where only a wildcard matched.
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

// inDomain reports whether a wildcard matches a lower-case address. It checks
// the local part only where the domain is listed at all.
func (l *list) inDomain(key []byte) bool {
	for i, c := range key {
		if c == '@' {
			_, ok := l.domains[string(key[i+1:])]
			return ok && isOrdinary(key[:i])
		}
	}
	return false
}

// isOrdinary reports whether a wildcard may stand for a local part, given in
// lower case. Exchange resolves some addresses by something else than the
// mailbox's own addresses, whatever the domain behind the "@" says: a mailbox
// GUID, and the IMCEA encapsulation of foreign address types (a legacyDN, for
// one). Those need an entry of their own.
func isOrdinary(local []byte) bool {
	base := len(local) // up to a "+tag"
	for i, c := range local {
		switch c {
		case '.', '_', '\'', '-':
		case '+':
			base = min(base, i)
		default:
			if !isAlnum(c) {
				return false
			}
		}
	}
	return !isEncapsulated(local) && !isGUID(local) && !isGUID(local[:base])
}

func isEncapsulated(local []byte) bool {
	const prefix = "imcea"
	return len(local) >= len(prefix) && string(local[:len(prefix)]) == prefix
}

// isGUID reports whether s could be read as a GUID, rather too often than too
// rarely: with dashes at the usual places whatever the digits are, or 32
// hexadecimal digits, among which a lenient parser may take "+" and "0x".
func isGUID(s []byte) bool {
	if len(s) == 36 {
		return s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-'
	}
	for _, c := range s {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || c == 'x' || c == '+') {
			return false
		}
	}
	return len(s) == 32
}
