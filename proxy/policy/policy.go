package policy

import (
	"errors"
	"fmt"
	"slices"

	"hmaproxy/internal/ascii"
	"hmaproxy/proxy/ews"
)

// Config says what a Policy allows. A Policy with the zero Config allows
// everything and adds no mailbox to requests.
type Config struct {
	// Empty permits a list without an entry, which allows no mailbox. It is for
	// a program whose list is not complete yet. If Empty is set, Allowed may be
	// nil.
	Empty bool

	// Allowed is the allow-list. nil means that there is no list and every mailbox
	// is allowed. A list that is not nil must have an entry, unless Empty is set.
	Allowed     []Pattern
	Audit       bool       // refusals are only reported; needs a list
	Targets     bool       // also decide about the mailboxes that a Body acts on; needs a list
	PrimaryOnly bool       // send every allowed SMTP address as PrimarySmtpAddress, which Exchange refuses for an alias; needs a list
	StrictIDs   bool       // refuse an id from which its mailbox cannot be read; needs Targets and an entry guid:…
	Operations  Operations // zero: the default set; any other value needs a list

	DefaultMailbox string // "room1@contoso.com", impersonated if a request names no mailbox; "": none
	LoginUser      bool   // take the mailbox from the client's Basic user name if a request names none
}

// A Policy decides about requests. The zero Policy refuses every mailbox.
type Policy struct {
	open       bool    // there is no list: every mailbox is allowed
	lists      []*list // a mailbox must be on all of these lists
	operations operationTable
	audit      bool
	targets    bool
	primary    bool // Config.PrimaryOnly
	strictIDs  bool

	fallback  ews.Identity // the default mailbox
	loginUser bool
}

// New returns the policy that config describes. Its error reports the
// contradictions in config: a list without an entry, unless Empty is set; strict ids
// without targets or a GUID entry; audit mode, targets, strict ids, primary addresses or
// operations without a list; a default mailbox that is not an address or not on
// the list.
func New(config Config) (*Policy, error) {
	p := &Policy{
		open:       config.Allowed == nil && !config.Empty,
		operations: newOperationTable(config.Operations),
		audit:      config.Audit,
		targets:    config.Targets,
		primary:    config.PrimaryOnly,
		strictIDs:  config.StrictIDs,
		loginUser:  config.LoginUser,
	}
	if !p.open {
		p.lists = []*list{newList(config.Allowed)}
	}
	if err := errors.Join(checkList(p, config), setFallback(p, config.DefaultMailbox)); err != nil {
		return nil, err
	}
	return p, nil
}

func checkList(p *Policy, config Config) error {
	if p.Limited() {
		if len(config.Allowed) == 0 && !config.Empty || slices.Contains(config.Allowed, Pattern{}) {
			return errors.New("the allow-list is empty, or an entry of it is")
		}
		if config.StrictIDs && !p.IDs() {
			return errors.New("strict ids need the scope of targets and a guid: entry")
		}
		return nil
	}
	var problems []error
	if config.Audit {
		problems = append(problems, errors.New("audit mode needs an allow-list"))
	}
	if config.Targets {
		problems = append(problems, errors.New("the scope of targets needs an allow-list"))
	}
	if config.StrictIDs {
		problems = append(problems, errors.New("strict ids need an allow-list"))
	}
	if config.PrimaryOnly {
		problems = append(problems, errors.New("primary addresses only needs an allow-list"))
	}
	if !config.Operations.IsZero() {
		problems = append(problems, errors.New("a list of operations needs an allow-list"))
	}
	return errors.Join(problems...)
}

// setFallback sets the default mailbox.
func setFallback(p *Policy, address string) error {
	if address == "" {
		return nil
	}
	if _, err := ParseAddress(address); err != nil {
		return fmt.Errorf("default mailbox: %w", err)
	}
	p.fallback = injected(address)
	if _, problem := p.match(p.fallback); problem != "" {
		return errors.New("default mailbox: " + problem)
	}
	return nil
}

// Narrow returns the policy of a client that has its own patterns: a mailbox
// must be allowed by p and by the patterns. If p has no list, the patterns are
// the list. Without patterns Narrow returns p. A default mailbox that matches
// no pattern is refused when a request needs it.
func (p *Policy) Narrow(patterns []Pattern) *Policy {
	if len(patterns) == 0 {
		return p
	}
	narrow := *p
	narrow.open = false
	own := newList(patterns)
	own.ofClient = true
	narrow.lists = append(slices.Clip(p.lists), own)
	return &narrow
}

// Limited reports whether there is a list. Without a list, Decide returns only
// refusals for which Refusal.Always holds.
func (p *Policy) Limited() bool { return !p.open }

// Audit reports whether p is in audit mode: refusals are only logged, except
// refusals for which Refusal.Always holds.
func (p *Policy) Audit() bool { return p.audit }

// References reports whether DecideReference must be called for the mailboxes
// that a Body acts on.
func (p *Policy) References() bool { return p.targets }

// IDs reports whether DecideReference must also be called for the ids in a
// Body. This is so if Config.Targets is set and a list has an entry that begins
// with guid:.
func (p *Policy) IDs() bool {
	return p.targets && slices.ContainsFunc(p.lists, func(l *list) bool { return len(l.guids) > 0 })
}

// Size returns the number of entries on the list. Entries that differ only in
// letter case count as one entry. For a narrowed policy Size counts the
// client's own list.
func (p *Policy) Size() int {
	if len(p.lists) == 0 {
		return 0
	}
	return p.lists[len(p.lists)-1].size()
}

// Texts for names that are not on the list.
const (
	notListed    = "the mailbox is not on the allow-list"
	upnNotListed = "the user principal name is not on the allow-list: it needs an entry that begins with upn:"
	notOfClient  = "the mailbox matches no pattern of this client user"
	sidNotListed = "the security identifier is not on the allow-list: it needs an entry that begins with sid:"
)

// match looks a name up on all lists. It returns the identity to send, or the
// text of a refusal. Without a list the identity is unchanged. Otherwise it has the
// spelling of the first exact entry for the name in the lists. It is in lower case
// if only wildcards match.
//
// An address that matches only a wildcard of some list may be an alias of a mailbox
// in another domain, which the wildcard does not cover. Such an address is sent as
// PrimarySmtpAddress, in which Exchange refuses aliases
// (ErrorNonPrimarySmtpAddress). An SmtpAddress stays one only if every list has an
// exact entry for it and Config.PrimaryOnly is not set.
func (p *Policy) match(id ews.Identity) (ews.Identity, string) {
	listed, _, problem := p.lookUp(id)
	return listed, problem
}

// lookUp returns the results of match. It also returns whether every list has an
// entry for exactly this name, and not only a wildcard that matches it.
func (p *Policy) lookUp(id ews.Identity) (listed ews.Identity, itself bool, refusal string) {
	problem, missing := nameProblem(id)
	switch {
	case problem != "":
		return ews.Identity{}, false, problem
	case p.open:
		return id, true, ""
	case len(p.lists) == 0: // p is the zero Policy
		return ews.Identity{}, false, missing
	}
	var buf [maxAddress]byte // long enough, because nameProblem has refused longer names
	key := ascii.AppendLower(buf[:0], id.Value)
	spelling, itself := "", true
	for _, l := range p.lists {
		found, ok := l.find(id.Kind, key)
		switch {
		case !ok && l.ofClient:
			return ews.Identity{}, false, notOfClient
		case !ok:
			return ews.Identity{}, false, missing
		}
		itself = itself && found != ""
		if spelling == "" {
			spelling = found
		}
	}
	if spelling == "" {
		spelling = string(key)
	}
	kind := id.Kind
	if kind == ews.SmtpAddress && (!itself || p.primary) {
		kind = ews.PrimarySmtpAddress
	}
	return ews.Identity{Kind: kind, Value: spelling}, itself, ""
}

// nameProblem returns what is wrong with a name, or "". missing is the text of
// the refusal for a correct name that is not on the list.
func nameProblem(id ews.Identity) (problem, missing string) {
	switch id.Kind {
	case ews.PrimarySmtpAddress, ews.SmtpAddress:
		return addressProblem(id.Value), notListed
	case ews.PrincipalName:
		return addressProblem(id.Value), upnNotListed
	case ews.SID:
		return sidProblem(id.Value), sidNotListed
	}
	return "a form of name that is not known", ""
}

// Explain returns, for each list that a mailbox must be on, the entry that id
// matches. Use it to show people why a mailbox is allowed or refused; the
// result agrees with Decide. Without a list it returns nil. If the name itself
// is not valid, problem says why, and matches is nil.
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
