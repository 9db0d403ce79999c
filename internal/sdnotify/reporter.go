package sdnotify

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"hmaproxy/internal/health"
)

const (
	// readyTimeout is how long the service manager waits until the product is
	// ready. A start does not fail because Entra ID or Key Vault is down: after
	// this time the service counts as started, and its status text names the
	// problem.
	readyTimeout = 20 * time.Second
	// reportInterval is the interval between reports of the state.
	reportInterval = 250 * time.Millisecond
)

// A Reporter reports the product's health to the service manager. It is safe
// for concurrent use.
type Reporter struct {
	notifier *Notifier
	state    func() health.State
	log      *slog.Logger
	started  time.Time

	mu       sync.Mutex // guards the fields below
	ready    bool       // whether Ready was sent
	stopping bool       // whether Stopping was sent
	status   string     // the latest status that was sent
}

// NewReporter returns a Reporter of the health that state returns. The Reporter
// may call state at any time. With a nil notifier it sends nothing.
func NewReporter(notifier *Notifier, state func() health.State, log *slog.Logger) *Reporter {
	return &Reporter{notifier: notifier, state: state, log: log, started: time.Now()}
}

// Run reports changes until ctx ends.
func (r *Reporter) Run(ctx context.Context) {
	if r.notifier == nil {
		return
	}
	tick := time.NewTicker(reportInterval)
	defer tick.Stop()
	for {
		r.send(r.changes())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// changes returns sd_notify assignments, such as "READY=1", for what has
// changed since the last call.
func (r *Reporter) changes() []string {
	state := r.state()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping {
		return nil
	}
	var assignments []string
	if !r.ready && (state.Ready() || time.Since(r.started) >= readyTimeout) {
		r.ready = true
		assignments = append(assignments, Ready)
	}
	if status := statusText(state); status != r.status {
		r.status = status
		assignments = append(assignments, Status(status))
	}
	return assignments
}

// statusText returns one line about the state.
func statusText(s health.State) string {
	var b strings.Builder
	b.WriteString("ready")
	if !s.Ready() {
		b.Reset()
		b.WriteString("not ready: " + s.NotReady.Text())
	}
	now := time.Now()
	for _, a := range s.Alarms {
		b.WriteString(" alarm: " + a.Text(now))
	}
	return b.String()
}

// Reload announces a reload, runs it, and announces its end. It announces
// nothing while the service manager waits for the start, and during the stop.
func (r *Reporter) Reload(reload func()) {
	r.mu.Lock()
	announce := r.ready && !r.stopping
	r.mu.Unlock()
	if announce {
		r.send(Reloading())
		defer r.send([]string{Ready})
	}
	reload()
}

// Stop announces the stop and its maximum duration. After that the Reporter sends
// nothing.
func (r *Reporter) Stop(timeout time.Duration) {
	r.mu.Lock()
	r.stopping = true
	r.mu.Unlock()
	r.send([]string{Stopping, Status("stopping: requests in progress may finish"), ExtendTimeout(timeout)})
}

func (r *Reporter) send(assignments []string) {
	if len(assignments) == 0 {
		return
	}
	if err := r.notifier.Send(assignments...); err != nil {
		r.log.Warn("the service manager could not be notified", "error", err.Error())
	}
}
