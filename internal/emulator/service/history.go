package service

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// A Hop is one request to one service, as that service received it. All fields
// but Duration and Sent are set before the first byte of the response is sent.
// Bytes and Complete are set again when the handler has ended.
type Hop struct {
	Service  string // "entra", "vault", "exchange"
	Time     time.Time
	Duration time.Duration // 0 until the handler has ended
	Method   string
	Path     string // escaped, as sent
	Query    string
	Host     string
	Proto    string
	Header   http.Header // as received, Authorization included
	Trailer  http.Header
	Bytes    int64 // bytes of the body that the handler read
	Complete bool  // the body was read to its end
	Status   int   // status of the response; 0 for none
	Sent     int64 // bytes of the response's body that were written to the connection

	Form   url.Values // Entra: the token request, secrets included
	AADSTS int        // Entra: AADSTS code of the refusal; 0: no refusal

	Operation   string // Exchange: local name of the Body's element
	BodySHA256  string // Exchange: hash of the part of the envelope from "<Body" to the end of "</Body>"
	Mailbox     string // Exchange: the impersonated mailbox, as .NET would read it from the document
	MailboxSeen string // Exchange: the mailbox that comes first in the document, found by an independent reader
	BackEnd     string // Exchange: "EX01" or "EX02"
	Executed    bool   // Exchange: the operation ran
}

// A History records the requests of a service. It is safe for concurrent use.
type History struct {
	mu      sync.Mutex
	records []*Record
	count   int
}

// maxRecords is how many hops a History keeps at most, which bounds the memory of a
// long demo. A History that is full drops its oldest tenth.
const maxRecords = 10_000

// A Record records the Hop of a request while the request is served.
type Record struct {
	history *History
	hop     Hop   // guarded by history.mu
	fault   Fault // fault that applies to the request; only the goroutine that serves the request uses this field
}

// Note calls change with the hop. It holds the history's lock during the call.
func (r *Record) Note(change func(*Hop)) {
	r.history.mu.Lock()
	defer r.history.mu.Unlock()
	change(&r.hop)
}

// Fault returns the fault that applies to the request, or the zero Fault.
func (r *Record) Fault() Fault { return r.fault }

// finish completes the record and returns a copy of its hop.
func (r *Record) finish(body *meteredBody) (hop Hop) {
	r.Note(func(h *Hop) {
		h.Duration = max(time.Since(h.Time), 1)
		h.Bytes, h.Complete = body.n, body.complete()
		hop = h.clone()
	})
	return hop
}

func (h *History) begin(service string, r *http.Request) *Record {
	rec := &Record{history: h, hop: Hop{
		Service: service,
		Time:    time.Now(),
		Method:  r.Method,
		Path:    r.URL.EscapedPath(),
		Query:   r.URL.RawQuery,
		Host:    r.Host,
		Proto:   r.Proto,
		Header:  r.Header.Clone(),
	}}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count++
	if len(h.records) >= maxRecords {
		h.records = slices.Delete(h.records, 0, maxRecords/10)
	}
	h.records = append(h.records, rec)
	return rec
}

func (h Hop) clone() Hop {
	h.Header, h.Trailer = h.Header.Clone(), h.Trailer.Clone()
	h.Form = maps.Clone(h.Form)
	return h
}

// Hops returns the requests so far, oldest first, including those that are still running.
func (h *History) Hops() []Hop {
	h.mu.Lock()
	defer h.mu.Unlock()
	hops := make([]Hop, len(h.records))
	for i, rec := range h.records {
		hops[i] = rec.hop.clone()
	}
	return hops
}

// LastHop returns the newest request, or the zero Hop.
func (h *History) LastHop() Hop {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.records) == 0 {
		return Hop{}
	}
	return h.records[len(h.records)-1].hop.clone()
}

// Count returns the number of requests since the last ClearHops.
func (h *History) Count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}

// ClearHops drops all hops recorded so far.
func (h *History) ClearHops() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.records, h.count = nil, 0
}
