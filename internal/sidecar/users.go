package sidecar

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"hmaproxy/internal/config"
	"hmaproxy/proxy/policy"
)

const (
	// comparisons at once: bcrypt takes a whole processor for a while, and mail
	// is to flow meanwhile.
	comparisons = 2
	// turnWait is how long a request waits for its turn to be compared.
	turnWait = 10 * time.Second
)

// clients knows the users that may come in, as their file has them. It is safe
// for concurrent use.
type clients struct {
	config   *config.Config
	policies *policies
	key      [sha256.Size]byte // of the fingerprints, new in every process
	turns    chan struct{}
	current  atomic.Pointer[roster]
	files    *reloader
}

// newClients returns nil when clients need no credentials. policies is what
// users' patterns narrow.
func newClients(c *config.Config, p *policies, log *slog.Logger) (*clients, error) {
	if c.ClientUsersFile == "" {
		return nil, nil
	}
	k := &clients{config: c, policies: p, turns: make(chan struct{}, comparisons)}
	rand.Read(k.key[:])
	k.files = &reloader{variable: "HMA_CLIENT_USERS_FILE", take: k.take, log: log}
	return k, k.enlist(c.ClientUsers)
}

// take reads the users again and puts them in force.
func (k *clients) take() (changed bool, err error) {
	users, err := config.ReadClientUsers(os.ReadFile, k.config.ClientUsersFile)
	if err != nil || users.Equal(k.current.Load().users) {
		return false, err
	}
	return true, k.enlist(users)
}

// enlist puts users in force. Where there is no global list their patterns may
// be one, which the settings of a list then apply to.
func (k *clients) enlist(users config.ClientUsers) error {
	var base *policy.Policy
	if !k.config.Limited() {
		var err error
		if base, err = k.policies.make(users.Patterns()); err != nil {
			return err
		}
		k.policies.current.Store(base)
	}
	k.current.Store(newRoster(users, base))
	return nil
}

// authenticate is proxy.Config's Client.
func (k *clients) authenticate(name, password string) (*policy.Policy, bool) {
	r := k.current.Load()
	if !k.known(r, name, password) {
		return nil, false
	}
	base := r.base
	if base == nil {
		base = k.policies.current.Load()
	}
	return r.accounts[name].narrow(base), true
}

// known reports whether a user of the roster has the password. It takes the same
// time whoever the user is and whatever is wrong; only who was right before is
// answered at once.
func (k *clients) known(r *roster, name, password string) bool {
	print := k.fingerprint(name, password)
	if r.recent.has(print) {
		return true
	}
	turn := time.NewTimer(turnWait)
	defer turn.Stop()
	select {
	case k.turns <- struct{}{}:
		defer func() { <-k.turns }()
	case <-turn.C:
		return false
	}
	if r.recent.has(print) { // another connection of the same client was first
		return true
	}
	if !r.matches(name, password) {
		return false
	}
	r.recent.add(print)
	return true
}

// A fingerprint stands for a name with a password that was right. Without the
// key it says nothing about them.
type fingerprint [sha256.Size]byte

func (k *clients) fingerprint(name, password string) (f fingerprint) {
	h := hmac.New(sha256.New, k.key[:])
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(name)))
	h.Write(length[:])
	h.Write([]byte(name))
	h.Write([]byte(password))
	h.Sum(f[:0])
	return f
}
