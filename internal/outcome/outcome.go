// Package outcome classifies how requests ended, for the log, the metrics and
// the status page.
package outcome

import "hmaproxy/proxy"

// An Outcome is how a request ended. Its text is a label value of metrics and
// must not change.
type Outcome string

const (
	Served     Outcome = "served"     // the client got Exchange's response, which may be an error
	Challenged Outcome = "challenged" // the client was asked for credentials or to continue a handshake
	Audited    Outcome = "audited"    // served in audit mode, would be refused in enforce mode
	Refused    Outcome = "refused"    // the rules of this proxy refused the request
	Failed     Outcome = "failed"     // the proxy could not serve the request, or Exchange sent no usable response
	Left       Outcome = "left"       // the client closed the connection before the response had ended
)

// Count is the number of outcomes.
const Count = 6

// All returns the outcomes in the order in which charts stack them.
func All() [Count]Outcome {
	return [Count]Outcome{Served, Challenged, Audited, Left, Refused, Failed}
}

// Of returns the outcome of a request.
func Of(r *proxy.Record) Outcome {
	switch r.Reason.Class() {
	case proxy.ClassRefused:
		return Refused
	case proxy.ClassFailed:
		return Failed
	case proxy.ClassChallenged:
		return Challenged
	case proxy.ClassClientLeft:
		return Left
	}
	if r.Audit != proxy.ReasonNone {
		return Audited
	}
	return Served
}

// IsStreaming reports whether a request is a notification stream. Its response
// lasts for up to half an hour, so its duration says nothing about Exchange.
func IsStreaming(r *proxy.Record) bool { return r.Known == "GetStreamingEvents" }
