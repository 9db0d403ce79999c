// Package requestlog reads the log lines about requests that package accesslog
// writes. It also reads them in the formats in which container platforms and
// journals wrap lines.
//
// Clients chose the names in a log. Programs that print them must escape them;
// this package does not.
package requestlog

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"time"

	"hmaproxy/proxy"
	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

// Limits of the data that a Reader keeps.
const (
	maxLine     = 1 << 20   // bytes of a line; the product's lines have less than 16 KiB
	maxIDs      = 4_000_000 // number of request ids, for finding duplicates; 8 to 16 bytes each
	maxEvents   = 10_000    // number of starts and ends of the process
	maxVersions = 20
)

// ErrUTF16 is returned for a file that is UTF-16, as Windows PowerShell writes when
// it redirects output.
var ErrUTF16 = errors.New("the file is UTF-16: save it as UTF-8")

// Facts describe the input, including gaps in it that limit a report.
type Facts struct {
	Lines      int64 // number of lines that are not blank
	Requests   int64 // number of requests that the Reader passed to the function given to NewReader
	Other      int64 // number of lines of hmaproxy that are not about one request
	Duplicates int64 // number of lines about requests that were read before
	Unchecked  int64 // number of lines about requests that may have been read before; too many ids are known to check this
	Cut        int64 // number of lines that begin as JSON but are incomplete, and of lines that are too long
	Foreign    int64 // number of lines of other programs
	Text       int64 // number of lines in the text form for terminals, which a Reader cannot parse
	Unknown    int64 // number of lines with a reason that this version does not know
	Old        int64 // number of lines about requests by the first version, which did not log mailbox_form and push

	LeftOut map[proxy.Reason]int64 // number of refused requests that the log leaves out, by reason
	Dropped int64                  // number of lines that hmaproxy could not write to the log

	Informed    bool     // the log contains lines of the level INFO about requests
	Unfinished  []string // names of compressed files that end too early
	Events      []Event  // events in the order of reading
	MoreEvents  int64    // number of further events, beyond maxEvents
	Versions    []string // versions of hmaproxy, from the lines about starts
	First, Last time.Time
}

// LeftOutTotal returns the number of requests that the log leaves out.
func (f *Facts) LeftOutTotal() int64 {
	var n int64
	for _, m := range f.LeftOut {
		n += m
	}
	return n
}

// An Event is a start or an end of hmaproxy.
type Event struct {
	At    time.Time
	Start bool
}

// A Reader reads logs. The files may be read in any order. It must not be used by
// several goroutines at the same time.
type Reader struct {
	facts   Facts
	each    func(*proxy.Record)
	seen    map[uint64]struct{} // hashes of the request ids that were read
	seed    maphash.Seed
	policy  *policy.Policy // maps the client's spelling of an operation to the name in the schema; decides nothing else
	known   map[operation]string
	decoder decoder
	record  proxy.Record
}

// An operation is what a log line says about the operation of a request: its name
// in the client's spelling, and whether it subscribes to push notifications.
type operation struct {
	name string
	push bool
}

// NewReader returns a Reader that calls the function each once for every request.
// The record is valid only during the call. It contains those fields of the log
// line that are needed for a report. Start and Duration are set; Err and Diagnosis
// are not.
func NewReader(each func(*proxy.Record)) (*Reader, error) {
	p, err := policy.New(policy.Config{})
	if err != nil {
		return nil, fmt.Errorf("request log: %w", err)
	}
	return &Reader{
		facts: Facts{LeftOut: make(map[proxy.Reason]int64)}, each: each, policy: p,
		seen: make(map[uint64]struct{}), seed: maphash.MakeSeed(), known: make(map[operation]string), decoder: decoder{make(map[string]string)},
	}, nil
}

// Facts returns the facts about the input.
func (r *Reader) Facts() *Facts { return &r.facts }

// Read reads a log, which may be compressed with gzip. name identifies the log in
// Facts. Read returns ErrUTF16, an error about damaged gzip data, or the error with
// which reading from in failed. Compressed data that ends too early is not an error:
// name is then added to Facts.Unfinished.
func (r *Reader) Read(name string, in io.Reader) error {
	buffered := bufio.NewReaderSize(in, 64<<10)
	magic, _ := buffered.Peek(3)
	if !bytes.HasPrefix(magic, []byte("\x1f\x8b")) {
		return r.readLines(buffered)
	}
	unpacked, err := gzip.NewReader(buffered)
	if err == nil {
		err = r.readLines(bufio.NewReaderSize(unpacked, 64<<10))
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) { // the file is still being written, or truncated
		r.facts.Unfinished = append(r.facts.Unfinished, name)
		return nil
	}
	return err
}

func (r *Reader) readLines(in *bufio.Reader) error {
	magic, _ := in.Peek(3)
	switch {
	case bytes.HasPrefix(magic, []byte("\xff\xfe")), bytes.HasPrefix(magic, []byte("\xfe\xff")):
		return ErrUTF16
	case bytes.HasPrefix(magic, []byte("\xef\xbb\xbf")):
		_, _ = in.Discard(3)
	}
	var long []byte // the beginning of a line that is longer than the buffer
	for {
		part, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			if len(long) <= maxLine {
				long = append(long, part...)
			}
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return err
		case len(long) > maxLine:
			r.facts.Lines++
			r.facts.Cut++
		case len(long) > 0:
			r.line(append(long, part...))
		default:
			r.line(part)
		}
		long = long[:0]
		if err != nil {
			return nil // err is io.EOF
		}
	}
}

// line reads one line, with or without the line end.
func (r *Reader) line(line []byte) {
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return
	}
	r.facts.Lines++
	var l entry
	switch r.decoder.parse(line, &l) {
	case ours:
		r.entry(&l)
	case cut:
		r.facts.Cut++
	case text:
		r.facts.Text++
	case foreign:
		r.facts.Foreign++
	}
}

// entry handles a parsed line of hmaproxy.
func (r *Reader) entry(l *entry) {
	switch l.Msg {
	case "request":
		r.request(l)
		return
	case "started":
		r.event(l, true)
		r.version(l.Version)
	case "stopped", "ended":
		r.event(l, false)
	case "refused requests were left out of this log", "requests without valid credentials were left out of this log":
		if !r.leftOut(l) {
			r.facts.Unknown++
			return
		}
	case "log lines were dropped because the log was not read":
		r.facts.Dropped += max(l.Count, 0)
	}
	r.facts.Other++
}

// leftOut counts requests that the log leaves out. It returns false if the reason
// is unknown or the number is negative.
func (r *Reader) leftOut(l *entry) bool {
	var reason proxy.Reason
	if err := reason.UnmarshalText([]byte(l.Reason)); err != nil || l.Count < 0 {
		return false
	}
	if reason == proxy.ReasonNone { // in an older version the line about credentials has no reason
		reason = proxy.ReasonCredentials
	}
	r.facts.LeftOut[reason] += l.Count
	return true
}

func (r *Reader) event(l *entry, start bool) {
	if len(r.facts.Events) == maxEvents {
		r.facts.MoreEvents++
		return
	}
	r.facts.Events = append(r.facts.Events, Event{l.Time, start})
}

func (r *Reader) version(v string) {
	for _, known := range r.facts.Versions {
		if known == v {
			return
		}
	}
	if v != "" && len(r.facts.Versions) < maxVersions {
		r.facts.Versions = append(r.facts.Versions, v)
	}
}

// request passes the request in a line to r.each, unless the request was read
// before or this version does not know the reason in the line.
func (r *Reader) request(l *entry) {
	rec := &r.record
	*rec = proxy.Record{
		ID: l.ID, Client: l.Client, Method: l.Method, Product: l.UserAgent, Operation: l.Operation, Mailbox: l.Mailbox,
		Injected: l.Injected, Status: l.Status, Upstream: l.Upstream, BytesIn: max(l.BytesIn, 0), BytesOut: max(l.BytesOut, 0),
		Fault: ews.ResponseCode(l.Fault), Named: named(l),
	}
	if rec.Reason.UnmarshalText([]byte(l.Reason)) != nil || rec.Audit.UnmarshalText([]byte(l.Audit)) != nil {
		r.facts.Unknown++
		return
	}
	if r.isDuplicate(l.ID) {
		r.facts.Duplicates++
		return
	}
	if l.Duration != 0 { // the first version logged nanoseconds
		rec.Duration = time.Duration(l.Duration)
		r.facts.Old++
	} else {
		rec.Duration = time.Duration(l.DurationMS * float64(time.Millisecond))
	}
	rec.Duration = max(rec.Duration, 0)
	rec.Start = l.Time.Add(-rec.Duration)
	rec.Known = r.knownOperation(l)
	r.facts.Informed = r.facts.Informed || l.Level == "INFO"
	r.facts.Requests++
	if r.facts.First.IsZero() || l.Time.Before(r.facts.First) {
		r.facts.First = l.Time
	}
	if l.Time.After(r.facts.Last) {
		r.facts.Last = l.Time
	}
	r.each(rec)
}

// named returns the form of the mailbox's name.
func named(l *entry) ews.IdentityKind {
	switch {
	case l.Mailbox == "" || l.Mailbox == "unreadable":
		return ews.NoIdentity
	case l.MailboxForm == "upn":
		return ews.PrincipalName
	case l.MailboxForm == "sid", len(l.Mailbox) > 4 && (l.Mailbox[:4] == "S-1-" || l.Mailbox[:4] == "s-1-"): // older versions log no form
		return ews.SID
	}
	return ews.SmtpAddress
}

// isDuplicate reports whether a request with that id was read before. It returns
// false if id is "", or if the id is new and too many ids are known.
func (r *Reader) isDuplicate(id string) bool {
	if id == "" {
		return false
	}
	h := maphash.String(r.seed, id)
	if _, seen := r.seen[h]; seen {
		return true
	}
	if len(r.seen) >= maxIDs {
		r.facts.Unchecked++
		return false
	}
	r.seen[h] = struct{}{}
	return false
}

// maxKnown limits the number of spellings of operations that are kept, because
// clients choose them.
const maxKnown = 1000

// knownOperation returns the operation's name as the EWS schema spells it, in the
// form of proxy.Record.Known.
func (r *Reader) knownOperation(l *entry) string {
	if l.Operation == "" {
		return ""
	}
	key := operation{l.Operation, l.Push}
	if name, ok := r.known[key]; ok {
		return name
	}
	decision, _ := r.policy.Decide(&ews.Request{Operation: l.Operation, Push: l.Push}, "")
	name := string(decision.Operation)
	if len(r.known) < maxKnown {
		r.known[key] = name
	}
	return name
}
