package policy

import (
	"strings"

	"hmaproxy/proxy/ews"
)

// A Match is the entry of a list that a name matches.
type Match struct {
	Entry    Pattern // as the list spells it, with a wildcard's domain in lower case; zero: no entry matches
	OfClient bool    // the list belongs to a client user; see Narrow
}

// entryFor returns the entry that matched a name. spelling is "" if the entry is a
// wildcard.
func entryFor(kind ews.IdentityKind, spelling, key string) Pattern {
	switch {
	case spelling == "":
		_, domain, _ := strings.Cut(key, "@")
		return Pattern{wildcardForm, domain}
	case kind == ews.PrincipalName:
		return Pattern{upnForm, spelling}
	case kind == ews.SID:
		return Pattern{sidForm, spelling}
	}
	return Pattern{smtpForm, spelling}
}
