// Package groups keeps the members of mail-enabled groups, which become part of
// the allow-list. It requests the members from Exchange with ExpandDL, for
// which the proxy's permission suffices.
//
// The owner of a group can add members to the group, and so widen the
// allow-list. Therefore an expansion that changes many members takes effect
// only after an operator has confirmed it.
package groups

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"hmaproxy/proxy/policy"
)

const (
	// Interval is the mean time between two expansions.
	Interval = 15 * time.Minute
	// runTimeout bounds one expansion of all groups.
	runTimeout = 2 * time.Minute
	// firstRetry is the first wait between attempts until an expansion has
	// succeeded. Each wait is twice as long as the previous wait, up to
	// Interval.
	firstRetry = 15 * time.Second
	// FirstLimit is how long readiness waits for the first expansion.
	FirstLimit = 2 * time.Minute
	// growth is the number of new members that never need a confirmation.
	growth = 20
)

// Config says which groups a Keeper expands.
type Config struct {
	Groups []string // SMTP addresses of the groups
	// Expand returns the members of groups. Calls do not overlap.
	Expand func(ctx context.Context, groups []string) (Members, error)
	// Apply puts the members into force, given as entries of an allow-list. If
	// it returns an error, the previous members stay in force.
	Apply func([]policy.Pattern) error
	Log   *slog.Logger // required
}

// A Keeper expands groups and keeps their members. It is safe for concurrent
// use.
type Keeper struct {
	config  Config
	confirm chan struct{} // buffers one call of Confirm, until Run handles it
	running sync.Mutex    // held during an expansion

	mu      sync.Mutex
	status  Status
	started time.Time // time when Run began
	current map[string]bool
}

// Status is the state of the groups.
type Status struct {
	Groups  []string
	Members int       // number of mailboxes that are in force
	Nested  int       // number of nested groups in the current expansion
	Skipped int       // number of members that are not mailboxes in this organisation
	At      time.Time // time of the current expansion; zero: no expansion yet
	Err     error     // why the latest expansion is not in force; nil if it is in force
}

// ErrHeld is wrapped by the error of an expansion that changes too many members
// and was not confirmed.
var ErrHeld = errors.New("held until SIGHUP confirms it")

// New returns a Keeper. It sends no requests before Run.
func New(config Config) *Keeper {
	return &Keeper{config: config, confirm: make(chan struct{}, 1), status: Status{Groups: config.Groups}}
}

// Status returns the current state.
func (k *Keeper) Status() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status
}

// Waiting reports whether readiness should wait for the first expansion: for at
// most FirstLimit after the start.
func (k *Keeper) Waiting(now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status.At.IsZero() && (k.started.IsZero() || now.Sub(k.started) < FirstLimit)
}

// Confirm makes Run expand the groups now and accept the result, however many
// members it changes. It does not wait for the expansion.
func (k *Keeper) Confirm() {
	select {
	case k.confirm <- struct{}{}:
	default: // a request is pending already
	}
}

// Run expands the groups immediately and then at intervals of about Interval,
// until ctx ends. Until an expansion has succeeded, the intervals are shorter; see
// firstRetry.
func (k *Keeper) Run(ctx context.Context) {
	k.mu.Lock()
	k.started = time.Now()
	k.mu.Unlock()
	k.Refresh(ctx, false)
	retry := firstRetry
	for {
		wait := Interval - Interval/10 + rand.N(Interval/5)
		if k.Status().At.IsZero() {
			wait, retry = retry, min(2*retry, Interval)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-k.confirm:
			timer.Stop()
			k.Refresh(ctx, true)
		case <-timer.C:
			k.Refresh(ctx, false)
		}
	}
}

// Refresh expands the groups once. If confirmed is true, it accepts the result no
// matter how many members change.
func (k *Keeper) Refresh(ctx context.Context, confirmed bool) {
	k.running.Lock()
	defer k.running.Unlock()
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	members, err := k.config.Expand(ctx, k.config.Groups)
	if err == nil && !confirmed {
		err = k.massChange(members.Mailboxes)
	}
	var patterns []policy.Pattern
	if err == nil {
		patterns, err = patternsOf(members.Mailboxes)
	}
	if err == nil {
		err = k.config.Apply(patterns)
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return // the process stops
	}
	k.report(members, err)
}

// massChange returns an error if at least half of the current members are missing in
// mailboxes. It also returns an error if mailboxes has too many new members: more than
// half the number of current members, plus 20 (the constant growth). It returns nil if
// there are no current members.
func (k *Keeper) massChange(mailboxes []string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	old := len(k.current)
	if old == 0 {
		return nil
	}
	kept := 0
	for _, m := range mailboxes {
		if k.current[strings.ToLower(m)] {
			kept++
		}
	}
	removed, added := old-kept, len(mailboxes)-kept
	switch {
	case removed*2 >= old:
		return fmt.Errorf("%d of %d members are gone: %w", removed, old, ErrHeld)
	case added*2 > old+2*growth:
		return fmt.Errorf("%d members are new to %d: %w", added, old, ErrHeld)
	}
	return nil
}

// patternsOf returns allow-list entries for the addresses of mailboxes.
func patternsOf(mailboxes []string) ([]policy.Pattern, error) {
	return policy.ParsePatterns(strings.Join(mailboxes, "\n"))
}

// report records the result of an expansion and logs changes.
func (k *Keeper) report(members Members, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	before := k.status
	if err != nil {
		k.status.Err = err
		if before.Err == nil || before.Err.Error() != err.Error() {
			k.config.Log.Error("groups not expanded, the previous members stay in force", "error", err.Error(), "members", before.Members)
		}
		return
	}
	k.status = Status{
		Groups: k.config.Groups, Members: len(members.Mailboxes), Nested: members.Nested, Skipped: members.Skipped, At: time.Now(),
	}
	k.current = make(map[string]bool, len(members.Mailboxes))
	for _, m := range members.Mailboxes {
		k.current[strings.ToLower(m)] = true
	}
	if before.Err != nil || before.Members != k.status.Members || before.Skipped != k.status.Skipped {
		k.config.Log.Info("groups expanded", "members", k.status.Members, "before", before.Members, "nested", members.Nested, "skipped", members.Skipped)
	}
}
