package sidecar

import (
	"strings"
	"sync"
	"time"

	"hmaproxy/proxy"
)

// Bounds of what the status page looks back on.
const (
	ringSize    = 100
	ringMinutes = 60
	ringText    = 256 // bytes of a text that a client chose: it is kept after its request
)

// A ring holds the last requests, and how the requests of the last hour ended.
// It is safe for concurrent use.
type ring struct {
	mu      sync.Mutex
	last    [ringSize]request
	n       uint64 // requests so far
	minutes [ringMinutes]minute
}

// A request is what the status page shows of a proxy.Record.
type request struct {
	ID        string       `json:"id"`
	Time      time.Time    `json:"time"`
	Duration  seconds      `json:"duration_seconds"`
	Remote    string       `json:"remote"`
	Client    string       `json:"client,omitempty"`
	Method    string       `json:"method"`
	Operation string       `json:"operation,omitempty"`
	Mailbox   string       `json:"mailbox,omitempty"`
	Injected  bool         `json:"injected,omitempty"`
	Outcome   outcome      `json:"outcome"`
	Status    int          `json:"status"`
	Upstream  int          `json:"upstream"`
	Reason    proxy.Reason `json:"reason,omitempty"`
	Detail    string       `json:"detail,omitempty"`
	Audit     proxy.Reason `json:"audit,omitempty"`
	Remedy    string       `json:"remedy,omitempty"`
	Replayed  bool         `json:"replayed,omitempty"`
	Aborted   bool         `json:"aborted,omitempty"`
	FrontEnd  string       `json:"front_end,omitempty"`
	RequestID string       `json:"exchange_request_id,omitempty"`
	streaming bool
}

// A minute counts requests by outcome.
type minute struct {
	at     int64 // minutes since 1970
	counts [len(outcomes)]int
}

// done takes a request in.
func (g *ring) done(r *proxy.Record, how outcome) {
	e := request{
		ID: r.ID, Time: r.Start, Duration: seconds(r.Duration), Remote: r.Remote, Client: kept(r.Client),
		Method: kept(r.Method), Operation: kept(r.Operation), Mailbox: kept(r.Mailbox), Injected: r.Injected,
		Outcome: how, Status: r.Status, Upstream: r.Upstream, Reason: r.Reason, Detail: r.Detail, Audit: r.Audit,
		Replayed: r.Replayed, Aborted: r.Aborted, FrontEnd: r.FrontEnd, RequestID: r.RequestID, streaming: r.Known == streaming,
	}
	if r.Diagnosis != nil {
		e.Remedy = r.Diagnosis.Remedy
	}
	at := r.Start.Add(r.Duration).Unix() / 60
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last[g.n%ringSize] = e
	g.n++
	m := &g.minutes[at%ringMinutes]
	if m.at != at {
		*m = minute{at: at}
	}
	for i, o := range outcomes {
		if o == how {
			m.counts[i]++
		}
	}
}

// kept bounds a text that came with a request or a token.
func kept(s string) string {
	if len(s) <= ringText {
		return s
	}
	return strings.ToValidUTF8(s[:ringText], "") + "…"
}

// recent returns the last requests, the newest first.
func (g *ring) recent() []request {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]request, 0, min(g.n, ringSize))
	for i := range min(g.n, ringSize) {
		list = append(list, g.last[(g.n-1-i)%ringSize])
	}
	return list
}

// hour returns the minutes up to now, the oldest first.
func (g *ring) hour(now time.Time) [ringMinutes]minute {
	var list [ringMinutes]minute
	last := now.Unix() / 60
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range list {
		at := last - int64(ringMinutes-1-i)
		list[i] = minute{at: at}
		if m := g.minutes[at%ringMinutes]; m.at == at {
			list[i] = m
		}
	}
	return list
}
