package httpserver

import (
	"sync"
	"time"
)

// A watch detects that the client leaves while a handler runs. A client that
// closes its sending side counts as having left, even if it has sent its whole
// request. The watch then ends the context of the request. It begins watchDelay
// after the first read of a body that has not returned the end of the body, or
// watchDelay after the end of the body; see hasten for a response that is flushed.
//
// After the end of the body the watch reads from the connection. Before the end it
// must not read, because the next bytes belong to the body. It asks the system at
// intervals instead, while the handler does not read. The system may be unable to
// know, because the end of what a client sends arrives after the rest of the body. So
// if the handler was not reading at one of these times, the read that finds the end of
// the body checks that the client is still connected; see body.Read.
type watch struct {
	conn *conn

	mu      sync.Mutex
	state   watchState
	timer   *time.Timer
	blocked bool          // the handler was not reading the body at a call of checkClient
	ended   chan struct{} // closed when read has returned
	got     [64]byte      // the bytes that were read: the beginning of the next request
	n       int
	left    bool // the client has left
}

type watchState uint8

const (
	watchOff     watchState = iota
	watchBody               // the body was not read to its end; the timer will call checkClient
	watchWaiting            // the body was read to its end; the timer will call read
	watchReading            // read is running
)

// beginBody starts the timer of the watch for a body that a first read has not read
// to its end.
func (w *watch) beginBody() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.blocked = false
	w.start(watchBody)
}

// begin starts the timer of the watch for a body that was read to its end.
func (w *watch) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.start(watchWaiting)
}

// start sets the state and starts the timer. The caller holds w.mu.
func (w *watch) start(state watchState) {
	w.state = state
	if w.timer == nil {
		w.timer = time.AfterFunc(w.conn.server.watchAfter(), w.run)
	} else {
		w.timer.Reset(w.conn.server.watchAfter())
	}
}

// hasten makes the watch begin flushedDelay from now, because the response has begun
// and may last for long. A client that has enough of a notification stream leaves, and
// immediately opens another one for the same subscription. Until the first stream ends
// at Exchange, it gets the events of the second.
func (w *watch) hasten() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state == watchWaiting && w.conn.server.watchDelay == 0 {
		w.timer.Reset(flushedDelay)
	}
}

// run is the function of the timer.
func (w *watch) run() {
	w.mu.Lock()
	switch w.state {
	case watchBody:
		w.checkClient()
	case watchWaiting:
		w.state, w.ended = watchReading, make(chan struct{})
		defer close(w.ended)
		w.mu.Unlock()
		w.read()
		return
	}
	w.mu.Unlock()
}

// checkClient asks the system whether the client has left, unless the handler is
// reading the body. Such a read itself ends when the client leaves. The caller holds
// w.mu.
func (w *watch) checkClient() {
	c := w.conn
	if !c.call.body.inRead() {
		w.blocked = true
		if c.peerClosed() {
			w.leave()
			return
		}
	}
	w.timer.Reset(checkInterval)
}

// wasBlocked reports whether the handler was not reading the body at a call of
// checkClient.
func (w *watch) wasBlocked() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.blocked
}

// leave records that the client has left, and ends the context of its request.
func (w *watch) leave() {
	w.left = true
	w.conn.call.ctx.cancel()
}

// read reads once. The read ends when the client sends something or disconnects, or
// when the watch ends.
func (w *watch) read() {
	c := w.conn
	c.in.release()
	c.in.setDeadline(time.Time{})
	c.setWatched(true)
	n, err := c.in.readConn(w.got[:])
	c.setWatched(false)
	w.n = n
	if isGone(err) {
		w.leave()
	}
}

// isGone reports whether err, the error of a read, shows that the client has closed
// its sending side or that its connection has failed.
func isGone(err error) bool {
	return err != nil && err != errStopped && !isTimeout(err) && !isBusy(err)
}

// end ends the watch when the handler has returned. It reports whether the
// client is still connected. It adds bytes that the watch has read to the input.
func (w *watch) end() (there bool) {
	w.mu.Lock()
	state := w.state
	w.state = watchOff
	if state == watchBody || state == watchWaiting {
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
