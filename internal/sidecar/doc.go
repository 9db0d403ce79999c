// Package sidecar wires the product together and keeps it running: it makes
// the HTTP clients from the configuration, hands certificates to the token
// keeper and tokens to the proxy, listens, answers probes and drains. It is also
// what people and Prometheus look at: the log, the metrics and the status page
// all hang on one function that the proxy calls at the end of every request.
//
// Run is the whole of it.
package sidecar
