package service

import (
	"errors"
	"net/http"
	"sync"
	"time"
)

// A Lifetime counts the goroutines of several services and ends them. It is safe
// for concurrent use.
type Lifetime struct {
	mu      sync.Mutex
	closed  bool
	done    chan struct{} // closed by Close
	running sync.WaitGroup
}

// NewLifetime returns a lifetime that has not ended.
func NewLifetime() *Lifetime { return &Lifetime{done: make(chan struct{})} }

var errClosed = errors.New("the emulator is closed")

// enter counts a goroutine that Wait must wait for. It fails after Close.
func (l *Lifetime) enter() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	l.running.Add(1)
	return nil
}

// leave stops counting a goroutine that enter counted.
func (l *Lifetime) leave() { l.running.Done() }

// Close ends the lifetime.
func (l *Lifetime) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.done)
	}
}

// Done returns a channel that Close closes.
func (l *Lifetime) Done() <-chan struct{} { return l.done }

// Wait waits for every goroutine of the services. Call it after Close and after
// each service's Stop.
func (l *Lifetime) Wait() { l.running.Wait() }

// pause waits for d. It returns false if the client disconnected or the
// lifetime ended.
func (l *Lifetime) pause(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
	case <-l.done:
	}
	return false
}
