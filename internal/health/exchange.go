package health

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"hmaproxy/internal/outcome"
	"hmaproxy/internal/reltime"
	"hmaproxy/proxy"
	"hmaproxy/proxy/ews"
)

// An Exchange records how Exchange responds to requests. Its zero value has
// recorded no request. It is safe for concurrent use.
type Exchange struct {
	mu    sync.Mutex
	state ExchangeState
}

// An ExchangeState says how Exchange responds.
type ExchangeState struct {
	LastGood time.Time        // end of the last request that Exchange served; zero: none yet
	Failures int              // number of consecutive failures up to now
	First    *ExchangeFailure // the first of these failures; nil while Failures is 0
	Last     time.Time        // end of the last of these failures
}

// An ExchangeFailure is a request that failed at Exchange or on the way to it.
// It names no mailbox.
type ExchangeFailure struct {
	At     time.Time
	Reason proxy.Reason     // reason of the failure; ReasonNone for a SOAP fault
	Fault  ews.ResponseCode // response code of the SOAP fault; "" without a SOAP fault
	Status int              // status of the response; 0 without a response
	Cause  string           // cause, in words
	Remedy string           // remedy, in words
}

// Done records a request that has ended. It ignores requests that say nothing
// about Exchange.
func (e *Exchange) Done(r *proxy.Record, o outcome.Outcome) {
	at := r.Start.Add(r.Duration)
	switch {
	case failedAtExchange(r, o):
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.state.Failures == 0 {
			unnamed := *r
			unnamed.Mailbox = "MAILBOX"
			e.state.First = &ExchangeFailure{At: at, Reason: r.Reason, Fault: r.Fault, Status: r.Upstream, Cause: causeOf(r), Remedy: outcome.Remedy(&unnamed)}
		}
		e.state.Failures++
		e.state.Last = at
	case servedByExchange(r, o):
		e.mu.Lock()
		defer e.mu.Unlock()
		e.state = ExchangeState{LastGood: at}
	}
}

// State returns how Exchange responds now.
func (e *Exchange) State() ExchangeState {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state
}

// failedAtExchange reports whether a request failed at Exchange or on the way
// to it. A message that is too large does not count, because it says nothing
// about other requests.
func failedAtExchange(r *proxy.Record, o outcome.Outcome) bool {
	switch o {
	case outcome.Served, outcome.Audited:
		return ofWholeExchange(r.Fault)
	case outcome.Failed:
		return !failedHere(r.Reason) && r.Upstream != http.StatusRequestEntityTooLarge
	case outcome.Left:
		return outcome.NoResponse(r)
	}
	return false
}

// ofWholeExchange reports whether a fault usually concerns all requests and not
// only one mailbox.
func ofWholeExchange(fault ews.ResponseCode) bool {
	switch fault {
	case ews.ErrorServerBusy, ews.ErrorInternalServerError, ews.ErrorInternalServerTransientError, "ErrorADUnavailable", "ErrorADOperation":
		return true
	}
	return false
}

// failedHere reports whether hmaproxy itself is the cause of a failure.
func failedHere(r proxy.Reason) bool {
	switch r {
	case proxy.ReasonNoToken, proxy.ReasonCredentialsUnchecked, proxy.ReasonProxyBusy, proxy.ReasonProxyStopping:
		return true
	}
	return false
}

func servedByExchange(r *proxy.Record, o outcome.Outcome) bool {
	return r.Upstream != 0 && (o == outcome.Served || o == outcome.Audited || o == outcome.Left)
}

// causeOf returns the cause of a failure in words. It quotes no text of a response
// except a known response code, because every client that requests a probe gets
// the cause.
func causeOf(r *proxy.Record) string {
	switch {
	case r.Reason == proxy.ReasonNone:
		return "Exchange responded with the fault " + string(r.Fault)
	case r.Err != nil:
		return r.Reason.Text() + ": " + r.Err.Error()
	case r.Reason == proxy.ReasonClientLeft:
		return "there was no response within the client's timeout of " + r.Duration.Round(time.Second).String()
	case r.Diagnosis != nil:
		return r.Reason.Text() + ": " + r.Diagnosis.Meaning
	case r.Reason == proxy.ReasonUpstreamNotEWS:
		return fmt.Sprintf("%s: status %d", r.Reason.Text(), r.Upstream)
	}
	return r.Reason.Text()
}

// AlarmsForExchange returns the alarm about Exchange while requests fail there.
func AlarmsForExchange(s ExchangeState) []Alarm {
	if s.First == nil {
		return nil
	}
	return []Alarm{{Kind: ExchangeFails, Exchange: s}}
}

// text describes the consecutive failures without their number, which changes
// with every request.
func (s ExchangeState) text(now time.Time) string {
	text := "requests to Exchange fail, the first one " + reltime.About(now.Sub(s.First.At)) + " ago"
	if !s.LastGood.IsZero() {
		text += " and the last good response " + reltime.About(now.Sub(s.LastGood)) + " ago"
	}
	text += ": " + s.First.Cause
	if s.First.Remedy != "" {
		text += "; " + s.First.Remedy
	}
	return text
}
