// Package allowlist keeps the allow-list that is in force and reloads it from
// its file.
package allowlist

import (
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"hmaproxy/internal/config"
	"hmaproxy/proxy/policy"
)

// A List is the allow-list in force. Its Policy method is safe for concurrent use.
type List struct {
	config   *config.Config
	log      *slog.Logger
	readFile func(string) ([]byte, error) // reads the file of the allow-list; config.ReadFile, except in tests
	current  atomic.Pointer[inForce]

	mu      sync.Mutex       // held while current is replaced, but not while the file is read
	entries config.Mailboxes // entries from HMA_ALLOWED_MAILBOXES or its file
	members config.Mailboxes // members of groups
}

// inForce is the current policy. defaultOff says that the default mailbox is
// not on the policy's list.
type inForce struct {
	policy     *policy.Policy
	defaultOff bool
}

// New returns the allow-list of the configuration. If the configuration has no
// allow-list, the list allows every mailbox.
func New(c *config.Config, log *slog.Logger) (*List, error) {
	l := &List{config: c, log: log, readFile: config.ReadFile, entries: c.AllowedMailboxes}
	made, defaultOff, err := l.make(c.Allowed())
	if err != nil {
		return nil, err
	}
	l.current.Store(&inForce{made, defaultOff})
	return l, nil
}

// NewPolicy returns the policy for entries, with the configuration's settings for
// the allow-list, the operations and the default mailbox.
func NewPolicy(c *config.Config, entries config.Mailboxes) (*policy.Policy, error) {
	return policy.New(policy.Config{
		Allowed:        entries,
		Empty:          c.AllowedGroups != nil,
		Audit:          c.ListMode == config.Audit,
		Targets:        c.ListScope == config.Targets,
		PrimaryOnly:    c.ListAddresses == config.PrimaryAddress,
		StrictIDs:      c.ListIDs == config.StrictIDs,
		Operations:     c.Operations.Operations,
		DefaultMailbox: string(c.DefaultMailbox),
		LoginUser:      c.LoginUser,
	})
}

// DefaultMailboxOff reports whether the configured default mailbox is not on the
// list: a reload has removed it, or it is not a member of the groups as they are
// known now. Requests that name no mailbox are then refused.
func (l *List) DefaultMailboxOff() bool { return l.current.Load().defaultOff }

// NewReloadedPolicy is like NewPolicy, for entries that were read again. If the
// default mailbox is not among the entries, the policy has no default mailbox and
// defaultOff is true. NewPolicy returns an error in this case, after which the
// old entries would stay in force.
func NewReloadedPolicy(c *config.Config, entries config.Mailboxes) (p *policy.Policy, defaultOff bool, err error) {
	p, err = NewPolicy(c, entries)
	if err == nil || c.DefaultMailbox == "" {
		return p, false, err
	}
	without := *c
	without.DefaultMailbox = ""
	p, err = NewPolicy(&without, entries)
	return p, err == nil, err
}

// Policy returns the policy in force.
func (l *List) Policy() *policy.Policy { return l.current.Load().policy }

// Reload reads the file of the allow-list and puts its entries in force. It
// reports whether the entries have changed. After an error the list stays as it
// was. Calls of Reload must not overlap.
func (l *List) Reload() (changed bool, err error) {
	entries, err := config.ReadMailboxes(l.readFile, l.config.AllowedMailboxesFile)
	if err != nil {
		return false, err
	}
	return l.setEntries(entries)
}

// setEntries replaces the entries that come from the file. It reports whether the
// entries have changed. After an error the list stays as it was.
func (l *List) setEntries(entries config.Mailboxes) (changed bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Equal(entries, l.entries) {
		return false, nil
	}
	made, defaultOff, err := l.make(slices.Concat(entries, l.members))
	if err != nil {
		return false, err
	}
	l.log.Info("allow-list reloaded", "entries", made.Size(), "before", l.Policy().Size())
	l.entries = entries
	l.current.Store(&inForce{made, defaultOff})
	return true, nil
}

// SetMembers replaces the entries that come from groups. The list then consists
// of these members and the entries of HMA_ALLOWED_MAILBOXES or its file. After an
// error the previous members stay in force.
func (l *List) SetMembers(members []policy.Pattern) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	made, defaultOff, err := l.make(slices.Concat(l.entries, members))
	if err != nil {
		return err
	}
	l.members = members
	l.current.Store(&inForce{made, defaultOff})
	return nil
}

// The method "make" returns the policy for entries. The bool is true if the
// configured default mailbox is not among the entries. At the start this is an
// error, unless the configuration has groups: then the default mailbox may be a
// member that is not known yet.
func (l *List) make(entries config.Mailboxes) (*policy.Policy, bool, error) {
	if l.config.AllowedGroups == nil && l.current.Load() == nil {
		made, err := NewPolicy(l.config, entries)
		return made, false, err
	}
	return NewReloadedPolicy(l.config, entries)
}
