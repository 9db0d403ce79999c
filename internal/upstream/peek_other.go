//go:build !unix

package upstream

import "net"

// A peeker knows nothing here: idle connections are watched.
type peeker struct{}

func (peeker) init(net.Conn) {}
func (peeker) sighted() bool { return false }
func (peeker) peek() sight   { return ended }
