package sidecar

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"

	"hmaproxy/internal/config"
	"hmaproxy/proxy/policy"
)

// A roster is one content of the users' file, and who of it was right lately: a
// new content starts with nobody, so that a changed password counts at once.
type roster struct {
	users    config.ClientUsers
	accounts map[string]*account
	cost     int            // of the dearest hash
	base     *policy.Policy // what the users' patterns narrow; nil: the global list
	recent   recent
}

func newRoster(users config.ClientUsers, base *policy.Policy) *roster {
	r := &roster{users: users, base: base, accounts: make(map[string]*account, len(users))}
	for _, u := range users {
		r.accounts[u.Name] = &account{hash: []byte(u.Hash.Reveal()), cost: u.Cost(), patterns: u.Patterns}
		r.cost = max(r.cost, u.Cost())
	}
	return r
}

// maxPassword is where bcrypt stops reading.
const maxPassword = 72

// matches compares the password with the user's hash. Every call does the work
// of one comparison at the dearest cost: an unknown user is compared with a
// hash that nothing has, and a cheap hash is followed by such ones. The work at
// costs c, c, c+1, … d-1 together is that at cost d.
func (r *roster) matches(name, password string) bool {
	a := r.accounts[name]
	if a == nil {
		a = &account{hash: decoy(r.cost), cost: r.cost}
	}
	given := []byte(password)
	readable := len(given) <= maxPassword && !strings.Contains(password, "\x00")
	if !readable {
		given = nil
	}
	right := bcrypt.CompareHashAndPassword(a.hash, given) == nil
	for cost := a.cost; cost < r.cost; cost++ {
		_ = bcrypt.CompareHashAndPassword(decoy(cost), given)
	}
	return right && readable && r.accounts[name] != nil
}

// decoy returns a hash that is well-formed and of no known password.
func decoy(cost int) []byte {
	return fmt.Appendf(nil, "$2a$%02d$%s", cost, strings.Repeat(".", 22+31))
}

// An account is one user.
type account struct {
	hash     []byte
	cost     int
	patterns config.Mailboxes
	narrowed atomic.Pointer[narrowing]
}

// A narrowing is a policy and what it was made from.
type narrowing struct{ base, policy *policy.Policy }

// narrow returns the policy in force for the user. It is made anew when the base
// is another one.
func (a *account) narrow(base *policy.Policy) *policy.Policy {
	if n := a.narrowed.Load(); n != nil && n.base == base {
		return n.policy
	}
	n := &narrowing{base, base.Narrow(a.patterns)}
	a.narrowed.Store(n)
	return n.policy
}

const (
	// recentTime is how long a client that was right need not be compared again.
	// Each request prolongs it, so that a crowd of wrong passwords does not keep
	// busy clients out; what changes in the file ends it.
	recentTime = 5 * time.Minute
	maxRecent  = 1024 // fingerprints; a client has one, or a few that changed their password
)

// recent remembers who was right. Its zero value remembers nobody.
type recent struct {
	mu    sync.Mutex
	until map[fingerprint]time.Time
}

func (r *recent) has(f fingerprint) bool {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !now.Before(r.until[f]) {
		return false
	}
	r.until[f] = now.Add(recentTime)
	return true
}

// add remembers one more. The stale make room first, then any.
func (r *recent) add(f fingerprint) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until == nil {
		r.until = make(map[fingerprint]time.Time)
	}
	for old, until := range r.until {
		if len(r.until) >= maxRecent || !now.Before(until) {
			delete(r.until, old)
		}
	}
	r.until[f] = now.Add(recentTime)
}
