//go:build !unix

package socket

import "net"

// TryReader returns nil, because this system has no call for it.
func TryReader(net.Conn) func(p []byte) (int, error) { return nil }

// HasData returns false, because this system has no call for it.
func HasData(net.Conn) bool { return false }
