package emulator

import (
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// A Hop is one request to one service, as that service received it. All fields but
// Duration are set before the first byte of the response is sent.
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
	Status   int   // of the response; 0 for none
	Sent     int64 // bytes of the response's body that were written to the connection

	Form   url.Values // Entra: the token request, secrets included
	AADSTS int        // Entra: the refusal, or 0

	Operation   string // Exchange: local name of the Body's element
	BodySHA256  string // Exchange: of the envelope from "<Body" to the end of "</Body>"
	Mailbox     string // Exchange: the impersonated mailbox, the first non-empty of the four forms as .NET reads them
	MailboxSeen string // Exchange: the mailbox that comes first in the document, read independently
	BackEnd     string // Exchange: "EX01" or "EX02"
	Executed    bool   // Exchange: the operation ran
}

// A record is a Hop whose request is still running. Only the serving goroutine
// writes fault; the service's mutex guards the Hop.
type record struct {
	service *Service
	hop     Hop
	fault   Fault
}

// note changes the hop under the lock.
func (r *record) note(change func(*Hop)) {
	r.service.mu.Lock()
	defer r.service.mu.Unlock()
	change(&r.hop)
}

// maxRecords bounds the memory of a long demo. Older hops are dropped.
const maxRecords = 10_000

func (s *Service) begin(r *http.Request) *record {
	rec := &record{service: s, hop: Hop{
		Service: s.name,
		Time:    time.Now(),
		Method:  r.Method,
		Path:    r.URL.EscapedPath(),
		Query:   r.URL.RawQuery,
		Host:    r.Host,
		Proto:   r.Proto,
		Header:  r.Header.Clone(),
	}}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	if len(s.records) >= maxRecords {
		s.records = slices.Delete(s.records, 0, maxRecords/10)
	}
	s.records = append(s.records, rec)
	return rec
}

func (s *Service) finish(rec *record, body *meteredBody) {
	var hop Hop
	rec.note(func(h *Hop) {
		h.Duration = max(time.Since(h.Time), 1)
		h.Bytes, h.Complete = body.n, body.complete()
		hop = h.clone()
	})
	if observe := s.emulator.config.Observe; observe != nil {
		observe(hop)
	}
}

func (h Hop) clone() Hop {
	h.Header, h.Trailer = h.Header.Clone(), h.Trailer.Clone()
	h.Form = maps.Clone(h.Form)
	return h
}

// Hops returns the requests so far, oldest first, including those that are still running.
func (s *Service) Hops() []Hop {
	s.mu.Lock()
	defer s.mu.Unlock()
	hops := make([]Hop, len(s.records))
	for i, rec := range s.records {
		hops[i] = rec.hop.clone()
	}
	return hops
}

// LastHop returns the newest request, or the zero Hop.
func (s *Service) LastHop() Hop {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.records) == 0 {
		return Hop{}
	}
	return s.records[len(s.records)-1].hop.clone()
}

// Count returns the number of requests since the last ClearHops.
func (s *Service) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// ClearHops drops all hops recorded so far.
func (s *Service) ClearHops() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records, s.count = nil, 0
}

// A meteredBody counts what a handler reads of a request's body.
type meteredBody struct {
	io.ReadCloser
	n     int64
	empty bool
	err   error
}

func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	if err != nil && b.err == nil {
		b.err = err
	}
	return n, err
}

func (b *meteredBody) complete() bool { return b.empty || b.err == io.EOF }

// A meteredWriter writes a response's status and size to the record before the
// client can see them. It ends the response after limit bytes, unless limit is
// negative.
type meteredWriter struct {
	http.ResponseWriter
	rec     *record
	body    *meteredBody
	started bool
	n       int64
	limit   int64
}

func (w *meteredWriter) WriteHeader(status int) {
	if !w.started {
		w.started = true
		w.rec.note(func(h *Hop) {
			h.Status, h.Bytes, h.Complete = status, w.body.n, w.body.complete()
		})
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *meteredWriter) Write(p []byte) (int, error) {
	if !w.started {
		w.WriteHeader(http.StatusOK)
	}
	cut := w.limit >= 0 && w.n+int64(len(p)) > w.limit
	if cut {
		p = p[:w.limit-w.n]
	}
	w.n += int64(len(p))
	w.rec.note(func(h *Hop) { h.Sent = w.n })
	n, err := w.ResponseWriter.Write(p)
	if cut {
		http.NewResponseController(w.ResponseWriter).Flush() // send what was written before the connection ends
		panic(http.ErrAbortHandler)
	}
	return n, err
}

// Unwrap is called by http.ResponseController.
func (w *meteredWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
