package traffic

import (
	"cmp"
	"sort"
	"strings"
	"time"
)

// A Summary contains the counts of a Traffic. The lists of clients, operations
// and mailboxes begin with the most frequent item. Problems are sorted by kind,
// and those of one kind by frequency. The lists are complete, except for the
// requests in Beyond.
type Summary struct {
	Counts
	Durations Durations // durations of requests that are not streams

	Clients    []Client
	Operations []Operation // operations of all clients together
	Mailboxes  []Mailbox   // mailboxes of all clients together
	ByClient   []Mailbox   // mailboxes of each client user separately
	Problems   []Problem

	Timeline []Moment      // in the order of time
	Width    time.Duration // length of time of a Moment
	Gaps     []Gap
	LeastGap time.Duration // minimum length of a pause that is reported as a gap

	Unnamed    int64 // number of SOAP requests without a mailbox
	Unreadable int64 // number of SOAP requests that could not be read
	Injected   int64 // number of requests to which the proxy added the mailbox
	Beyond     Beyond
}

// Span returns the time from the first to the last request.
func (s *Summary) Span() time.Duration { return s.Last.Sub(s.First) }

// Durations say how long requests took. Slowest5 is the 95th percentile, and Most
// is the longest duration. Median and Slowest5 are at most a quarter too high.
type Durations struct{ Median, Slowest5, Most time.Duration }

func (d *durations) summary() Durations {
	return Durations{d.quantile(.5), d.quantile(.95), d.most}
}

// A Client is a client user and a program that it uses.
type Client struct {
	Name    string // name of the client user, "" for none
	Product string // first product of the User-Agent, with its version; "" for none
	Counts
	Operations []Operation
}

// An Operation is an EWS operation.
type Operation struct {
	Name string // "" for requests that are not SOAP requests
	Counts
	Durations Durations
	durations durations
}

// A Mailbox is a mailbox in the form in which clients name it.
type Mailbox struct {
	Client string // the client user; "" in a list of all clients together
	Form   Form
	Name   string // in lower case
	Counts
	Injected int64     // number of requests to which the proxy added the name
	Gone     bool      // Exchange has reported that the mailbox does not exist, and has not opened it since
	Fault    string    // response code of the latest SOAP fault
	faulted  time.Time // time of that fault
	opened   time.Time // time when Exchange last opened the mailbox
	gone     time.Time
}

// Entry returns the mailbox in the form of an allow-list entry. The text comes
// from the client and may not be a valid entry.
func (m *Mailbox) Entry() string {
	if m.Form == SID {
		return m.Form.Prefix() + strings.ToUpper(m.Name)
	}
	return m.Form.Prefix() + m.Name
}

// A ProblemKind is a kind of Problem.
type ProblemKind uint8

// The kinds of problems. For each kind, Problem.Word is the value of a different
// field of the log line. String returns the key of this field.
const (
	Refused ProblemKind = iota // the reason of a request that did not get Exchange's response
	Audited                    // the reason for which enforce mode would have refused
	Fault                      // the response code of Exchange's own SOAP fault
)

// String returns "reason", "audit" or "fault": the key of the log line's field that
// has the value of Problem.Word.
func (k ProblemKind) String() string { return [...]string{"reason", "audit", "fault"}[k] }

// A Problem is one of three things: a reason for which requests were not served, a
// reason for which enforce mode would have refused them, or a fault of Exchange.
type Problem struct {
	Client  string // name of the client user, "" for none
	Kind    ProblemKind
	Word    string // the reason or the response code
	Count   int64
	Last    time.Time
	Mailbox string // mailbox of the latest request
}

// Summary returns the counts so far.
func (t *Traffic) Summary() *Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &Summary{
		Counts: t.total, Durations: t.durations.summary(), Unnamed: t.unnamed, Unreadable: t.unreadable, Beyond: t.beyond,
		Timeline: t.timeline.sorted(), Width: time.Duration(t.timeline.width) * time.Second,
	}
	s.Gaps, s.LeastGap = gaps(s.Timeline, s.Width)
	t.addMailboxes(s)
	t.addOperations(s)
	for key, p := range t.problems {
		s.Problems = append(s.Problems, Problem{key.client, key.kind, key.word, p.count, p.last, p.mailbox})
	}
	sortBy(s.Problems, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Word, b.Word), cmp.Compare(a.Client, b.Client))
	})
	return s
}

func (t *Traffic) addMailboxes(s *Summary) {
	type name struct {
		form Form
		name string
	}
	all := make(map[name]int, len(t.mailboxes)) // index in s.Mailboxes
	for key, m := range t.mailboxes {
		one := Mailbox{
			Client: key.client, Form: key.form, Name: key.name, Counts: m.Counts,
			Injected: m.injected, Fault: m.fault, faulted: m.faulted, opened: m.opened, gone: m.gone,
		}
		s.Injected += m.injected
		s.ByClient = append(s.ByClient, one)
		at, known := all[name{key.form, key.name}]
		if !known {
			all[name{key.form, key.name}] = len(s.Mailboxes)
			one.Client = ""
			s.Mailboxes = append(s.Mailboxes, one)
			continue
		}
		sum := &s.Mailboxes[at]
		sum.merge(&one.Counts)
		sum.Injected += one.Injected
		if isLaterFault(one.faulted, one.Fault, sum.faulted, sum.Fault) {
			sum.faulted, sum.Fault = one.faulted, one.Fault
		}
		sum.opened, sum.gone = later(sum.opened, one.opened), later(sum.gone, one.gone)
	}
	for _, list := range [][]Mailbox{s.Mailboxes, s.ByClient} {
		for i := range list {
			list[i].Gone = list[i].gone.After(list[i].opened)
		}
		sortBy(list, func(a, b *Mailbox) int {
			return cmp.Or(cmp.Compare(b.Requests(), a.Requests()), cmp.Compare(a.Entry(), b.Entry()), cmp.Compare(a.Client, b.Client))
		})
	}
}

func (t *Traffic) addOperations(s *Summary) {
	type client struct{ name, product string }
	clients, all := make(map[client]*Client), make(map[string]*Operation)
	for key, o := range t.operations {
		one := clients[client{key.client, key.product}]
		if one == nil {
			one = &Client{Name: key.client, Product: key.product}
			clients[client{key.client, key.product}] = one
		}
		one.merge(&o.Counts)
		one.Operations = append(one.Operations, Operation{Name: key.name, Counts: o.Counts, Durations: o.durations.summary()})
		sum := all[key.name]
		if sum == nil {
			sum = &Operation{Name: key.name}
			all[key.name] = sum
		}
		sum.merge(&o.Counts)
		sum.durations.merge(&o.durations)
	}
	for _, o := range all {
		o.Durations = o.durations.summary()
		s.Operations = append(s.Operations, *o)
	}
	sortOperations(s.Operations)
	for _, c := range clients {
		sortOperations(c.Operations)
		s.Clients = append(s.Clients, *c)
	}
	sortBy(s.Clients, func(a, b *Client) int {
		return cmp.Or(cmp.Compare(b.Requests(), a.Requests()), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Product, b.Product))
	})
}

func sortOperations(list []Operation) {
	sortBy(list, func(a, b *Operation) int {
		return cmp.Or(cmp.Compare(b.Requests(), a.Requests()), cmp.Compare(a.Name, b.Name))
	})
}

// sortBy sorts list. slices.SortFunc would copy the large elements, and add 10 KB
// to the binary for each type.
func sortBy[T any](list []T, compare func(a, b *T) int) {
	sort.Slice(list, func(i, j int) bool { return compare(&list[i], &list[j]) < 0 })
}
