package statuspage

import (
	"sync"
	"time"

	"hmaproxy/internal/outcome"
	"hmaproxy/internal/printable"
	"hmaproxy/proxy"
)

// Limits of the request history.
const (
	historySize    = 100
	historyMinutes = 60
	maxText        = 256 // number of bytes that are kept of a text from a client
)

// A history holds the latest requests, the latest requests that need attention,
// and the outcomes of the last hour by minute. Its zero value is empty and
// ready for use. It is safe for concurrent use.
type history struct {
	mu       sync.Mutex
	all      lastRequests
	problems lastRequests // requests for which outcome.NeedsAttention is true
	minutes  [historyMinutes]minute
}

// lastRequests holds the latest historySize requests that were added.
type lastRequests struct {
	last [historySize]request
	n    uint64 // number of requests that were added
}

func (l *lastRequests) add(r request) {
	l.last[l.n%historySize] = r
	l.n++
}

// list returns the requests, the newest first.
func (l *lastRequests) list() []request {
	list := make([]request, 0, min(l.n, historySize))
	for i := range min(l.n, historySize) {
		list = append(list, l.last[(l.n-1-i)%historySize])
	}
	return list
}

// A request contains the parts of a proxy.Record that the status page shows.
type request struct {
	ID        string          `json:"id"`
	Time      time.Time       `json:"time"`
	Duration  seconds         `json:"duration_seconds"`
	Remote    string          `json:"remote"`
	Client    string          `json:"client,omitempty"`
	Method    string          `json:"method"`
	Operation string          `json:"operation,omitempty"`
	Mailbox   string          `json:"mailbox,omitempty"`
	Injected  bool            `json:"injected,omitempty"`
	Product   string          `json:"user_agent,omitempty"`
	Asked     proxy.Service   `json:"asked_for,omitempty"` // service that the client asked for, if the path of the request is not served
	Outcome   outcome.Outcome `json:"outcome"`
	Status    int             `json:"status"`
	Upstream  int             `json:"upstream"`
	Reason    proxy.Reason    `json:"reason,omitempty"`
	Detail    string          `json:"detail,omitempty"`
	Audit     proxy.Reason    `json:"audit,omitempty"`
	Remedy    string          `json:"remedy,omitempty"`
	Replayed  bool            `json:"replayed,omitempty"`
	Aborted   bool            `json:"aborted,omitempty"`
	FrontEnd  string          `json:"front_end,omitempty"`
	RequestID string          `json:"exchange_request_id,omitempty"`
	Fault     string          `json:"fault,omitempty"` // response code of Exchange's SOAP fault
	BackOff   seconds         `json:"backoff_seconds,omitempty"`
	Error     string          `json:"error,omitempty"` // the failure on the way to Exchange
	streaming bool
}

// A minute counts requests by outcome.
type minute struct {
	at     int64              // minutes since 1970
	counts [outcome.Count]int // in the order of outcome.All
}

// add adds a request that has ended.
func (h *history) add(r *proxy.Record, o outcome.Outcome) {
	e := request{
		ID: r.ID, Time: r.Start, Duration: seconds(r.Duration), Remote: r.Remote, Client: bounded(r.Client),
		Method: bounded(r.Method), Operation: bounded(r.Operation), Mailbox: bounded(r.Mailbox), Injected: r.Injected,
		Outcome: o, Status: r.Status, Upstream: r.Upstream, Reason: r.Reason, Detail: r.Detail, Audit: r.Audit,
		Replayed: r.Replayed, Aborted: r.Aborted, FrontEnd: r.FrontEnd, RequestID: r.RequestID, streaming: outcome.IsStreaming(r),
	}
	e.Product, e.Asked = r.Product, r.Asked
	e.Fault, e.BackOff = bounded(string(r.Fault)), seconds(r.BackOff)
	if r.Err != nil {
		e.Error = bounded(r.Err.Error())
	}
	if o != outcome.Left || outcome.NoResponse(r) { // a client that disconnects is normal and needs no remedy
		e.Remedy = outcome.Remedy(r)
	}
	at := r.Start.Add(r.Duration).Unix() / 60
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all.add(e)
	if outcome.NeedsAttention(r, o) {
		h.problems.add(e)
	}
	m := &h.minutes[at%historyMinutes]
	if m.at != at {
		*m = minute{at: at}
	}
	for i, other := range outcome.All() {
		if other == o {
			m.counts[i]++
		}
	}
}

// bounded shortens a text from a request or a token to maxText bytes and "…", so
// that the history needs little memory.
func bounded(s string) string { return printable.Truncate(s, maxText) }

// recent returns the latest requests, and the latest requests that need
// attention, the newest first.
func (h *history) recent() (all, problems []request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all.list(), h.problems.list()
}

// hour returns the counts of each of the last 60 minutes, the oldest first. The
// last element is the minute of now.
func (h *history) hour(now time.Time) [historyMinutes]minute {
	var list [historyMinutes]minute
	last := now.Unix() / 60
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range list {
		at := last - int64(historyMinutes-1-i)
		list[i] = minute{at: at}
		if m := h.minutes[at%historyMinutes]; m.at == at {
			list[i] = m
		}
	}
	return list
}
