// Package clientauth authenticates clients by HTTP Basic credentials against
// the users of HMA_CLIENT_USERS_FILE, whose passwords are kept as bcrypt hashes.
package clientauth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"os"
	"sync/atomic"
	"time"

	"hmaproxy/internal/allowlist"
	"hmaproxy/internal/config"
	"hmaproxy/proxy/policy"
)

const (
	// maxComparisons is how many passwords are compared at once. bcrypt keeps a
	// processor busy for tens of milliseconds, and mail must flow at the same time.
	maxComparisons = 2
	// comparisonWait is how long a request waits for its comparison to begin.
	comparisonWait = 10 * time.Second
)

// An Authenticator knows the client users in force. It is safe for concurrent
// use.
type Authenticator struct {
	config *config.Config
	list   *allowlist.List
	key    [sha256.Size]byte // of the fingerprints, new in every process
	slots  chan struct{}     // one for each comparison under way
	users  atomic.Pointer[users]
}

// New returns an Authenticator for the configuration's client users, nil when
// clients need no credentials. The users' patterns narrow list.
func New(c *config.Config, list *allowlist.List) (*Authenticator, error) {
	if c.ClientUsersFile == "" {
		return nil, nil
	}
	a := &Authenticator{config: c, list: list, slots: make(chan struct{}, maxComparisons)}
	rand.Read(a.key[:])
	return a, a.replace(c.ClientUsers)
}

// Reload reads the file and puts its users in force. It reports whether they
// are others than before. After an error the users stay as they were. Calls
// must not overlap.
func (a *Authenticator) Reload() (changed bool, err error) {
	list, err := config.ReadClientUsers(os.ReadFile, a.config.ClientUsersFile)
	if err != nil || list.Equal(a.users.Load().list) {
		return false, err
	}
	return true, a.replace(list)
}

// replace puts users in force. Without a global allow-list the users' patterns
// can be one, and the settings of an allow-list apply to it.
func (a *Authenticator) replace(list config.ClientUsers) error {
	var base *policy.Policy
	if !a.config.Limited() {
		var err error
		if base, err = allowlist.NewPolicy(a.config, list.Patterns()); err != nil {
			return err
		}
	}
	a.users.Store(newUsers(list, base))
	return nil
}

// Policy returns what all users together may do: the allow-list in force, or
// without one the policy of all users' patterns.
func (a *Authenticator) Policy() *policy.Policy {
	return a.policyFor(a.users.Load())
}

func (a *Authenticator) policyFor(u *users) *policy.Policy {
	if u.base != nil {
		return u.base
	}
	return a.list.Policy()
}

// Authenticate returns the policy of the user with that password. It has the
// signature of proxy.Config's Client. It blocks while it compares the password
// or waits to do so.
func (a *Authenticator) Authenticate(name, password string) (*policy.Policy, bool) {
	u := a.users.Load()
	if !a.verify(u, name, password) {
		return nil, false
	}
	return u.byName[name].narrow(a.policyFor(u)), true
}

// verify reports whether a user has the password. It takes the same time for an
// unknown user, a wrong password and a right one, except for a pair that was
// right a short time ago, which it accepts at once.
func (a *Authenticator) verify(u *users, name, password string) bool {
	print := a.fingerprint(name, password)
	if u.verified.has(print) {
		return true
	}
	timeout := time.NewTimer(comparisonWait)
	defer timeout.Stop()
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-timeout.C:
		return false
	}
	if u.verified.has(print) { // verified for another connection during the wait
		return true
	}
	if !u.matches(name, password) {
		return false
	}
	u.verified.add(print)
	return true
}

// A fingerprint identifies a name and a password together. Without the key it
// reveals nothing about them.
type fingerprint [sha256.Size]byte

func (a *Authenticator) fingerprint(name, password string) (f fingerprint) {
	h := hmac.New(sha256.New, a.key[:])
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(name)))
	h.Write(length[:])
	h.Write([]byte(name))
	h.Write([]byte(password))
	h.Sum(f[:0])
	return f
}
