package policy

import (
	"strings"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/internal/ascii"
)

// A Match says which entry of a list a name matches.
type Match struct {
	Entry    Pattern // as the list has it, a wildcard's domain in lower case; zero: none matches
	OfClient bool    // the list is that of a client user; see Narrow
}

// Explain returns what a name matches on each list that it must be on, for people who
// ask why it is allowed or refused. It returns nil without a list. problem says what
// is wrong with the name itself; no list has it then. The decision is that of Decide.
func (p *Policy) Explain(id ews.Identity) (matches []Match, problem string) {
	if problem, _ = nameProblem(id); problem != "" {
		return nil, problem
	}
	key := ascii.AppendLower(nil, id.Value)
	for _, l := range p.lists {
		m := Match{OfClient: l.ofClient}
		if spelling, ok := l.find(id.Kind, key); ok {
			m.Entry = entryFor(id.Kind, spelling, string(key))
		}
		matches = append(matches, m)
	}
	return matches, ""
}

// entryFor returns the entry that matched a name. Its spelling is "" if that was a
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
