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
	set   bool
	begun bool // the response has begun, or the request has failed
}

// uploadBegins removes a deadline left from an earlier request, because the
// upload may take longer. The caller starts the upload afterwards.
func (d *responseDeadline) uploadBegins(c *conn) { c.setDeadline(time.Time{}) }

// requestSent starts the time limit. A deadline left from an earlier request is
// kept if it is at most a tenth of the timeout too early, because setting a
// deadline is expensive.
func (d *responseDeadline) requestSent(c *conn, r *http.Request) {
	timeout := c.config.ResponseTimeout(r)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.begun {
		return
	}
	if timeout == 0 {
		c.setDeadline(time.Time{})
		return
	}
	d.set = true
	if now := time.Now(); c.deadline.Sub(now) < timeout-timeout/10 || c.deadline.Sub(now) > timeout {
		c.setDeadline(now.Add(timeout))
	}
}

// requestFailed limits the time for the whole response to a request that could
// not be sent completely.
func (d *responseDeadline) requestFailed(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begun = true
	c.setDeadline(time.Now().Add(lateResponseTimeout))
}

// responseBegun ends the time limit. If the response was received completely,
// the deadline stays set, because the next request may use it; see requestSent.
func (d *responseDeadline) responseBegun(c *conn, resp *http.Response) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.begun {
		return
	}
	d.begun = true
	if resp.ContentLength < 0 || resp.ContentLength > int64(c.br.Buffered()) {
		c.setDeadline(time.Time{})
	}
}

// exceeded reports whether the time limit was exceeded. The error of a read
// does not always show this.
func (d *responseDeadline) exceeded(c *conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.set && !d.begun && !time.Now().Before(c.deadline)
}

// setDeadline sets the read deadline; zero means none.
func (c *conn) setDeadline(at time.Time) {
	if c.deadline != at {
		c.deadline = at
		_ = c.wire.SetReadDeadline(at)
	}
}
