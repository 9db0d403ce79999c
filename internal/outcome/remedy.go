package outcome

import "hmaproxy/proxy"

// remedies says what to do about a failure, for the log, the probes and the
// status page. docs/operations.md says more.
var remedies = map[proxy.Reason]string{
	proxy.ReasonProxyBusy:           "let clients send fewer or smaller requests at a time, or give the process more memory",
	proxy.ReasonNoToken:             "see why there is no access token in /ready",
	proxy.ReasonUpstreamUnreachable: "run hmaproxy doctor; compare HMA_EWS_URL, HMA_EWS_CONNECT and HTTPS_PROXY with the network",
	proxy.ReasonUpstreamBroken:      "look at the log of Exchange, or of the load balancer in front of it, at that time",
	proxy.ReasonUpstreamCut:         "look at the log of Exchange, or of the load balancer in front of it, at that time",
	proxy.ReasonUpstreamRedirect:    "set HMA_EWS_URL to the endpoint itself; a sign-in device in front of Exchange must let the EWS path pass",
	proxy.ReasonUpstreamProtocol:    "look at the device in front of Exchange, which does not send proper HTTP",
	proxy.ReasonUpstream401:         "run hmaproxy doctor, which explains why Exchange refuses the token",
	proxy.ReasonUpstream407:         "set the corporate proxy's credentials in HTTPS_PROXY",
	proxy.ReasonUpstream429:         "let fewer clients work at the same time, or raise the limit of the device in front of Exchange",
	proxy.ReasonUpstream502:         "look at the device in front of Exchange, which does not reach it",
	proxy.ReasonUpstream504:         "look at the device in front of Exchange, which does not reach it",
	proxy.ReasonUpstreamNotEWS:      "look at Exchange's application pool MSExchangeServicesAppPool, and at sign-in or filtering devices in front of it, which must let the EWS path pass",
	proxy.ReasonClientLeft:          "look at how long Exchange takes, and at the client's timeout",
}

// Remedy returns what to do about a request that failed, "" for other requests.
func Remedy(r *proxy.Record) string {
	if r.Diagnosis != nil {
		return r.Diagnosis.Remedy
	}
	return remedies[r.Reason]
}
