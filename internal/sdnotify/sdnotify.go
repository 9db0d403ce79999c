// Package sdnotify sends state notifications to a service manager such as
// systemd, by datagrams to a Unix socket as sd_notify(3) describes them.
package sdnotify

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// Assignments with a fixed value.
const (
	Ready    = "READY=1"
	Stopping = "STOPPING=1"
)

// A Notifier sends notifications to a service manager. A nil Notifier sends
// nothing.
type Notifier struct{ socket string }

// New returns a Notifier for socket, the value of NOTIFY_SOCKET: a path, or "@"
// and the name of an abstract socket. It returns nil for an empty value, which
// means that no service manager expects notifications.
func New(socket string) *Notifier {
	if socket == "" {
		return nil
	}
	return &Notifier{socket}
}

// sendTimeout bounds a Send to a service manager that does not read.
const sendTimeout = time.Second

// Send sends assignments such as Ready in one datagram. It blocks for at most
// one second. It is safe for concurrent use.
func (n *Notifier) Send(assignments ...string) error {
	if n == nil {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	defer c.Close()
	_ = c.SetWriteDeadline(time.Now().Add(sendTimeout)) // fails only on closed connections
	if _, err := c.Write([]byte(strings.Join(assignments, "\n"))); err != nil {
		return fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	return nil
}

// Status returns the assignment of a status text. Line breaks and runs of white
// space become single spaces.
func Status(text string) string {
	return "STATUS=" + strings.Join(strings.Fields(text), " ")
}

// ExtendTimeout returns the assignment that requests the time d until the next
// change of state.
func ExtendTimeout(d time.Duration) string { return microseconds("EXTEND_TIMEOUT_USEC", d) }

func microseconds(name string, d time.Duration) string {
	return fmt.Sprintf("%s=%d", name, d.Microseconds())
}
