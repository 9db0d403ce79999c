package outcome

import (
	"strings"
	"time"

	"hmaproxy/proxy"
	"hmaproxy/proxy/ews"
)

// remedies says what to do about a failure, for the log, the probes and the
// status page. docs/operations.md has longer texts.
var remedies = map[proxy.Reason]string{
	proxy.ReasonNoToken:              "see why there is no access token in /ready",
	proxy.ReasonProxyBusy:            "let fewer clients send requests at the same time, or give hmaproxy more memory or processors, as detail says",
	proxy.ReasonProxyStopping:        "nothing: clients open their streams again when hmaproxy runs again",
	proxy.ReasonCredentialsUnchecked: "find the client that sends wrong passwords: its guesses take the time that checking others needs",
	proxy.ReasonUpstreamTimeout:      "look at how long Exchange takes, and at its application pools",
	proxy.ReasonUpstreamUnreachable:  "run hmaproxy doctor; compare HMA_EWS_URL, HMA_EWS_CONNECT and HTTPS_PROXY with the network",
	proxy.ReasonUpstreamBroken:       "look at the log of Exchange, or of the load balancer in front of it, at that time",
	proxy.ReasonUpstreamCut:          "look at the log of Exchange, or of the load balancer in front of it, at that time",
	proxy.ReasonUpstreamRedirect:     "set HMA_EWS_URL to the endpoint itself; a sign-in device in front of Exchange must let the EWS path pass",
	proxy.ReasonUpstreamProtocol:     "look at the device in front of Exchange, which does not send proper HTTP",
	proxy.ReasonUpstream401:          "run hmaproxy doctor, which explains why Exchange refuses the token",
	proxy.ReasonUpstream407:          "set the corporate proxy's credentials in HTTPS_PROXY",
	proxy.ReasonUpstream429:          "let fewer clients work at the same time, or raise the limit of the device in front of Exchange",
	proxy.ReasonUpstream502:          "look at the device in front of Exchange, which does not reach it",
	proxy.ReasonUpstream504:          "look at the device in front of Exchange, which does not reach it",
	proxy.ReasonUpstreamNotEWS:       "look at Exchange's application pool MSExchangeServicesAppPool, and at sign-in or filtering devices in front of it, which must let the EWS path pass",
	proxy.ReasonClientLeft:           "look at how long Exchange takes, and at the client's timeout",
}

// Remedy returns the remedy for a request that failed, that the client left, or to
// which Exchange responded with a fault that an administrator can repair. It
// returns "" for other requests. The text may contain the mailbox.
func Remedy(r *proxy.Record) string {
	if r.Diagnosis != nil {
		return r.Diagnosis.Remedy
	}
	if remedy := remedies[r.Reason]; remedy != "" || r.Fault == "" {
		return remedy
	}
	e, known := ews.ExplainFault(r.Fault)
	if !known {
		return ""
	}
	e = e.For(r.Mailbox)
	return e.Meaning + ": " + strings.Join(e.Remedies, "; ")
}

// NeedsAttention reports whether an operator may have to look into a request: it
// was refused or failed, would be refused in enforce mode, met an error on the
// way to Exchange, or got a fault that ews.ExplainFault knows. Handshakes are
// normal. A client that leaves is normal too, unless Exchange had not responded;
// see NoResponse.
func NeedsAttention(r *proxy.Record, o Outcome) bool {
	if o == Left {
		return NoResponse(r)
	}
	if o == Refused || o == Failed || o == Audited || r.Diagnosis != nil || r.Err != nil {
		return true
	}
	if r.Fault == "" {
		return false
	}
	_, known := ews.ExplainFault(r.Fault)
	return known
}

// noResponseAfter is the time without a response after which a client that
// disconnects counts as a failure of Exchange. Clients that disconnect sooner often
// have other reasons.
const noResponseAfter = 10 * time.Second

// NoResponse reports whether a client left because Exchange did not respond.
func NoResponse(r *proxy.Record) bool {
	return r.Reason == proxy.ReasonClientLeft && r.Upstream == 0 && r.Duration >= noResponseAfter
}
