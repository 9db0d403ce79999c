package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"hmaproxy/internal/listener"
)

const (
	// stopReserve is the time between the end of all requests and that of the
	// process.
	stopReserve = 10 * time.Second

	// idleGrace is how long connections without a request stay open once all
	// responses say that theirs is closed. A client that uses its connection within
	// that time does not lose a request.
	idleGrace = 300 * time.Millisecond
)

// closeWhileDraining returns a handler whose responses close their connection
// while requests in progress finish, so that the client does not send its next
// request on a connection that is about to be closed.
func (a *app) closeWhileDraining(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.state.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// drain lets requests in progress finish, for at most the shutdown timeout.
// Notification streams, which do not finish by themselves, are ended at its
// beginning. Before it, new requests are accepted for the shutdown delay.
func (a *app) drain(server *http.Server, clients []net.Listener) {
	c := a.options.Config
	a.state.draining.Store(true)
	a.reporter.Stop(c.ShutdownDelay + c.ShutdownTimeout + stopReserve)
	a.log.Info("stopping", "delay_ms", c.ShutdownDelay.Milliseconds(), "timeout_ms", c.ShutdownTimeout.Milliseconds())
	time.Sleep(c.ShutdownDelay)
	ctx, cancel := context.WithTimeout(context.Background(), c.ShutdownTimeout)
	defer cancel()
	listener.CloseAll(clients) // where the sockets were passed to this process, new connections wait for the next one
	a.handler.EndStreams()     // after that, so that their clients connect to the next process
	if c.ShutdownDelay < idleGrace {
		time.Sleep(min(idleGrace, c.ShutdownTimeout))
	}
	listener.CloseIdle(clients)
	if err := server.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		a.log.Warn("requests in progress are closed at the end of the shutdown timeout", "timeout_ms", c.ShutdownTimeout.Milliseconds())
	}
	a.log.Info("stopped")
}
