package sidecar

import "hmaproxy/proxy"

// An outcome is how a request ended, as far as somebody who watches wants to
// tell requests apart.
type outcome string

const (
	served     outcome = "served"     // Exchange's answer went back, errors of its own included
	challenged outcome = "challenged" // asked for credentials, or in a handshake: the client comes again
	audited    outcome = "audited"    // served, but enforcing would have refused it
	refused    outcome = "refused"    // by the proxy's rules
	failed     outcome = "failed"     // there was no token, or no proper answer from Exchange
	left       outcome = "left"       // the client did not wait
)

// outcomes lists them in the order in which charts stack them.
var outcomes = [...]outcome{served, challenged, audited, left, refused, failed}

func outcomeOf(r *proxy.Record) outcome {
	switch r.Reason.Class() {
	case proxy.ClassRefused:
		return refused
	case proxy.ClassFailed:
		return failed
	case proxy.ClassChallenged:
		return challenged
	case proxy.ClassClientLeft:
		return left
	}
	if r.Audit != proxy.ReasonNone {
		return audited
	}
	return served
}

// streaming names the operation whose answers last for up to half an hour: its
// durations say nothing about Exchange's speed.
const streaming = "GetStreamingEvents"
