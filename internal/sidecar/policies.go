package sidecar

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"hmaproxy/internal/config"
	"hmaproxy/proxy/policy"
)

// listPoll is how often the allow-list's file is looked at. Files mounted by
// Kubernetes change without a notification that could be relied on.
const listPoll = 5 * time.Second

// policies holds the policy in force and takes a changed allow-list file up.
type policies struct {
	config  *config.Config
	log     *slog.Logger
	current atomic.Pointer[policy.Policy]
	alarm   atomic.Pointer[string] // why the file could not be taken up; nil: it could
	list    config.Mailboxes       // what current was made of
	looking sync.Mutex             // one look at the file at a time; nothing else waits for it
	last    string                 // the error that was logged
}

func newPolicies(c *config.Config, log *slog.Logger) (*policies, error) {
	p := &policies{config: c, log: log, list: c.AllowedMailboxes}
	made, err := p.make(c.Allowed())
	if err != nil {
		return nil, err
	}
	p.current.Store(made)
	return p, nil
}

func (p *policies) make(allowed []policy.Pattern) (*policy.Policy, error) {
	return policy.New(policy.Config{
		Allowed:        allowed,
		Audit:          p.config.ListMode == config.Audit,
		Targets:        p.config.ListScope == config.Targets,
		PrimaryOnly:    p.config.ListAddresses == config.PrimaryAddress,
		Operations:     p.config.Operations.Operations,
		DefaultMailbox: string(p.config.DefaultMailbox),
		LoginUser:      p.config.LoginUser,
	})
}

// watch looks at the file, where there is one, until ctx ends.
func (p *policies) watch(ctx context.Context) {
	if p.config.AllowedMailboxesFile != "" {
		poll(ctx, p.reload)
	}
}

// reload takes the file's present content up. A faulty file leaves the old
// list in force and raises an alarm.
func (p *policies) reload() {
	p.looking.Lock()
	defer p.looking.Unlock()
	allowed, err := config.ReadMailboxes(os.ReadFile, p.config.AllowedMailboxesFile)
	var made *policy.Policy
	if err == nil {
		made, err = p.make(allowed)
	}
	if err != nil {
		p.complain(err)
		return
	}
	if p.alarm.Swap(nil) != nil {
		p.log.Info("allow-list file is readable again")
	}
	p.last = ""
	if slices.Equal(allowed, p.list) {
		return
	}
	p.log.Info("allow-list taken up", "entries", made.Size(), "before", p.current.Load().Size())
	p.list = allowed
	p.current.Store(made)
}

// complain raises the alarm, in the log once for each new reason.
func (p *policies) complain(err error) {
	text := err.Error()
	p.alarm.Store(&text)
	if text != p.last {
		p.last = text
		p.log.Error("allow-list file not taken up, the old list stays in force",
			"file", string(p.config.AllowedMailboxesFile), "error", text, "entries", p.current.Load().Size())
	}
}
