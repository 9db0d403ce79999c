package sidecar

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// A Notifier tells a supervisor such as systemd how the product stands, by
// datagrams to a Unix socket as sd_notify(3) describes them. A nil Notifier
// tells nobody.
type Notifier struct{ socket string }

// NewNotifier returns what tells the supervisor at socket, the value of
// NOTIFY_SOCKET: a path, or "@" and the name of an abstract socket. It is nil
// when that is empty, as it is where no supervisor asked to be told.
func NewNotifier(socket string) *Notifier {
	if socket == "" {
		return nil
	}
	return &Notifier{socket}
}

// notifyPatience bounds how long a supervisor that does not read is waited for.
const notifyPatience = time.Second

// tell sends assignments such as "READY=1".
func (n *Notifier) tell(assignments ...string) error {
	if n == nil {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	defer c.Close()
	_ = c.SetWriteDeadline(time.Now().Add(notifyPatience)) // fails on closed connections only
	if _, err := c.Write([]byte(strings.Join(assignments, "\n"))); err != nil {
		return fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	return nil
}

// assignStatus is a line of words for people: "STATUS=ready".
func assignStatus(text string) string {
	return "STATUS=" + strings.Join(strings.Fields(text), " ")
}

// assignDuration is a duration in the unit of the protocol.
func assignDuration(name string, d time.Duration) string {
	return fmt.Sprintf("%s=%d", name, d.Microseconds())
}
