package upstream

import (
	"net/http"
	"sync"
	"time"
)

// A responseDeadline bounds the time between the end of a request and the head
// of its response. The upload's goroutine may set it while another one reads.
type responseDeadline struct {
	mu    sync.Mutex
	set   bool
	begun bool // the response has begun, or the request has failed
}

// requestSent starts the time. A deadline that the connection has from an earlier
// request is kept where it is nearly the same: setting one is expensive.
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

// requestFailed bounds the wait for the response to a request that could not be
// sent completely, the response's body included.
func (d *responseDeadline) requestFailed(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begun = true
	c.setDeadline(time.Now().Add(lateResponseTimeout))
}

// responseBegun ends the time. The deadline stays for a response that was
// received completely.
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

// exceeded reports whether the time has ended. An error of reading a head does
// not always say so.
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
