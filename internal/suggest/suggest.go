// Package suggest makes an allow-list for enforce mode from counted traffic. It
// proposes only mailboxes and operations of requests that succeeded. It proposes no
// wildcards, and no operation that is refused by default.
package suggest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"hmaproxy/internal/config"
	"hmaproxy/internal/policycheck"
	"hmaproxy/internal/printable"
	"hmaproxy/internal/traffic"
	"hmaproxy/proxy"
	"hmaproxy/proxy/policy"
)

// A List is a suggestion. All lists in it are sorted, except Notes.
type List struct {
	Entries    []Entry
	LeftOut    []LeftOut
	Operations []Operation  // operations to allow
	Refused    []Operation  // operations that were used but are not proposed: refused by default, unknown, or never successful
	Clients    []ClientList // the entries for each client user
	Notes      []string     // notes for the reader, each a sentence
}

// An Entry is an entry of the allow-list.
type Entry struct {
	Text string // the entry as HMA_ALLOWED_MAILBOXES accepts it
	traffic.Mailbox
}

// LeftOut is a mailbox that was requested and is not proposed.
type LeftOut struct {
	traffic.Mailbox
	Why string // the reason, a clause such as "no request succeeded"
}

// An Operation is an operation that was used.
type Operation struct {
	Name     string
	Requests int64
	Why      string // why the operation is not proposed, a clause; "" if it is proposed
}

// A ClientList has allow-list entries for the mailboxes that one client user opened.
type ClientList struct {
	Name    string
	Entries []string
}

// New makes a suggestion from counted traffic.
func New(s *traffic.Summary) *List {
	l := new(List)
	for i := range s.Mailboxes {
		l.addMailbox(&s.Mailboxes[i])
	}
	slices.SortFunc(l.Entries, func(a, b Entry) int { return byDomain(a.Text, b.Text) })
	slices.SortFunc(l.LeftOut, func(a, b LeftOut) int { return byDomain(a.Entry(), b.Entry()) })
	l.addClients(s)
	l.addOperations(s)
	l.addNotes(s)
	return l
}

// byDomain compares entries by domain, then by local part.
func byDomain(a, b string) int {
	_, domainA, _ := strings.Cut(a, "@")
	_, domainB, _ := strings.Cut(b, "@")
	return cmp.Or(cmp.Compare(domainA, domainB), cmp.Compare(a, b))
}

func (l *List) addMailbox(m *traffic.Mailbox) {
	if why := unfit(m); why != "" {
		l.LeftOut = append(l.LeftOut, LeftOut{*m, why})
		return
	}
	l.Entries = append(l.Entries, Entry{m.Entry(), *m})
}

// unfit returns the reason why a mailbox is not proposed, or "" if the mailbox is
// proposed.
func unfit(m *traffic.Mailbox) string {
	switch {
	case !isEntry(m):
		return "this name cannot be an entry of an allow-list"
	case m.Gone:
		return "Exchange does not have this mailbox any longer: removed, or moved to Exchange Online"
	case m.Opened > 0:
		return ""
	case m.Of("refused") == m.Requests():
		return "every request was refused here"
	case m.Fault != "":
		return "no request succeeded; Exchange's last fault was " + printable.Text(m.Fault)
	}
	return "no request succeeded"
}

// isEntry reports whether the mailbox's name is one valid allow-list entry that
// matches only this mailbox in this form. It uses the parser of the setting for
// two reasons. A client may choose a name that looks like another entry, such as
// "upn:ceo@contoso.com" or "*@contoso.com". The setting refuses addresses that
// look like exceptions, such as -x@contoso.com.
func isEntry(m *traffic.Mailbox) bool {
	if _, err := policy.ParseAddress(m.Name); err != nil && m.Form != traffic.SID {
		return false
	}
	var list config.Mailboxes
	err := list.UnmarshalText([]byte(m.Entry()))
	return err == nil && len(list) == 1 && list[0].String() == m.Entry()
}

func (l *List) addClients(s *traffic.Summary) {
	lists := make(map[string][]string)
	for i := range s.ByClient {
		if m := &s.ByClient[i]; m.Client != "" && unfit(m) == "" {
			lists[m.Client] = append(lists[m.Client], m.Entry())
		}
	}
	for name, entries := range lists {
		slices.SortFunc(entries, byDomain)
		l.Clients = append(l.Clients, ClientList{name, entries})
	}
	slices.SortFunc(l.Clients, func(a, b ClientList) int { return cmp.Compare(a.Name, b.Name) })
}

func (l *List) addOperations(s *traffic.Summary) {
	for i := range s.Operations {
		o := &s.Operations[i]
		if o.Name == "" || proxy.IsAutodiscover(o.Name) {
			continue
		}
		one := Operation{Name: o.Name, Requests: o.Requests(), Why: policycheck.RefusedByDefault(o.Name)}
		switch {
		case one.Why != "":
			l.Refused = append(l.Refused, one)
		case o.Opened > 0:
			l.Operations = append(l.Operations, one)
		default:
			one.Why = "no request succeeded"
			l.Refused = append(l.Refused, one)
		}
	}
	for _, list := range [][]Operation{l.Operations, l.Refused} {
		slices.SortFunc(list, func(a, b Operation) int { return cmp.Compare(a.Name, b.Name) })
	}
}

func (l *List) addNotes(s *traffic.Summary) {
	note := func(format string, args ...any) { l.Notes = append(l.Notes, fmt.Sprintf(format, args...)) }
	named := s.Requests() - s.Unnamed - s.Unreadable
	switch {
	case s.Requests() == 0:
		note("No request was found, so that nothing can be suggested.")
	case len(s.Mailboxes) == 0:
		note("No request named a mailbox. With an allow-list all of them are refused, unless the client impersonates or HMA_DEFAULT_MAILBOX is set.")
	case s.Injected > 0 && s.Injected == mailboxRequests(s):
		note("No request named a mailbox itself: hmaproxy added HMA_DEFAULT_MAILBOX or the login user to all of them. Keep that setting.")
	}
	if s.Unnamed > 0 && named > 0 {
		note("%s named no mailbox. With an allow-list they are refused, unless HMA_DEFAULT_MAILBOX is set.", requests(s.Unnamed))
	}
	if s.Unreadable > 0 {
		note("%s could not be read. With an allow-list they are refused; the key detail of the log says why.", requests(s.Unreadable))
	}
	if s.Beyond.Mailboxes > 0 {
		note("INCOMPLETE: %s named mailboxes beyond the number that is counted.", requests(s.Beyond.Mailboxes))
	}
	if s.Beyond.Operations > 0 {
		note("INCOMPLETE: %s had operations or clients beyond the number that is counted.", requests(s.Beyond.Operations))
	}
	for _, c := range l.Clients {
		if !config.IsUserName(c.Name) {
			note("A client user has a name that HMA_CLIENT_USERS_FILE cannot have: %s.", printable.Quote(c.Name))
		}
	}
}

// mailboxRequests returns the number of requests that were counted for all mailboxes
// together.
func mailboxRequests(s *traffic.Summary) int64 {
	var n int64
	for i := range s.Mailboxes {
		n += s.Mailboxes[i].Requests()
	}
	return n
}

func requests(n int64) string { return printable.Count(n, "request", "requests") }
