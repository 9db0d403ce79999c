package policycheck

import (
	"cmp"
	"slices"
	"time"

	"hmaproxy/internal/config"
	"hmaproxy/internal/printable"
	"hmaproxy/proxy"
	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

// maxRows limits the number of rows, because clients choose the names in them.
const maxRows = 50_000

// A Replay decides about the requests of a log as enforce mode would. It must not
// be used by several goroutines at the same time.
type Replay struct {
	policies *Policies
	users    map[string]*policy.Policy // cached policies of the client users of the configuration
	rows     map[rowKey]*Row
	totals   Totals
}

// Totals count requests by decision. Userless and Beyond count some of these
// requests a second time.
type Totals struct {
	Allowed   int64 `json:"allowed"`
	Refused   int64 `json:"refused"`
	Undecided int64 `json:"undecided"`    // requests about which the log does not contain enough to decide
	Outside   int64 `json:"not_decided"`  // requests about which a policy does not decide, such as those without credentials
	Userless  int64 `json:"without_user"` // requests without a client user, although the configuration has client users
	Beyond    int64 `json:"beyond"`       // refused or undecided requests that no Row counts, because there are already maxRows rows
}

type rowKey struct {
	client, operation string
	id                ews.Identity
	why               string
	undecided         bool
}

// A Row is a group of requests that would be refused, or that the log does not
// describe sufficiently.
type Row struct {
	Undecided bool      `json:"undecided,omitempty"`
	Client    string    `json:"client,omitempty"`
	Mailbox   string    `json:"mailbox,omitempty"` // in the form of an allow-list entry
	Operation string    `json:"operation,omitempty"`
	Why       string    `json:"why"` // the reason, as in the log, or the missing information
	Requests  int64     `json:"requests"`
	Succeeded int64     `json:"succeeded"` // number of Requests that succeeded according to the log
	First     time.Time `json:"first"`
	Last      time.Time `json:"last"`
}

// NewReplay returns a Replay of these policies.
func NewReplay(p *Policies) *Replay {
	return &Replay{policies: p, users: make(map[string]*policy.Policy), rows: make(map[rowKey]*Row)}
}

// Texts for the information that the log lacks about an undecided request.
// Row.Why contains them.
const (
	lacksReference = "the log does not name the mailboxes in the Body"
	lacksAnchor    = "the log does not name the mailbox of X-AnchorMailbox"
	lacksLogin     = "the log does not have the login name"
	lacksMembers   = "the members of HMA_ALLOWED_GROUPS are known to a running hmaproxy only"
)

// Add decides about a request of the log and counts it.
func (p *Replay) Add(r *proxy.Record) {
	outside, refused, lacks := p.decide(r)
	switch {
	case outside:
		p.totals.Outside++
	case refused != "":
		p.totals.Refused++
		p.add(r, refused, false)
	case lacks != "":
		p.totals.Undecided++
		p.add(r, lacks, true)
	default:
		p.totals.Allowed++
	}
}

// decide applies the policy to a logged request. outside is true if the policy
// does not decide about such a request. refused is the reason of a refusal. lacks
// says what information is missing for a decision. If all three are zero, the
// request is allowed.
func (p *Replay) decide(r *proxy.Record) (outside bool, refused, lacks string) {
	unread := r.Mailbox == "unreadable" || r.Reason == proxy.ReasonEnvelopeRefused || r.Audit == proxy.ReasonEnvelopeRefused
	if r.Operation == "" && !unread || proxy.IsAutodiscover(r.Operation) {
		return true, "", ""
	}
	decides, known := p.policyOf(r)
	switch {
	case !known:
		return false, proxy.ReasonCredentials.String(), ""
	case unread && decides.Limited(): // the document cannot be read, so every allow-list refuses the request
		return false, policy.EnvelopeRefused.String(), ""
	case unread:
		return false, "", ""
	}
	id, login := identity(r)
	if id.IsZero() && p.policies.config.LoginUser && login == "" {
		return false, "", lacksLogin
	}
	if _, refusal := decides.Decide(NewRequest(operationOf(r), id), login); refusal != nil {
		if p.mayBeMember(decides, refusal, id) {
			return false, "", lacksMembers
		}
		return false, refusal.Reason.String(), ""
	}
	return false, "", p.lacks(decides, r)
}

// operationOf returns the operation's name as the EWS schema spells it. For an
// operation that is not in the schema it returns the client's spelling.
func operationOf(r *proxy.Record) string {
	if r.Known == string(ews.OtherOperation) {
		return r.Operation
	}
	return cmp.Or(r.Known, r.Operation)
}

// policyOf returns the policy for a request. It returns false if the client
// user in the log does not exist any more.
func (p *Replay) policyOf(r *proxy.Record) (*policy.Policy, bool) {
	if p.policies.config.ClientUsersFile == "" {
		return p.policies.base, true
	}
	if r.Client == "" {
		p.totals.Userless++
		return p.policies.base, true
	}
	if narrowed, cached := p.users[r.Client]; cached {
		return narrowed, true
	}
	narrowed, err := p.policies.narrow(p.policies.base, r.Client)
	if err != nil {
		return nil, false
	}
	p.users[r.Client] = narrowed
	return narrowed, true
}

// identity returns the mailbox that the client named, or the zero Identity if the
// client named none. login is the client user. If there is no client user and
// hmaproxy added the mailbox, login is that mailbox, because hmaproxy adds the
// login user or the default mailbox.
func identity(r *proxy.Record) (id ews.Identity, login string) {
	switch {
	case r.Injected:
		return ews.Identity{}, cmp.Or(r.Client, r.Mailbox)
	case r.Mailbox == "":
		return ews.Identity{}, r.Client
	}
	return ews.Identity{Kind: r.Named, Value: r.Mailbox}, r.Client
}

// mayBeMember reports whether a mailbox is refused only because the members of
// groups are not known here.
func (p *Replay) mayBeMember(decides *policy.Policy, refusal *policy.Refusal, id ews.Identity) bool {
	if p.policies.config.AllowedGroups == nil || refusal.Reason != policy.MailboxNotAllowed {
		return false
	}
	matches, problem := decides.Explain(id)
	if problem != "" {
		return false
	}
	return !slices.ContainsFunc(matches, func(m policy.Match) bool { return m.OfClient && m.Entry == policy.Pattern{} })
}

// lacks returns the missing information about a request whose operation and
// mailbox are allowed, "" if nothing is missing.
func (p *Replay) lacks(decides *policy.Policy, r *proxy.Record) string {
	for _, reason := range [...]proxy.Reason{r.Reason, r.Audit} {
		switch {
		case reason == proxy.ReasonAnchorNotAllowed && decides.Limited():
			return lacksAnchor
		case reason == proxy.ReasonReferenceNotAllowed && decides.References():
			return lacksReference
		}
	}
	return ""
}

func (p *Replay) add(r *proxy.Record, why string, undecided bool) {
	id := ews.Identity{Kind: r.Named, Value: bounded(r.Mailbox)}
	key := rowKey{bounded(r.Client), bounded(operationOf(r)), id, why, undecided}
	row := p.rows[key]
	if row == nil {
		if len(p.rows) >= maxRows {
			p.totals.Beyond++
			return
		}
		row = &Row{Undecided: undecided, Client: key.client, Mailbox: nameOf(id), Operation: key.operation, Why: why}
		p.rows[key] = row
	}
	row.Requests++
	if r.Upstream == 200 && r.Reason == proxy.ReasonNone && r.Fault == "" {
		row.Succeeded++
	}
	at := r.Start.Add(r.Duration)
	if row.First.IsZero() || at.Before(row.First) {
		row.First = at
	}
	if at.After(row.Last) {
		row.Last = at
	}
}

// nameOf returns a mailbox in the form of an allow-list entry.
func nameOf(id ews.Identity) string {
	switch id.Kind {
	case ews.PrincipalName:
		return "upn:" + id.Value
	case ews.SID:
		return "sid:" + id.Value
	}
	return id.Value
}

// maxName limits a name from a client, in bytes.
const maxName = 256

// bounded cuts off s after maxName bytes. It does not split a UTF-8 character.
func bounded(s string) string { return printable.Truncate(s, maxName) }

// Totals returns the numbers so far.
func (p *Replay) Totals() Totals { return p.totals }

// Rows returns the rows so far. Refused requests come before undecided ones, and
// rows with more requests before rows with fewer.
func (p *Replay) Rows() []Row {
	list := make([]Row, 0, len(p.rows))
	for _, row := range p.rows {
		list = append(list, *row)
	}
	slices.SortFunc(list, func(a, b Row) int {
		return cmp.Or(compareBool(a.Undecided, b.Undecided), cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Client, b.Client),
			cmp.Compare(a.Mailbox, b.Mailbox), cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Why, b.Why))
	})
	return list
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// Limits returns the limitations of a replay with this configuration, each a
// sentence.
func (p *Replay) Limits() []string {
	c := p.policies.config
	limits := []string{"Requests that are not in the log are not tested; the rarest job must be in its span."}
	if !p.policies.base.Limited() {
		return append(limits, "The configuration has no allow-list, so that nothing is refused for its mailbox or operation.")
	}
	limits = append(limits, "Header blocks that a list refuses show only in a log that was written with a list.")
	if c.ListScope == config.Targets {
		limits = append(limits, "HMA_ALLOW_LIST_SCOPE=targets is not tested: the log does not hold the mailboxes and ids that a Body names. Audit mode tests it.")
	}
	if c.AllowedGroups != nil {
		limits = append(limits, "The members of HMA_ALLOWED_GROUPS are not known here.")
	}
	if p.totals.Userless > 0 {
		limits = append(limits, "Requests without a client user are tested against the list of all clients: the log does not say what HMA_CLIENT_USERS_FILE would say about them.")
	}
	return limits
}
