package upstream

import (
	"sync"
	"time"
)

// A pool keeps connections that no request uses.
type pool struct {
	limit   int
	timeout time.Duration

	mu      sync.Mutex
	conns   []*conn // the longest unused first
	closing bool    // what comes back is closed
	expiry  *time.Timer
}

// take returns the connection that was used last, if it is still good, or
// another; nil when there is none.
func (p *pool) take() *conn {
	for {
		c := p.pop()
		if c == nil || c.usable() {
			return c
		}
		c.close()
	}
}

func (p *pool) pop() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closing = false
	n := len(p.conns)
	if n == 0 {
		return nil
	}
	c := p.conns[n-1]
	p.conns[n-1] = nil
	p.conns = p.conns[:n-1]
	return c
}

// put keeps a connection, or closes it when there are enough.
func (p *pool) put(c *conn) {
	c.reused = true
	c.unused = time.Now()
	c.watch()
	if !p.push(c) {
		c.close()
	}
}

func (p *pool) push(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing || len(p.conns) >= p.limit {
		return false
	}
	p.conns = append(p.conns, c)
	if len(p.conns) == 1 {
		p.arm(p.timeout)
	}
	return true
}

// arm sees to it that expire is called. p.mu is held.
func (p *pool) arm(wait time.Duration) {
	if p.expiry == nil {
		p.expiry = time.AfterFunc(wait, p.expire)
	}
}

// expire closes what was not used for too long.
func (p *pool) expire() {
	for _, c := range p.expired(time.Now()) {
		c.close()
	}
}

func (p *pool) expired(now time.Time) []*conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for n < len(p.conns) && now.Sub(p.conns[n].unused) >= p.timeout {
		n++
	}
	old := append([]*conn(nil), p.conns[:n]...)
	kept := copy(p.conns, p.conns[n:])
	clear(p.conns[kept:])
	p.conns = p.conns[:kept]
	p.expiry = nil
	if kept > 0 {
		p.arm(p.conns[0].unused.Add(p.timeout).Sub(now))
	}
	return old
}

// empty closes every connection, and those that come back.
func (p *pool) empty() {
	p.mu.Lock()
	conns := p.conns
	p.conns, p.closing = nil, true
	if p.expiry != nil {
		p.expiry.Stop()
		p.expiry = nil
	}
	p.mu.Unlock()
	for _, c := range conns {
		c.close()
	}
}
