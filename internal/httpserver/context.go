package httpserver

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// A requestContext is the context of a request. It ends when the client
// disconnects, and when the handler has returned. It exists because the contexts of
// package context allocate a channel and a map for each request.
type requestContext struct {
	local net.Addr // the connection's local address

	mu    sync.Mutex
	done  chan struct{} // nil until Done is called
	err   error
	first *afterFunc              // a registered function; most requests register only one
	after map[*afterFunc]struct{} // further registered functions; made when the second one is registered
}

// An afterFunc is a function to call at the end of a context.
type afterFunc struct{ call func() }

func (*requestContext) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

func (c *requestContext) Value(key any) any {
	if key == http.LocalAddrContextKey {
		return c.local
	}
	return nil
}

func (c *requestContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	return c.done
}

func (c *requestContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// AfterFunc is the method that context.AfterFunc calls if a context has it.
func (c *requestContext) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		go f()
		return func() bool { return false }
	}
	a := &afterFunc{f}
	if c.first == nil {
		c.first = a
	} else {
		if c.after == nil {
			c.after = make(map[*afterFunc]struct{})
		}
		c.after[a] = struct{}{}
	}
	return func() bool { return c.remove(a) }
}

// remove removes a function, so that it will not be called. It returns false if the
// function was called or removed before.
func (c *requestContext) remove(a *afterFunc) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first == a {
		c.first = nil
		return true
	}
	_, found := c.after[a]
	delete(c.after, a)
	return found
}

// cancel ends the context.
func (c *requestContext) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = context.Canceled
	if c.done != nil {
		close(c.done)
	}
	if c.first != nil {
		go c.first.call()
		c.first = nil
	}
	for a := range c.after {
		go a.call()
	}
	c.after = nil
}
