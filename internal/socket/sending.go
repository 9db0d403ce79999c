package socket

import "time"

// A Sending is what the system reports about the bytes that were sent on a
// connection.
type Sending struct {
	Pending bool          // bytes are unsent or not acknowledged
	Silence time.Duration // time since the peer's last acknowledgement of anything
}
