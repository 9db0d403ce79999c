package certsource

import (
	"context"
	"sync"
	"time"
)

// readTimeout limits the read of a local file or secret. A read that takes
// longer is on a file system that does not respond.
const readTimeout = 10 * time.Second

// A blockingCall runs a function that a context cannot end, such as a read from
// a network file system. At most one run is in progress: a call during a run
// waits for the result of that run. A run that never returns costs one
// goroutine.
type blockingCall[T any] struct {
	run func() (T, *Error)

	mu      sync.Mutex
	current *runResult[T] // the run in progress; nil: no run is in progress
}

type runResult[T any] struct {
	done  chan struct{} // closed when the fields below are set
	value T
	err   *Error
}

// do returns the result of run. ok is false when run takes longer than
// readTimeout or ctx ends first.
func (b *blockingCall[T]) do(ctx context.Context) (value T, err *Error, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	result := b.join()
	select {
	case <-result.done:
		return result.value, result.err, true
	case <-ctx.Done():
		return value, nil, false
	}
}

// join returns the run in progress, or starts a new run.
func (b *blockingCall[T]) join() *runResult[T] {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current == nil {
		b.current = &runResult[T]{done: make(chan struct{})}
		go b.finish(b.current)
	}
	return b.current
}

func (b *blockingCall[T]) finish(result *runResult[T]) {
	result.value, result.err = b.run()
	b.mu.Lock()
	b.current = nil
	b.mu.Unlock()
	close(result.done)
}
