//go:build !linux

package socket

import "net"

// SendingOf returns false, because this system has no such report.
func SendingOf(net.Conn) (s Sending, ok bool) { return Sending{}, false }

// Relax does nothing. SendingOf reports nothing here, so only the system can
// limit the silence of c's peer.
func Relax(net.Conn) {}

// Restore does nothing.
func Restore(net.Conn) {}
