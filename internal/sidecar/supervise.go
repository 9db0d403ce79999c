package sidecar

import (
	"context"
	"time"

	"hmaproxy/internal/sdnotify"
)

const (
	// readyPatience is how long a supervisor is kept waiting for the first token.
	// A start never fails because something outside is down, so that it is told
	// "ready" then and reads in the status what is missing.
	readyPatience = 20 * time.Second
	// statusEvery is how often the supervisor's view is brought up to date.
	statusEvery = 250 * time.Millisecond
	// stopReserve is the time between the end of all requests and that of the
	// process.
	stopReserve = 10 * time.Second
)

// A supervision is what the supervisor was told.
type supervision struct {
	ready  bool
	status string
}

// supervise tells the supervisor how things stand and does what it asks for,
// until ctx ends.
func (a *app) supervise(ctx context.Context) {
	var told supervision
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for {
		a.tellState(&told)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-a.o.Reload:
			a.reload(told.ready)
		}
	}
}

// tellState tells what has changed since the supervisor was told last.
func (a *app) tellState(told *supervision) {
	if a.o.Notify == nil || a.draining.Load() {
		return
	}
	var news []string
	why := a.unready()
	if !told.ready && (why == "" || time.Since(a.begun) >= readyPatience) {
		told.ready = true
		news = append(news, sdnotify.Ready)
	}
	if why == "" {
		why = "ready"
	}
	if status := why + " " + a.remarks(); status != told.status {
		told.status = status
		news = append(news, sdnotify.Status(status))
	}
	if len(news) > 0 {
		a.tell(news...)
	}
}

// reload looks at once at everything that is read again while the product runs:
// the files of the allow-list, the client users and the TLS pair, and the
// certificate, together with the secret or password that opens it. A supervisor
// that does not know of the start yet is told of no reload.
func (a *app) reload(known bool) {
	if a.draining.Load() {
		return
	}
	if known {
		a.tell(sdnotify.Reloading()...)
		defer a.tell(sdnotify.Ready)
	}
	a.log.Info("reloading: looking at files and certificates again; settings take a restart")
	if a.o.Config.AllowedMailboxesFile != "" {
		a.policies.reload()
	}
	for _, f := range a.door.files() {
		f.look()
	}
	a.keeper.Reload()
}

// tellStopping tells the supervisor that the end has begun, and how long it may
// take.
func (a *app) tellStopping() {
	c := a.o.Config
	a.tell(sdnotify.Stopping, sdnotify.Status("stopping: requests under way may finish"),
		sdnotify.ExtendTimeout(c.ShutdownDelay+c.ShutdownTimeout+stopReserve))
}

func (a *app) tell(assignments ...string) {
	if err := a.o.Notify.Send(assignments...); err != nil {
		a.log.Warn("the supervisor was not told", "error", err.Error())
	}
}
