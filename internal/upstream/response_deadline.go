package upstream

import (
	"net/http"
	"sync"
	"time"
)

// A responseDeadline limits the time from the end of a request to the end of
// its response's head. An upload may set it while another goroutine reads.
type responseDeadline struct {
	mu    sync.Mutex
	at    time.Time // zero: no time limit
	begun bool      // the response has begun, or the request has failed
}

// requestSent starts the time limit.
func (d *responseDeadline) requestSent(c *conn, r *http.Request) {
	timeout := c.config.ResponseTimeout(r)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.begun || timeout == 0 {
		return
	}
	d.at = time.Now().Add(timeout)
	_ = c.wire.SetReadDeadline(d.at)
}

// requestFailed limits the time for the whole response to a request that could
// not be sent completely.
func (d *responseDeadline) requestFailed(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begun = true
	_ = c.wire.SetReadDeadline(time.Now().Add(lateResponseTimeout))
}

// responseBegun ends the time limit.
func (d *responseDeadline) responseBegun(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.begun {
		return
	}
	d.begun = true
	if !d.at.IsZero() {
		_ = c.wire.SetReadDeadline(time.Time{})
	}
}

// exceeded reports whether the time limit was exceeded. The error of a read
// does not always show this.
func (d *responseDeadline) exceeded() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.begun && !d.at.IsZero() && !time.Now().Before(d.at)
}
