package httpserver

import (
	"sync"
	"time"
)

// A watch detects that the client leaves while a handler runs. It begins when
// the body has been read to its end. If the handler has not returned after
// watchDelay, the watch reads from the connection. A client that closes its
// sending side counts as having left.
type watch struct {
	conn *conn

	mu    sync.Mutex
	state watchState
	timer *time.Timer
	ended chan struct{} // closed when run has returned
	got   [64]byte      // the bytes that were read: the beginning of the next request
	n     int
	left  bool // the client has left
}

type watchState uint8

const (
	watchOff watchState = iota
	watchWaiting
	watchReading
)

// begin starts the timer of the watch.
func (w *watch) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state = watchWaiting
	if w.timer == nil {
		w.timer = time.AfterFunc(w.conn.server.watchAfter(), w.run)
	} else {
		w.timer.Reset(w.conn.server.watchAfter())
	}
}

// run reads once. The read ends when the client sends something or disconnects, or
// when the watch ends.
func (w *watch) run() {
	w.mu.Lock()
	if w.state != watchWaiting {
		w.mu.Unlock()
		return
	}
	w.state, w.ended = watchReading, make(chan struct{})
	ended := w.ended
	w.mu.Unlock()
	defer close(ended)
	c := w.conn
	c.in.release()
	c.in.setDeadline(time.Time{})
	c.setWatched(true)
	n, err := c.in.readConn(w.got[:])
	c.setWatched(false)
	w.n = n
	if err != nil && err != errStopped && !isTimeout(err) && !isBusy(err) {
		w.left = true
		c.call.ctx.cancel()
	}
}

// end ends the watch when the handler has returned. It reports whether the
// client is still connected. It adds bytes that the watch has read to the input.
func (w *watch) end() (there bool) {
	w.mu.Lock()
	state := w.state
	w.state = watchOff
	if state == watchWaiting {
		w.timer.Stop()
	}
	ended := w.ended
	w.mu.Unlock()
	if state != watchReading {
		return !w.left
	}
	in := &w.conn.in
	in.interrupt()
	<-ended
	in.resume()
	if w.n > 0 {
		in.add(w.got[:w.n])
	}
	return !w.left
}
