//go:build !unix

package socket

import "net"

// Probe returns nil: this system has no call for it.
func Probe(net.Conn) func() State { return nil }
