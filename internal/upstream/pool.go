package upstream

import (
	"sync"
	"time"
)

// A pool keeps idle connections. It is safe for concurrent use.
type pool struct {
	limit   int
	timeout time.Duration

	mu      sync.Mutex
	conns   []*conn // in the order in which the connections became idle
	closing bool    // the method "put" closes the connection that it gets, instead of keeping it
	expiry  *time.Timer
}

// take returns the most recently used connection that is still usable, nil
// when there is none.
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

// put keeps a connection. It closes the connection if the pool is full or closing,
// or if the connection's address is no longer current.
func (p *pool) put(c *conn) {
	c.reused = true
	c.idleSince = time.Now()
	c.startIdleReader()
	if !c.config.Current(c.tcp) || !p.push(c) {
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
		p.scheduleExpiry(p.timeout)
	}
	return true
}

// scheduleExpiry starts the timer of closeExpired if it is not running. The
// caller holds p.mu.
func (p *pool) scheduleExpiry(wait time.Duration) {
	if p.expiry == nil {
		p.expiry = time.AfterFunc(wait, p.closeExpired)
	}
}

// closeExpired closes connections that have been idle for the timeout.
func (p *pool) closeExpired() {
	for _, c := range p.removeExpired(time.Now()) {
		c.close()
	}
}

func (p *pool) removeExpired(now time.Time) []*conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for n < len(p.conns) && now.Sub(p.conns[n].idleSince) >= p.timeout {
		n++
	}
	expired := append([]*conn(nil), p.conns[:n]...)
	kept := copy(p.conns, p.conns[n:])
	clear(p.conns[kept:])
	p.conns = p.conns[:kept]
	p.expiry = nil
	if kept > 0 {
		p.scheduleExpiry(p.conns[0].idleSince.Add(p.timeout).Sub(now))
	}
	return expired
}

// closeIdle closes every idle connection.
func (p *pool) closeIdle() {
	p.mu.Lock()
	conns := p.conns
	p.conns = nil
	p.mu.Unlock()
	for _, c := range conns {
		c.close()
	}
}

// closeAll closes every idle connection. Until the next call of take, the
// method "put" also closes every connection that it gets.
func (p *pool) closeAll() {
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
