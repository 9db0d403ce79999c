package httpserver

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// TestContextEnds checks that a requestContext ends, and calls its functions, as a
// context of package context does.
func TestContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		standard, cancel := context.WithCancel(context.Background())
		own := &requestContext{}
		for name, c := range map[string]struct {
			ctx    context.Context
			cancel func()
		}{"standard": {standard, cancel}, "own": {own, own.cancel}} {
			var called, stopped atomic.Int32
			for range 3 {
				context.AfterFunc(c.ctx, func() { called.Add(1) })
				stop := context.AfterFunc(c.ctx, func() { stopped.Add(1) })
				if !stop() || stop() {
					t.Errorf("%s: stop reports something else than that it was in time, once", name)
				}
			}
			late := context.AfterFunc(c.ctx, func() { called.Add(1) })
			child, end := context.WithCancelCause(c.ctx)
			defer end(nil)
			if c.ctx.Err() != nil || child.Err() != nil {
				t.Errorf("%s: it ended before its end", name)
			}
			done := c.ctx.Done()
			c.cancel()
			c.cancel()
			<-done
			<-c.ctx.Done()
			<-child.Done()
			synctest.Wait()
			if c.ctx.Err() != context.Canceled || context.Cause(child) != context.Canceled {
				t.Errorf("%s: %v, %v", name, c.ctx.Err(), context.Cause(child))
			}
			if called.Load() != 4 || stopped.Load() != 0 || late() {
				t.Errorf("%s: %d functions were called, and %d that had been stopped", name, called.Load(), stopped.Load())
			}
			context.AfterFunc(c.ctx, func() { called.Add(1) })
			synctest.Wait()
			if called.Load() != 5 {
				t.Errorf("%s: a function is not called after the end", name)
			}
		}
		never := &requestContext{}
		never.cancel()
		<-never.Done()
		if _, ok := never.Deadline(); ok || never.Value(http.ServerContextKey) != nil {
			t.Error("it has a deadline or a value that nothing has set")
		}
	})
}
