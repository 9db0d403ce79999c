// Package policycheck applies the policy of a configuration to requests that are
// not served: a request that an operator specifies, or the requests in a log.
// Package policy makes the decisions.
package policycheck

import (
	"errors"
	"log/slog"
	"strings"

	"hmaproxy/internal/allowlist"
	"hmaproxy/internal/config"
	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

// NewRequest returns the request that the scanner of package soap would return
// for a call of operation. id is the mailbox that the request names; the zero
// Identity means none. The operation "Subscribe:Push" is a subscription for push
// notifications.
func NewRequest(operation string, id ews.Identity) *ews.Request {
	r := &ews.Request{Operation: operation, Identity: id}
	if operation == string(ews.PushSubscription) {
		r.Operation, r.Push = "Subscribe", true
	}
	if !id.IsZero() {
		r.Blocks = []ews.HeaderBlock{{Space: ews.TypesNS, Name: "ExchangeImpersonation"}}
	}
	return r
}

// ParseName parses a mailbox as an allow-list names it: an address, upn:… or
// sid:…. It does not check the grammar, because the policy does.
func ParseName(s string) ews.Identity {
	for prefix, kind := range map[string]ews.IdentityKind{"upn:": ews.PrincipalName, "sid:": ews.SID} {
		if len(s) > len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
			return ews.Identity{Kind: kind, Value: s[len(prefix):]}
		}
	}
	return ews.Identity{Kind: ews.SmtpAddress, Value: s}
}

// Policies are the policies of a configuration. They are made as in the running
// product, except that the members of groups are not known.
type Policies struct {
	config *config.Config
	base   *policy.Policy
	plain  *policy.Policy // like base, but with the operations that are allowed by default
}

// New returns the policies of a configuration.
func New(c *config.Config) (*Policies, error) {
	made := func(c *config.Config) (*policy.Policy, error) {
		list, err := allowlist.New(c, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		return list.Policy(), nil
	}
	base, err := made(c)
	if err != nil {
		return nil, err
	}
	without := *c
	without.Operations = config.Operations{}
	plain, err := made(&without)
	return &Policies{c, base, plain}, err
}

// errUnknownUser is the error for a client user that the configuration does not have.
var errUnknownUser = errors.New("HMA_CLIENT_USERS_FILE has no such client user")

// narrow returns the policy for a client user: the argument "of", restricted to
// the user's own list. For the user "" it returns its argument unchanged.
func (p *Policies) narrow(of *policy.Policy, user string) (*policy.Policy, error) {
	if user == "" {
		return of, nil
	}
	if p.config.ClientUsersFile == "" {
		return nil, errors.New("HMA_CLIENT_USERS_FILE is not set, so that there are no client users")
	}
	for _, u := range p.config.ClientUsers {
		if u.Name == user {
			return of.Narrow(u.Patterns), nil
		}
	}
	return nil, errUnknownUser
}

// A Result is the decision about one mailbox, and the rules that led to it.
type Result struct {
	Mailbox string   `json:"mailbox"`
	Allowed bool     `json:"allowed"`
	Reason  string   `json:"reason,omitempty"` // reason of a refusal, as in the log
	Rules   []string `json:"rules"`            // the rules that led to the decision, each a clause
	Audit   bool     `json:"audit,omitempty"`  // audit mode is on: it forwards the refused request and logs the refusal
}

// Check decides about a mailbox, an operation ("" for none) and a client user ("" for
// none), as enforce mode does. It returns an error if there is no such client user.
func (p *Policies) Check(mailbox, operation, user string) (Result, error) {
	r := Result{Mailbox: mailbox}
	from := p.base
	if operation == "" { // the caller asks only about the mailbox
		from = p.plain
	}
	narrowed, err := p.narrow(from, user)
	if err != nil {
		return r, err
	}
	id := ParseName(mailbox)
	_, refusal := narrowed.Decide(NewRequest(asked(operation), id), "")
	r.Allowed, r.Rules = refusal == nil, p.mailboxRules(narrowed, id, user)
	if !narrowed.Limited() { // with an allow-list, mailboxRules has already added this rule
		if _, problem := narrowed.Explain(id); problem != "" {
			r.Rules = append(r.Rules, "the name is none that an allow-list can have: "+problem)
		}
	}
	if refusal != nil {
		r.Reason, r.Audit = refusal.Reason.String(), narrowed.Audit()
	}
	if operation != "" {
		r.Rules = append(r.Rules, p.operationRule(narrowed, operation))
	}
	return r, nil
}

// asked returns the operation to decide about. If operation is "", it returns
// GetFolder, which every policy without a list of operations allows.
func asked(operation string) string {
	if operation == "" {
		return "GetFolder"
	}
	return operation
}

// mailboxRules returns the rules that decide about a mailbox, each as a clause.
func (p *Policies) mailboxRules(narrowed *policy.Policy, id ews.Identity, user string) []string {
	if !narrowed.Limited() {
		if p.config.EveryMailbox {
			return []string{"HMA_ALLOWED_MAILBOXES=*: every mailbox, on purpose"}
		}
		return []string{"no allow-list is set: every mailbox"}
	}
	matches, problem := narrowed.Explain(id)
	if problem != "" {
		return []string{"the name is none that an allow-list can have: " + problem}
	}
	var rules []string
	for _, m := range matches {
		rules = append(rules, p.matchRule(m, user))
	}
	return rules
}

func (p *Policies) matchRule(m policy.Match, user string) string {
	source, entry := p.source(), m.Entry.String()
	if m.OfClient {
		source = "the patterns of client user " + user
	}
	switch {
	case entry == "" && !m.OfClient && p.config.AllowedGroups != nil:
		return "no entry of " + source + " matches; the members of HMA_ALLOWED_GROUPS are known to a running hmaproxy only, which may allow it"
	case entry == "":
		return "no entry of " + source + " matches"
	case strings.HasPrefix(entry, "*@"):
		return "the wildcard " + entry + " of " + source + ", if it is the mailbox's primary address"
	}
	return "the entry " + entry + " of " + source
}

// source returns the setting from which the list for all clients comes.
func (p *Policies) source() string {
	switch c := p.config; {
	case c.AllowedMailboxesFile != "":
		return "HMA_ALLOWED_MAILBOXES_FILE (" + string(c.AllowedMailboxesFile) + ")"
	case c.AllowedMailboxes == nil && c.AllowedGroups != nil:
		return "HMA_ALLOWED_GROUPS"
	case c.AllowedMailboxes == nil:
		return "HMA_CLIENT_USERS_FILE, all users together,"
	}
	return "HMA_ALLOWED_MAILBOXES"
}

// operationRule returns a text that says why an operation is allowed or
// refused.
func (p *Policies) operationRule(narrowed *policy.Policy, operation string) string {
	if !narrowed.Limited() {
		return "without an allow-list no operation is refused"
	}
	name, allowed := decideOperation(p.base, operation)
	_, byDefault := decideOperation(p.plain, operation)
	set := !p.config.Operations.IsZero()
	switch {
	case allowed && byDefault && !set:
		return "the operation is allowed by default"
	case allowed && byDefault:
		return "HMA_ALLOWED_OPERATIONS leaves the operation allowed"
	case allowed:
		return "HMA_ALLOWED_OPERATIONS names the operation, which is refused by default"
	case byDefault:
		return "HMA_ALLOWED_OPERATIONS does not name the operation"
	case name == ews.OtherOperation:
		return "no known schema of EWS has the operation, and HMA_ALLOWED_OPERATIONS does not name it"
	}
	return "the operation is refused by default, because it reaches beyond the mailbox, and HMA_ALLOWED_OPERATIONS does not name it"
}

// decideOperation returns the name by which the policy knows the operation. It
// reports whether the policy allows the operation. The policy's other rules, such
// as those about mailboxes, have no effect on the result.
func decideOperation(p *policy.Policy, operation string) (name ews.Operation, allowed bool) {
	decision, refusal := p.Decide(NewRequest(operation, ews.Identity{Kind: ews.SmtpAddress, Value: "someone@contoso.com"}), "")
	return decision.Operation, refusal == nil || refusal.Reason != policy.OperationNotAllowed
}

// RefusedByDefault returns why an allow-list refuses an operation by default,
// "" if it does not.
func RefusedByDefault(operation string) string {
	patterns, err := policy.ParsePatterns("someone@contoso.com")
	if err != nil {
		return "it cannot be decided about"
	}
	p, err := policy.New(policy.Config{Allowed: patterns})
	if err != nil {
		return "it cannot be decided about"
	}
	name, allowed := decideOperation(p, operation)
	switch {
	case allowed:
		return ""
	case name == ews.OtherOperation:
		return "no known schema of EWS has it"
	}
	return "it is refused by default, because it reaches beyond the mailbox"
}
