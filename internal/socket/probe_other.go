//go:build !unix

package socket

import "net"

// Probe returns nil, because this system has no call for it.
func Probe(net.Conn) func() State { return nil }

// HasData returns false, because this system has no call for it.
func HasData(net.Conn) bool { return false }
