package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"hmaproxy/internal/httpserver"
	"hmaproxy/internal/listener"
)

const (
	// stopReserve is the time that remains for the process to stop after all
	// requests have ended.
	stopReserve = 10 * time.Second

	// idleGrace is how long idle connections stay open after the listeners are
	// closed, unless the shutdown delay was at least as long. A client that sends
	// a request on its connection within that time gets a response that closes
	// the connection, and loses no request.
	idleGrace = 300 * time.Millisecond
)

// closeWhileDraining returns a handler whose responses close their connection
// during a drain. Without this, a client might send its next request on a
// connection that is about to be closed.
func (a *app) closeWhileDraining(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.state.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// drain lets requests in progress finish within the shutdown timeout. First it
// accepts new requests for the shutdown delay. Then it ends the notification
// streams, which do not finish by themselves.
func (a *app) drain(server *httpserver.Server, clients []net.Listener) {
	c := a.options.Config
	a.state.draining.Store(true)
	a.reporter.Stop(c.ShutdownDelay + c.ShutdownTimeout + stopReserve)
	a.log.Info("stopping", "delay_ms", c.ShutdownDelay.Milliseconds(), "timeout_ms", c.ShutdownTimeout.Milliseconds())
	time.Sleep(c.ShutdownDelay)
	ctx, cancel := context.WithTimeout(context.Background(), c.ShutdownTimeout)
	defer cancel()
	listener.CloseAll(clients) // connections to inherited sockets then wait until the next process accepts them
	a.handler.EndStreams()     // called after the listeners are closed, so clients that reconnect reach the next process
	if c.ShutdownDelay < idleGrace {
		time.Sleep(min(idleGrace, c.ShutdownTimeout))
	}
	listener.CloseIdle(clients)
	if err := server.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		a.log.Warn("requests in progress are closed at the end of the shutdown timeout", "timeout_ms", c.ShutdownTimeout.Milliseconds())
	}
	a.log.Info("stopped")
}
