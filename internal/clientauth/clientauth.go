// Package clientauth authenticates clients by HTTP Basic credentials against
// the users of HMA_CLIENT_USERS_FILE, whose passwords are kept as bcrypt hashes.
package clientauth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"hmaproxy/internal/allowlist"
	"hmaproxy/internal/config"
	"hmaproxy/proxy"
	"hmaproxy/proxy/policy"
)

const (
	// verifiedTime is how long verified credentials need no further comparison.
	// Each request with these credentials extends this time, because clients
	// that send many wrong passwords must not lock active clients out. A
	// changed users file ends the time.
	verifiedTime = 5 * time.Minute
	maxVerified  = 1024 // number of fingerprints; a client has one fingerprint, or a few after changes of its password
)

// An Authenticator holds the current client users. It is safe for concurrent
// use.
type Authenticator struct {
	config *config.Config // configuration at the start of the process
	list   *allowlist.List
	key    [sha256.Size]byte // key of the fingerprints, new in every process
	users  atomic.Pointer[users]

	fresh, suspect *queue          // suspect is the queue for peers that sent a wrong password in the last minute, fresh for all other peers
	suspects       *recent[string] // peers that sent a wrong password in the last minute
}

// New returns an Authenticator for the client users in c. It returns nil if there
// is no users file. list is the allow-list. The patterns of a user narrow it for
// that user.
func New(c *config.Config, list *allowlist.List) (*Authenticator, error) {
	if c.ClientUsersFile == "" {
		return nil, nil
	}
	a := &Authenticator{
		config: c, list: list,
		fresh: newQueue(freshRest), suspect: newQueue(suspectRest), suspects: newRecent[string](suspectTime, maxSuspects),
	}
	rand.Read(a.key[:])
	var base *policy.Policy
	if !c.Limited() {
		var err error
		if base, err = allowlist.NewPolicy(c, c.ClientUsers.Patterns()); err != nil {
			return nil, err
		}
	}
	a.users.Store(newUsers(c.ClientUsers, base))
	return a, nil
}

// Reload reads the users file and makes its users current. It reports whether
// the users have changed. After an error the users stay unchanged. Reload
// refuses a file that may be truncated. It also refuses a file that lets a user
// open every mailbox if the user could not open every mailbox before. Calls
// must not overlap.
func (a *Authenticator) Reload() (changed bool, err error) {
	list, unended, err := config.ReadClientUsers(config.ReadFile, a.config.ClientUsersFile)
	if err != nil {
		return false, err
	}
	if unended && !a.config.ClientUsersUnended {
		return false, errors.New("the last line has no line end, so the file may be cut; end the line")
	}
	before := a.users.Load()
	if list.Equal(before.list) {
		return false, nil
	}
	if a.config.Limited() {
		a.users.Store(newUsers(list, nil))
		return true, nil
	}
	if n := widened(before.list, list); n > 0 {
		return false, fmt.Errorf("user %d of the file has no mailbox pattern and could open every mailbox; add patterns, or restart if every mailbox is meant", n)
	}
	base, defaultOff, err := allowlist.NewReloadedPolicy(a.config, list.Patterns())
	if err != nil {
		return false, err
	}
	u := newUsers(list, base)
	u.defaultOff = defaultOff
	a.users.Store(u)
	return true, nil
}

// widened compares the users before and after a reload. It returns the number,
// from 1, of the first user who can open every mailbox after the reload and could
// not before. It returns 0 if no user is affected. It is called only without an
// allow-list. The user that is found had patterns before the reload, or is new
// and all users had patterns before. Errors contain the number instead of the
// name, because /ready shows errors to any client.
func widened(before, after config.ClientUsers) int {
	narrowed := make(map[string]bool, len(before))
	for _, u := range before {
		narrowed[u.Name] = u.Patterns != nil
	}
	allNarrowed := before.Patterns() != nil
	for i, u := range after {
		if u.Patterns == nil && (narrowed[u.Name] || allNarrowed) {
			return i + 1
		}
	}
	return 0
}

// DefaultMailboxOff reports whether the configured default mailbox is not on the
// allow-list, or whether a reload has taken it off the patterns of all users.
// Requests that name no mailbox are then refused.
func (a *Authenticator) DefaultMailboxOff() bool {
	return a.users.Load().defaultOff || a.list.DefaultMailboxOff()
}

// Policy returns the policy that covers all users together: the allow-list or,
// if there is no allow-list, the policy of all users' patterns.
func (a *Authenticator) Policy() *policy.Policy {
	return a.policyFor(a.users.Load())
}

func (a *Authenticator) policyFor(u *users) *policy.Policy {
	if u.base != nil {
		return u.base
	}
	return a.list.Policy()
}

// Authenticate returns the policy of the user with the given name and password.
// It has the signature of proxy.Config's Client. It blocks while it waits for
// its turn and while it compares the password.
func (a *Authenticator) Authenticate(ctx context.Context, remote, name, password string) (*policy.Policy, error) {
	u := a.users.Load()
	if err := a.verify(ctx, u, peerOf(remote), name, password); err != nil {
		return nil, err
	}
	return u.byName[name].narrow(a.policyFor(u)), nil
}

// verify returns nil if password is the password of the user called name, and
// proxy.ErrCredentials if it is not. The comparison does the same work for an
// unknown user, a wrong password and a right password. Credentials that were
// verified a short time ago need no comparison.
func (a *Authenticator) verify(ctx context.Context, u *users, peer, name, password string) error {
	print := a.fingerprint(name, password)
	if u.verified.renew(print) {
		return nil
	}
	l := a.fresh
	if a.suspects.has(peer) {
		l = a.suspect
	}
	right, err := l.compare(ctx, func() bool {
		// Another connection may have verified the same credentials during the
		// wait.
		if u.verified.renew(print) {
			return true
		}
		if !u.matches(name, password) {
			return false
		}
		u.verified.add(print) // add the credentials before the queue begins its next comparison
		return true
	})
	switch {
	case err != nil:
		return err
	case !right:
		a.suspects.add(peer)
		return proxy.ErrCredentials
	}
	return nil
}

// A fingerprint identifies a name and a password together. Without the key, a
// fingerprint reveals nothing about the name and the password.
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
