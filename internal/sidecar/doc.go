// Package sidecar wires the product together and keeps it running: it makes
// the HTTP clients from the configuration, hands certificates to the token
// keeper and tokens to the proxy, listens, answers probes and drains.
//
// Run is the whole of it.
package sidecar
