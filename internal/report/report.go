// Package report describes the traffic in a log as text, JSON, CSV or a web
// page. Each format escapes the names in a log, because clients chose them.
package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"hmaproxy/internal/graphmap"
	"hmaproxy/internal/outcome"
	"hmaproxy/internal/printable"
	"hmaproxy/internal/requestlog"
	"hmaproxy/internal/suggest"
	"hmaproxy/internal/traffic"
	"hmaproxy/proxy"
	"hmaproxy/proxy/ews"
)

// Options are the options of a report. Files names the input. Suggest adds a
// suggested allow-list to the report, and Graph the APIs of Microsoft Graph that
// correspond to the operations.
type Options struct {
	Version  string
	Files    []string
	Suggest  bool
	Graph    bool
	Location *time.Location // time zone of the times in text and on the page
	Top      int            // maximum number of rows of each table in text, except the tables about Microsoft Graph; 0: all
}

// A Report contains the data that all formats show. Its texts are printable.
type Report struct {
	Version    string      `json:"hmaproxy"`
	Files      []string    `json:"files"`
	Log        Log         `json:"log"`
	Span       Span        `json:"span"`
	Total      Row         `json:"total"`
	Clients    []Row       `json:"clients"`
	Operations []Row       `json:"operations"`
	Mailboxes  []Row       `json:"mailboxes"`
	ByClient   []Row       `json:"mailboxes_by_client,omitempty"` // empty if no client has a user name
	Problems   []Problem   `json:"problems"`
	Notes      []string    `json:"notes"`
	Suggestion *Suggestion `json:"suggestion,omitempty"`
	Graph      *Graph      `json:"graph,omitempty"`

	location *time.Location
	top      int
	timeline []traffic.Moment
	list     *suggest.List // nil without a suggestion
}

// A Log describes the log that was read. Each number counts lines of one kind;
// requestlog.Facts explains them.
type Log struct {
	Lines      int64            `json:"lines"`
	Requests   int64            `json:"requests"`
	Other      int64            `json:"other_lines"`
	Duplicates int64            `json:"duplicates"`
	Cut        int64            `json:"cut"`
	Foreign    int64            `json:"foreign"`
	Text       int64            `json:"text_form"`
	Unknown    int64            `json:"unknown"`
	Old        int64            `json:"old"`
	Dropped    int64            `json:"dropped"`
	LeftOut    map[string]int64 `json:"left_out,omitempty"` // number of requests that the log leaves out, by reason
	Unfinished []string         `json:"unfinished_files,omitempty"`
	Versions   []string         `json:"versions,omitempty"`
}

// A Span is the period that the log covers.
type Span struct {
	First   time.Time   `json:"first,omitzero"`
	Last    time.Time   `json:"last,omitzero"`
	Seconds int64       `json:"seconds"`
	Gaps    []Pause     `json:"gaps"`
	GapFrom int64       `json:"gap_from_seconds"` // minimum length of a pause that is reported as a gap
	Starts  []time.Time `json:"starts,omitempty"` // starts of hmaproxy
	Stopped []Pause     `json:"stopped,omitempty"`
	Abrupt  int         `json:"starts_without_end,omitempty"` // number of starts after a run whose end is not in the log
}

// A Pause is a period without requests, or one in which hmaproxy did not run.
type Pause struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Seconds int64     `json:"seconds"`
}

func pause(from, to time.Time) Pause {
	return Pause{from.UTC(), to.UTC(), int64(to.Sub(from) / time.Second)}
}

func (p Pause) length() time.Duration { return time.Duration(p.Seconds) * time.Second }

// A Row holds the totals of a group of requests.
type Row struct {
	Client  string `json:"client,omitempty"`
	Product string `json:"user_agent,omitempty"`
	Form    string `json:"form,omitempty"` // upn or sid; "" for an address
	Name    string `json:"name,omitempty"`

	Requests   int64 `json:"requests"`
	Served     int64 `json:"served"`
	Challenged int64 `json:"challenged"`
	Audited    int64 `json:"audited"`
	Left       int64 `json:"left"`
	Refused    int64 `json:"refused"`
	Failed     int64 `json:"failed"`
	BytesIn    int64 `json:"bytes_in"`
	BytesOut   int64 `json:"bytes_out"`

	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`

	MedianMS float64 `json:"median_ms,omitempty"`
	P95MS    float64 `json:"p95_ms,omitempty"`
	MaxMS    float64 `json:"max_ms,omitempty"`

	Fault      string `json:"last_fault,omitempty"`
	Gone       bool   `json:"gone,omitempty"`      // Exchange reports that the mailbox does not exist
	Mailboxes  int    `json:"mailboxes,omitempty"` // in a row about a client user's program: number of mailboxes that requests of this user named, with any program
	Operations []Row  `json:"operations,omitempty"`
	Graph      []API  `json:"graph,omitempty"`
}

// A Problem is a reason for which requests were not served, a reason for which
// enforce mode would have refused them, or a fault of Exchange.
type Problem struct {
	Kind    string    `json:"kind"` // reason, audit or fault
	Word    string    `json:"word"`
	Client  string    `json:"client,omitempty"`
	Count   int64     `json:"count"`
	LeftOut bool      `json:"left_out,omitempty"` // the log contains only the number of these requests
	Last    time.Time `json:"last,omitzero"`
	Mailbox string    `json:"last_mailbox,omitempty"`
	Meaning string    `json:"meaning,omitempty"`
}

// New makes a report from f, the facts about the log, and s, the counts of its
// requests.
func New(f *requestlog.Facts, s *traffic.Summary, o Options) (*Report, error) {
	r := &Report{
		Version: o.Version, Log: logOf(f), Span: spanOf(f, s), Total: totalOf(f, s),
		location: cmp.Or(o.Location, time.UTC), top: o.Top, timeline: s.Timeline,
	}
	for _, name := range o.Files {
		r.Files = append(r.Files, printable.Text(name))
	}
	used := make(map[string]int) // number of mailboxes that each client user has used
	for i := range s.ByClient {
		used[s.ByClient[i].Client]++
	}
	for i := range s.Clients {
		r.Clients = append(r.Clients, clientRow(&s.Clients[i], used))
	}
	for i := range s.Operations {
		r.Operations = append(r.Operations, operationRow(&s.Operations[i]))
	}
	for i := range s.Mailboxes {
		r.Mailboxes = append(r.Mailboxes, mailboxRow(&s.Mailboxes[i]))
	}
	if len(used) > 1 || len(used) == 1 && used[""] == 0 {
		for i := range s.ByClient {
			r.ByClient = append(r.ByClient, mailboxRow(&s.ByClient[i]))
		}
	}
	r.Problems = problems(f, s)
	r.Notes = notes(f, s)
	if o.Suggest {
		r.list = suggest.New(s)
		r.Suggestion = r.suggestion()
	}
	if o.Graph {
		return r, r.addGraph(s)
	}
	return r, nil
}

func logOf(f *requestlog.Facts) Log {
	l := Log{
		Lines: f.Lines, Requests: f.Requests, Other: f.Other, Duplicates: f.Duplicates, Cut: f.Cut, Foreign: f.Foreign,
		Text: f.Text, Unknown: f.Unknown, Old: f.Old, Dropped: f.Dropped,
	}
	for reason, n := range f.LeftOut {
		if l.LeftOut == nil {
			l.LeftOut = make(map[string]int64)
		}
		l.LeftOut[reason.String()] = n
	}
	for _, name := range f.Unfinished {
		l.Unfinished = append(l.Unfinished, printable.Text(name))
	}
	for _, v := range f.Versions {
		l.Versions = append(l.Versions, printable.Short(v, 64))
	}
	slices.Sort(l.Versions)
	return l
}

func spanOf(f *requestlog.Facts, s *traffic.Summary) Span {
	span := Span{First: s.First.UTC(), Last: s.Last.UTC(), Seconds: int64(s.Span() / time.Second), Gaps: []Pause{}, GapFrom: int64(s.LeastGap / time.Second)}
	for _, g := range s.Gaps {
		span.Gaps = append(span.Gaps, pause(g.From, g.To))
	}
	events := slices.Clone(f.Events)
	slices.SortStableFunc(events, func(a, b requestlog.Event) int { return a.At.Compare(b.At) })
	for i, e := range events {
		if !e.Start {
			continue
		}
		span.Starts = append(span.Starts, e.At.UTC())
		switch {
		case i == 0:
		case events[i-1].Start:
			span.Abrupt++
		default:
			span.Stopped = append(span.Stopped, pause(events[i-1].At, e.At))
		}
	}
	return span
}

// totalOf returns the totals of all requests, including refused ones that the
// log leaves out.
func totalOf(f *requestlog.Facts, s *traffic.Summary) Row {
	row := rowOf(&s.Counts)
	row.setDurations(s.Durations)
	row.Refused += f.LeftOutTotal()
	row.Requests += f.LeftOutTotal()
	return row
}

func rowOf(c *traffic.Counts) Row {
	return Row{
		Requests: c.Requests(), Served: c.Of(outcome.Served), Challenged: c.Of(outcome.Challenged), Audited: c.Of(outcome.Audited),
		Left: c.Of(outcome.Left), Refused: c.Of(outcome.Refused), Failed: c.Of(outcome.Failed),
		BytesIn: c.BytesIn, BytesOut: c.BytesOut, First: c.First.UTC(), Last: c.Last.UTC(),
	}
}

func (r *Row) setDurations(d traffic.Durations) {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	r.MedianMS, r.P95MS, r.MaxMS = ms(d.Median), ms(d.Slowest5), ms(d.Most)
}

func clientRow(c *traffic.Client, mailboxes map[string]int) Row {
	row := rowOf(&c.Counts)
	row.Client, row.Product, row.Mailboxes = printable.Text(c.Name), printable.Text(c.Product), mailboxes[c.Name]
	for i := range c.Operations {
		row.Operations = append(row.Operations, operationRow(&c.Operations[i]))
	}
	return row
}

func operationRow(o *traffic.Operation) Row {
	row := rowOf(&o.Counts)
	row.Name = printable.Text(o.Name)
	row.setDurations(o.Durations)
	return row
}

func mailboxRow(m *traffic.Mailbox) Row {
	row := rowOf(&m.Counts)
	row.Client, row.Fault, row.Gone = printable.Text(m.Client), printable.Text(m.Fault), m.Gone
	row.Form = strings.TrimSuffix(m.Form.Prefix(), ":")
	row.Name = printable.Text(strings.TrimPrefix(m.Entry(), m.Form.Prefix()))
	return row
}

func problems(f *requestlog.Facts, s *traffic.Summary) []Problem {
	list := []Problem{}
	for _, p := range s.Problems {
		one := Problem{
			Kind: p.Kind.String(), Word: printable.Text(p.Word), Client: printable.Text(p.Client), Count: p.Count,
			Last: p.Last.UTC(), Mailbox: printable.Text(p.Mailbox),
		}
		if p.Kind == traffic.Fault {
			if e, known := ews.ExplainFault(ews.ResponseCode(p.Word)); known {
				one.Meaning = e.For("the mailbox").Meaning
			}
		}
		list = append(list, one)
	}
	var left []Problem
	for reason, n := range f.LeftOut {
		left = append(left, Problem{Kind: traffic.Refused.String(), Word: reason.String(), Count: n, LeftOut: true})
	}
	slices.SortFunc(left, func(a, b Problem) int { return cmp.Compare(a.Word, b.Word) })
	return append(list, left...)
}

// notes returns the limitations of the report, each a sentence.
func notes(f *requestlog.Facts, s *traffic.Summary) []string {
	list := []string{}
	note := func(n int64, format string, args ...any) {
		if n > 0 {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	count := printable.Count
	if f.Requests == 0 {
		list = append(list, "The files hold no request of hmaproxy.")
	}
	if f.Requests > 0 && !f.Informed {
		list = append(list, "No line has the level INFO: HMA_LOG_LEVEL leaves out requests that were served, so most of the traffic is missing.")
	}
	note(f.Text, "%s not read, because the form is that for terminals: set HMA_LOG_FORMAT=json.", count(f.Text, "line was", "lines were"))
	note(f.Cut, "%s not complete, and not counted.", count(f.Cut, "line is", "lines are"))
	note(f.Foreign, "%s not of hmaproxy, and not counted.", count(f.Foreign, "line is", "lines are"))
	note(f.Unknown, "%s a reason that this version does not know, and not counted: read the log with the version that wrote it.", count(f.Unknown, "line has", "lines have"))
	note(f.Duplicates, "%s in the files more than once, and counted once.", count(f.Duplicates, "request is", "requests are"))
	note(f.Unchecked, "%s not compared with the others to find duplicates, because there are too many.", count(f.Unchecked, "request was", "requests were"))
	note(f.Old, "%s from a version that did not log how a mailbox is named: a user principal name looks like an address, and a push subscription like another one.", count(f.Old, "request is", "requests are"))
	note(f.LeftOutTotal(), "%s left out of the log, which counts them by reason only: they are in the totals and in no other table.", count(f.LeftOutTotal(), "refused request was", "refused requests were"))
	note(f.Dropped, "%s lost because nothing read the log.", count(f.Dropped, "log line was", "log lines were"))
	note(int64(len(f.Unfinished)), "%s too early: %s.", count(int64(len(f.Unfinished)), "compressed file ends", "compressed files end"), printable.Text(strings.Join(f.Unfinished, ", ")))
	note(s.Unnamed, "%s no mailbox.", count(s.Unnamed, "request named", "requests named"))
	note(s.Unreadable, "%s no SOAP document that could be read.", count(s.Unreadable, "request had", "requests had"))
	note(s.Beyond.Mailboxes, "INCOMPLETE: %s beyond the number of mailboxes that is counted.", count(s.Beyond.Mailboxes, "request is", "requests are"))
	note(s.Beyond.Operations, "INCOMPLETE: %s beyond the number of clients and operations that is counted.", count(s.Beyond.Operations, "request is", "requests are"))
	note(s.Beyond.Problems, "INCOMPLETE: %s beyond the number of problems that is counted.", count(s.Beyond.Problems, "request is", "requests are"))
	return list
}

// A Suggestion is a suggest.List in the form of the report.
type Suggestion struct {
	Entries    []string            `json:"entries"`
	LeftOut    []LeftOut           `json:"left_out"`
	Operations string              `json:"operations"` // the value of HMA_ALLOWED_OPERATIONS
	Refused    []LeftOut           `json:"operations_left_out"`
	Clients    map[string][]string `json:"clients"` // suggested mailbox patterns by client user
	Notes      []string            `json:"notes"`
	File       string              `json:"file"` // text of an allow-list with comments
}

// LeftOut is a mailbox or operation that a suggestion leaves out.
type LeftOut struct {
	Name     string `json:"name"`
	Requests int64  `json:"requests"`
	Why      string `json:"why"`
}

func (r *Report) suggestion() *Suggestion {
	s := &Suggestion{Entries: []string{}, LeftOut: []LeftOut{}, Refused: []LeftOut{}, Clients: map[string][]string{}, Notes: r.list.Notes}
	for _, e := range r.list.Entries {
		s.Entries = append(s.Entries, e.Text)
	}
	for _, m := range r.list.LeftOut {
		s.LeftOut = append(s.LeftOut, LeftOut{printable.Text(m.Entry()), m.Requests(), m.Why})
	}
	for _, o := range r.list.Refused {
		s.Refused = append(s.Refused, LeftOut{printable.Text(o.Name), o.Requests, o.Why})
	}
	for _, c := range r.list.Clients {
		s.Clients[printable.Text(c.Name)] = c.Entries
	}
	_, s.Operations, _ = strings.Cut(r.list.OperationsSetting(), "=")
	var file strings.Builder
	_ = WriteSuggestion(&file, r) // a Builder does not fail
	s.File = file.String()
	return s
}

// A Graph says how much of the traffic has a corresponding API in Microsoft
// Graph.
type Graph struct {
	Source      string        `json:"source"`
	URL         string        `json:"url"`
	Read        string        `json:"read"`
	Caveats     []string      `json:"caveats"`
	Listed      int64         `json:"requests_with_counterpart"`
	Conditional int64         `json:"requests_with_conditional_counterpart"`
	Unlisted    int64         `json:"requests_without_counterpart"`
	Clients     []GraphClient `json:"clients"`
}

// A GraphClient says how much of one client's traffic has a corresponding API in
// Microsoft Graph.
type GraphClient struct {
	Client      string   `json:"client,omitempty"`
	Product     string   `json:"user_agent,omitempty"`
	Listed      int64    `json:"requests_with_counterpart"`
	Conditional int64    `json:"requests_with_conditional_counterpart"`
	Unlisted    int64    `json:"requests_without_counterpart"`
	Missing     []string `json:"operations_without_counterpart"`
}

// An API is an API of Microsoft Graph that corresponds to an operation.
type API struct {
	Title     string `json:"api"`
	Page      string `json:"url"`
	Condition string `json:"condition,omitempty"`
}

func (r *Report) addGraph(s *traffic.Summary) error {
	m, err := graphmap.Load()
	if err != nil {
		return err
	}
	g := &Graph{Source: m.Source.Title, URL: m.Source.URL, Read: m.Source.Read, Caveats: graphmap.Caveats(), Clients: []GraphClient{}}
	for i := range s.Operations {
		for _, api := range m.APIs(s.Operations[i].Name) {
			r.Operations[i].Graph = append(r.Operations[i].Graph, API{api.Title, api.Page, api.Condition})
		}
		if name := s.Operations[i].Name; name != "" && !proxy.IsAutodiscover(name) {
			addShares(m, &s.Operations[i], &g.Listed, &g.Conditional, &g.Unlisted)
		}
	}
	for i := range s.Clients {
		c := &s.Clients[i]
		one := GraphClient{Client: printable.Text(c.Name), Product: printable.Text(c.Product), Missing: []string{}}
		for j := range c.Operations {
			o := &c.Operations[j]
			if o.Name == "" || proxy.IsAutodiscover(o.Name) {
				continue
			}
			addShares(m, o, &one.Listed, &one.Conditional, &one.Unlisted)
			if m.APIs(o.Name) == nil {
				one.Missing = append(one.Missing, printable.Text(o.Name))
			}
		}
		slices.Sort(one.Missing)
		g.Clients = append(g.Clients, one)
	}
	r.Graph = g
	return nil
}

// addShares adds the number of an operation's requests to one of the counters:
// unlisted if no API corresponds to the operation, conditional if the first
// corresponding API has a condition, and listed otherwise.
func addShares(m *graphmap.Map, o *traffic.Operation, listed, conditional, unlisted *int64) {
	switch apis := m.APIs(o.Name); {
	case apis == nil:
		*unlisted += o.Requests()
	case apis[0].Condition != "":
		*conditional += o.Requests()
	default:
		*listed += o.Requests()
	}
}
