//go:build !linux

package socket

import "net"

// SendingOf returns false: on this system the package cannot find out which bytes
// are unsent or not acknowledged.
func SendingOf(net.Conn) (s Sending, ok bool) { return Sending{}, false }

// Relax does nothing. SendingOf reports nothing on this system, so only the system
// itself can limit the silence of c's peer.
func Relax(net.Conn) {}

// Restore does nothing.
func Restore(net.Conn) {}
