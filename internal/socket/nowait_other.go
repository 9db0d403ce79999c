//go:build !unix

package socket

import "net"

// TryReader returns nil: on this system the package cannot read without waiting.
func TryReader(net.Conn) func(p []byte) (int, error) { return nil }

// HasData returns false: on this system the package cannot find out whether c's
// receive buffer contains data.
func HasData(net.Conn) bool { return false }
