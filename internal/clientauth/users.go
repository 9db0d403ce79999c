package clientauth

import (
	"fmt"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/bcrypt"

	"hmaproxy/internal/config"
	"hmaproxy/proxy/policy"
)

// users is the parsed content of the users file, with the credentials that were
// verified against it. New content starts without verified credentials, so a
// changed password takes effect immediately.
type users struct {
	list       config.ClientUsers
	byName     map[string]*user
	cost       int            // highest bcrypt cost of all hashes
	base       *policy.Policy // policy that the users' patterns narrow; nil: they narrow the policy of the allow-list that is in force
	defaultOff bool           // the configured default mailbox is not in base
	compare    func(hash, password []byte) error
	verified   *recent[fingerprint]
}

func newUsers(list config.ClientUsers, base *policy.Policy) *users {
	u := &users{list: list, base: base, compare: bcrypt.CompareHashAndPassword, verified: newRecent[fingerprint](verifiedTime, maxVerified), byName: make(map[string]*user, len(list))}
	for _, entry := range list {
		u.byName[entry.Name] = &user{hash: []byte(entry.Hash.Reveal()), cost: entry.Cost(), patterns: entry.Patterns}
		u.cost = max(u.cost, entry.Cost())
	}
	return u
}

// maxPassword is the number of bytes of a password that bcrypt reads.
const maxPassword = 72

// matches compares the password with the user's hash. Every call does as much
// work as one comparison at the highest cost d. For an unknown user, it uses a
// hash whose password is not known. A comparison at a lower cost c is followed
// by comparisons at the costs c, c+1, … d-1. All comparisons together do the
// work of one comparison at the cost d.
func (u *users) matches(name, password string) bool {
	known := u.byName[name]
	entry := known
	if entry == nil {
		entry = &user{hash: unmatchable(u.cost), cost: u.cost}
	}
	given := []byte(password)
	readable := len(given) <= maxPassword && !strings.Contains(password, "\x00")
	if !readable {
		given = nil
	}
	right := u.compare(entry.hash, given) == nil
	for cost := entry.cost; cost < u.cost; cost++ {
		_ = u.compare(unmatchable(cost), given)
	}
	return right && readable && known != nil
}

// unmatchable returns a well-formed hash of the given cost. Its password is not
// known.
func unmatchable(cost int) []byte {
	return fmt.Appendf(nil, "$2a$%02d$%s", cost, strings.Repeat(".", 22+31))
}

// A user is one entry of the users file.
type user struct {
	hash     []byte
	cost     int
	patterns config.Mailboxes
	narrowed atomic.Pointer[narrowing]
}

// A narrowing is a policy and the base from which it was made.
type narrowing struct{ base, policy *policy.Policy }

// narrow returns base narrowed by the user's patterns. It makes a new policy
// only if base has changed since the last call.
func (u *user) narrow(base *policy.Policy) *policy.Policy {
	if n := u.narrowed.Load(); n != nil && n.base == base {
		return n.policy
	}
	n := &narrowing{base, base.Narrow(u.patterns)}
	u.narrowed.Store(n)
	return n.policy
}
