// Package traffic counts requests by mailbox, operation and client, with bounded
// memory. A running hmaproxy counts the requests that it serves. The command
// "hmaproxy report" counts the requests in a log.
package traffic

import (
	"cmp"
	"sync"
	"time"

	"hmaproxy/internal/ascii"
	"hmaproxy/internal/outcome"
	"hmaproxy/internal/printable"
	"hmaproxy/proxy"
	"hmaproxy/proxy/ews"
)

// Limits determine how much data a Traffic keeps. Clients choose most of the
// names that are counted, so each kind of name has a limit. With a limit of 0
// no names of that kind are kept.
type Limits struct {
	Mailboxes  int // number of names of mailboxes; a name counts once for each client user and form
	Operations int // number of operations; an operation counts once for each client user and program
	Problems   int // number of kinds of refusals, failures and faults; a kind counts once for each client user
	Moments    int // number of parts of the timeline; when all are used, the resolution decreases
}

// LogLimits returns the limits for reading logs. They permit about 60 MB.
func LogLimits() Limits {
	return Limits{Mailboxes: 100_000, Operations: 20_000, Problems: 5_000, Moments: 50_000}
}

// LiveLimits returns the limits in a running hmaproxy. They permit less than 1
// MB, and no timeline (Moments).
func LiveLimits() Limits { return Limits{Mailboxes: 1000, Operations: 500, Problems: 200} }

// maxName limits a name in bytes. No name that an allow-list accepts is longer.
const maxName = 256

// Counts are the totals of a group of requests.
type Counts struct {
	Outcomes [outcome.Count]int64 // in the order of outcome.All
	BytesIn  int64
	BytesOut int64
	Opened   int64 // number of requests for which Exchange has opened the mailbox; see opened
	First    time.Time
	Last     time.Time
}

// Requests returns the number of requests.
func (c *Counts) Requests() int64 {
	var n int64
	for _, m := range c.Outcomes {
		n += m
	}
	return n
}

// Of returns the number of requests with an outcome.
func (c *Counts) Of(o outcome.Outcome) int64 { return c.Outcomes[position(o)] }

func (c *Counts) add(r *proxy.Record, o outcome.Outcome) {
	c.Outcomes[position(o)]++
	c.BytesIn += r.BytesIn
	c.BytesOut += r.BytesOut
	if opened(r) {
		c.Opened++
	}
	at := r.Start.Add(r.Duration)
	if c.First.IsZero() || at.Before(c.First) {
		c.First = at
	}
	if at.After(c.Last) {
		c.Last = at
	}
}

// merge adds the counts in other to c.
func (c *Counts) merge(other *Counts) {
	for i, n := range other.Outcomes {
		c.Outcomes[i] += n
	}
	c.BytesIn += other.BytesIn
	c.BytesOut += other.BytesOut
	c.Opened += other.Opened
	if c.First.IsZero() || !other.First.IsZero() && other.First.Before(c.First) {
		c.First = other.First
	}
	if other.Last.After(c.Last) {
		c.Last = other.Last
	}
}

// opened reports whether Exchange has opened the mailbox, as far as the record
// shows. Exchange must have responded with status 200 and without a SOAP fault. The
// request must not have failed, because a sign-in page may also have status 200.
func opened(r *proxy.Record) bool {
	class := r.Reason.Class()
	return r.Upstream == 200 && r.Fault == "" && (class == proxy.ClassServed || class == proxy.ClassClientLeft)
}

func position(o outcome.Outcome) int {
	for i, other := range outcome.All() {
		if other == o {
			return i
		}
	}
	return 0
}

// A Form is the form in which a mailbox is named. An allow-list has separate
// entries for each form.
type Form uint8

const (
	SMTP Form = iota // an SMTP address; also used if no mailbox is named
	UPN              // a user principal name
	SID              // a security identifier
)

// Prefix returns the prefix of an entry of this form on an allow-list.
func (f Form) Prefix() string { return [...]string{"", "upn:", "sid:"}[f] }

func formOf(k ews.IdentityKind) Form {
	switch k {
	case ews.PrincipalName:
		return UPN
	case ews.SID:
		return SID
	}
	return SMTP
}

type mailboxKey struct {
	client string // the client user, "" for none
	form   Form
	name   string // in ASCII lower case
}

type mailbox struct {
	Counts
	injected int64
	gone     time.Time // time when Exchange last reported that the mailbox does not exist
	opened   time.Time // time when Exchange last opened the mailbox
	faulted  time.Time // time of the latest request that ended with a SOAP fault
	fault    string    // response code of that request
}

type operationKey struct{ client, product, name string }

type operation struct {
	Counts
	durations durations
}

type problemKey struct {
	client string
	kind   ProblemKind
	word   string
}

type problem struct {
	count   int64
	last    time.Time
	mailbox string // mailbox of the latest request
}

// A Traffic counts requests. It is safe for concurrent use.
type Traffic struct {
	limits Limits

	mu         sync.Mutex
	total      Counts
	durations  durations // durations of requests that are not streams
	mailboxes  map[mailboxKey]*mailbox
	operations map[operationKey]*operation
	problems   map[problemKey]*problem
	timeline   timeline
	beyond     Beyond
	unnamed    int64 // number of SOAP requests that name no mailbox and to which none was added
	unreadable int64 // number of SOAP requests that could not be read
}

// Beyond counts requests that the lists do not contain, because the number of names
// has reached a limit. The totals include these requests.
type Beyond struct{ Mailboxes, Operations, Problems int64 }

// New returns a Traffic that has counted nothing.
func New(l Limits) *Traffic {
	return &Traffic{
		limits: l, mailboxes: make(map[mailboxKey]*mailbox), operations: make(map[operationKey]*operation),
		problems: make(map[problemKey]*problem), timeline: newTimeline(l.Moments),
	}
}

// unreadableMailbox replaces the mailbox in a record if the document could not
// be read.
const unreadableMailbox = "unreadable"

// Done counts a request that has ended.
func (t *Traffic) Done(r *proxy.Record, o outcome.Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total.add(r, o)
	t.timeline.add(r.Start.Add(r.Duration), o)
	if !outcome.IsStreaming(r) {
		t.durations.add(r.Duration)
	}
	t.addMailbox(r, o)
	t.addOperation(r, o)
	t.addProblem(r, Refused, r.Reason.String())
	t.addProblem(r, Audited, r.Audit.String())
	t.addProblem(r, Fault, string(r.Fault))
}

func (t *Traffic) addMailbox(r *proxy.Record, o outcome.Outcome) {
	switch {
	case proxy.IsAutodiscover(r.Operation):
		return
	case r.Mailbox == "" && r.Operation != "":
		t.unnamed++
		return
	case r.Mailbox == "":
		return
	case r.Mailbox == unreadableMailbox:
		t.unreadable++
		return
	}
	key := mailboxKey{r.Client, formOf(r.Named), ascii.ToLower(bounded(r.Mailbox))}
	m := t.mailboxes[key]
	if m == nil {
		if len(t.mailboxes) >= t.limits.Mailboxes {
			t.beyond.Mailboxes++
			return
		}
		m = new(mailbox)
		t.mailboxes[key] = m
	}
	m.add(r, o)
	if r.Injected {
		m.injected++
	}
	at := r.Start.Add(r.Duration)
	switch {
	case opened(r):
		m.opened = later(m.opened, at)
	case r.Fault == nonExistent:
		m.gone = later(m.gone, at)
	}
	if r.Fault != "" && isLaterFault(at, string(r.Fault), m.faulted, m.fault) {
		m.faulted, m.fault = at, string(r.Fault)
	}
}

// isLaterFault reports whether a fault replaces another as the latest one. For
// faults at the same time the codes decide, so that the result depends neither on
// the order of the log nor on the order of the clients.
func isLaterFault(at time.Time, code string, otherAt time.Time, otherCode string) bool {
	n := at.Compare(otherAt)
	return n > 0 || n == 0 && code > otherCode
}

// nonExistent is the response code for an address without a mailbox in this
// organisation's Exchange Server. The mailbox was removed or moved to Exchange
// Online, or the address was mistyped.
const nonExistent = "ErrorNonExistentMailbox"

func (t *Traffic) addOperation(r *proxy.Record, o outcome.Outcome) {
	key := operationKey{r.Client, r.Product, operationName(r)}
	op := t.operations[key]
	if op == nil {
		if len(t.operations) >= t.limits.Operations {
			t.beyond.Operations++
			return
		}
		op = new(operation)
		t.operations[key] = op
	}
	op.add(r, o)
	op.durations.add(r.Duration)
}

// operationName returns the operation's name as the EWS schema spells it. For
// an operation that is not in the schema it returns the client's spelling. For
// a request without an operation it returns "".
func operationName(r *proxy.Record) string {
	if r.Known == string(ews.OtherOperation) {
		return bounded(r.Operation)
	}
	return cmp.Or(r.Known, bounded(r.Operation))
}

func (t *Traffic) addProblem(r *proxy.Record, kind ProblemKind, word string) {
	if word == "" {
		return
	}
	key := problemKey{r.Client, kind, bounded(word)}
	p := t.problems[key]
	if p == nil {
		if len(t.problems) >= t.limits.Problems {
			t.beyond.Problems++
			return
		}
		p = new(problem)
		t.problems[key] = p
	}
	p.count++
	if at := r.Start.Add(r.Duration); !at.Before(p.last) {
		p.last, p.mailbox = at, bounded(r.Mailbox)
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// bounded shortens a name from a client to maxName bytes and a "…".
func bounded(s string) string { return printable.Truncate(s, maxName) }
