package proxy

import (
	"context"
	"sync"
	"time"
)

// A lazyTimeout is a context whose timeout begins at the first use. The context
// also ends when its parent ends. A TokenSource that has a token does not use
// its context, so nearly every request needs no timer.
type lazyTimeout struct {
	context.Context // the parent
	timeout         time.Duration

	once   sync.Once
	inner  context.Context
	cancel context.CancelFunc
}

// start returns the context with the timeout. The first call starts the timer.
func (c *lazyTimeout) start() context.Context {
	c.once.Do(func() { c.inner, c.cancel = context.WithTimeout(c.Context, c.timeout) })
	return c.inner
}

func (c *lazyTimeout) Done() <-chan struct{}                   { return c.start().Done() }
func (c *lazyTimeout) Err() error                              { return c.start().Err() }
func (c *lazyTimeout) Deadline() (deadline time.Time, ok bool) { return c.start().Deadline() }

// stop releases the timer. The context must not be used any more.
func (c *lazyTimeout) stop() {
	c.once.Do(func() {})
	if c.cancel != nil {
		c.cancel()
	}
}
