package upstream

import (
	"net"
	"sync"
	"time"

	"hmaproxy/internal/socket"
)

// A silenceWatch closes the connection of an upload if the server acknowledges
// nothing for socket.MaxSilence. It replaces the system's time limit while
// bytes are unsent or not acknowledged. The system's limit would also end an
// upload on a slow line, although acknowledgements arrive; see socket.Relax. On
// systems other than Linux a silenceWatch does nothing. It is safe for concurrent
// use.
type silenceWatch struct {
	sockets   sockets
	closeIdle func() // closes the idle connections; must not block

	mu      sync.Mutex
	uploads map[*conn]*watchedUpload
	looking bool // a timer will call look
}

// sockets are the calls of the system that a silenceWatch uses. None of them
// blocks.
type sockets struct {
	sending        func(net.Conn) (s socket.Sending, ok bool)
	relax, restore func(net.Conn)
}

var systemSockets = sockets{sending: socket.SendingOf, relax: socket.Relax, restore: socket.Restore}

// watchInterval is the time between two checks of the uploads.
const watchInterval = time.Second

// A watchedUpload is an upload that has not ended, or whose bytes were not all
// acknowledged at the last check.
type watchedUpload struct {
	written <-chan struct{} // closed when all bytes are in the operating system's send buffer
	since   time.Time       // beginning of the upload, or the last time at which nothing was pending
	relaxed bool            // the system's limit is relaxed, because the watch limits the silence
	reused  bool            // the connection was idle before the upload
	doubted bool            // doubts has returned true for this upload, and the idle connections were closed
}

// A silenceLimit is the result of checking an upload. It says which time limit
// for missing acknowledgements applies until the next check, or why none does.
type silenceLimit int

const (
	limitedByWatch  silenceLimit = iota // bytes are pending; the silenceWatch ends the connection after socket.MaxSilence
	limitedBySystem                     // nothing is pending, but the upload continues; the system ends the connection after socket.MaxSilence
	watchEnds                           // nothing is pending, and the upload has ended; no limit is needed any more
	serverLost
)

// check checks an upload. Silence before the upload began does not count,
// because the connection may have been idle.
func (u *watchedUpload) check(s socket.Sending, now time.Time) silenceLimit {
	switch {
	case s.Pending && min(s.Silence, now.Sub(u.since)) >= socket.MaxSilence:
		return serverLost
	case s.Pending:
		return limitedByWatch
	}
	select {
	case <-u.written:
		return watchEnds
	default:
		return limitedBySystem
	}
}

// doubtTime applies to an upload on a connection that was idle before. If nothing
// is acknowledged in this time, the idle connections are closed. doubtTime is
// shorter than the wait for 100 Continue, after which the proxy sends the request
// on another connection.
const doubtTime = time.Second

// doubts reports whether an upload's server may be lost: the connection was
// idle before the upload, and nothing was acknowledged since. The caller then
// closes the idle connections, because they use the same network. doubts
// returns true only once for each upload.
func (u *watchedUpload) doubts(s socket.Sending, now time.Time) bool {
	age := now.Sub(u.since)
	if u.doubted || !u.reused || !s.Pending || age < doubtTime || s.Silence < age {
		return false
	}
	u.doubted = true
	return true
}

// begin adds the connection of an upload. written is closed when the upload has
// given all its bytes to the system.
func (w *silenceWatch) begin(c *conn, written <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.uploads == nil {
		w.uploads = map[*conn]*watchedUpload{}
	}
	if !w.looking {
		w.looking = true
		time.AfterFunc(watchInterval, w.look)
	}
	w.uploads[c] = &watchedUpload{written: written, since: time.Now(), reused: c.reused}
}

// The method "end" removes a connection whose attempt has ended, if it was not
// removed before.
func (w *silenceWatch) end(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if u := w.uploads[c]; u != nil {
		delete(w.uploads, c)
		w.setRelaxed(c, u, false)
	}
}

// look checks all uploads and closes the connections whose server is lost. It
// is called again after watchInterval while there are uploads.
func (w *silenceWatch) look() {
	lost, doubt := w.update()
	if doubt {
		w.closeIdle()
	}
	for _, c := range lost {
		c.lose()
	}
}

// update checks all uploads and acts on the results. It returns the connections
// whose server is lost, and whether the idle connections must be closed because
// doubts returned true for an upload.
func (w *silenceWatch) update() (lost []*conn, doubt bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for c, u := range w.uploads {
		s, ok := w.sockets.sending(c.tcp)
		if !ok { // the connection is closed, or the system reports nothing about it
			delete(w.uploads, c)
			continue
		}
		doubt = u.doubts(s, now) || doubt
		switch u.check(s, now) {
		case limitedByWatch:
			w.setRelaxed(c, u, true)
		case limitedBySystem:
			u.since = now
			w.setRelaxed(c, u, false)
		case watchEnds:
			delete(w.uploads, c)
			w.setRelaxed(c, u, false)
		case serverLost:
			delete(w.uploads, c)
			lost = append(lost, c)
		}
	}
	if w.looking = len(w.uploads) > 0; w.looking {
		time.AfterFunc(watchInterval, w.look)
	}
	return lost, doubt
}

// setRelaxed relaxes the system's limit on the silence of u's server, or
// restores it. The caller holds w.mu.
func (w *silenceWatch) setRelaxed(c *conn, u *watchedUpload, relaxed bool) {
	switch {
	case relaxed == u.relaxed:
		return
	case relaxed:
		w.sockets.relax(c.tcp)
	default:
		w.sockets.restore(c.tcp)
	}
	u.relaxed = relaxed
}
