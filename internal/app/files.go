package app

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"hmaproxy/internal/allowlist"
	"hmaproxy/internal/clientauth"
	"hmaproxy/internal/config"
	"hmaproxy/internal/filewatch"
	"hmaproxy/internal/health"
	"hmaproxy/internal/listener"
	"hmaproxy/internal/statuspage"
	"hmaproxy/proxy/policy"
)

// files holds the content of files that are reloaded while the product runs.
type files struct {
	config   *config.Config
	list     *allowlist.List
	users    *clientauth.Authenticator // nil: clients need no credentials
	keyPairs *listener.KeyPairs        // nil: clients connect without TLS
	watchers []*filewatch.Watcher
}

func newFiles(c *config.Config, log *slog.Logger) (*files, error) {
	f := &files{config: c}
	add := func(variable string, load func() (bool, error), paths ...string) {
		f.watchers = append(f.watchers, filewatch.New(filewatch.Config{Variable: variable, Paths: paths, Load: load, Log: log}))
	}
	var err error
	if f.list, err = allowlist.New(c, log); err != nil {
		return nil, err
	}
	if c.AllowedMailboxesFile != "" {
		add(listVariable, f.list.Reload, string(c.AllowedMailboxesFile))
	}
	if f.users, err = clientauth.New(c, f.list); err != nil {
		return nil, err
	}
	if f.users != nil {
		add("HMA_CLIENT_USERS_FILE", f.users.Reload, string(c.ClientUsersFile))
	}
	if f.keyPairs, err = listener.NewKeyPairs(c); err != nil {
		return nil, err
	}
	if f.keyPairs != nil {
		add("HMA_TLS_CERT_FILE", f.keyPairs.Reload, f.keyPairPaths()...)
	}
	return f, nil
}

// keyPairPaths returns the paths of the listeners' certificate and key files.
func (f *files) keyPairPaths() []string {
	var paths []string
	for _, path := range slices.Concat(f.config.TLSCertFiles, f.config.TLSKeyFiles) {
		paths = append(paths, string(path))
	}
	return paths
}

const listVariable = "HMA_ALLOWED_MAILBOXES_FILE"

// watch starts goroutines that reload changed files until ctx ends. It does not
// wait for them.
func (f *files) watch(ctx context.Context, background *sync.WaitGroup) {
	for _, w := range f.watchers {
		background.Go(func() { w.Run(ctx) })
	}
}

// reload reads all files now.
func (f *files) reload(ctx context.Context) {
	var all sync.WaitGroup
	for _, w := range f.watchers {
		all.Go(func() { w.Reload(ctx) })
	}
	all.Wait()
}

// policy returns the policy that allows each mailbox which at least one client
// may open.
func (f *files) policy() *policy.Policy {
	if f.users != nil {
		return f.users.Policy()
	}
	return f.list.Policy()
}

// alarms returns the alarms about the files and the allow-list.
func (f *files) alarms() []health.Alarm {
	var alarms []health.Alarm
	for _, w := range f.watchers {
		if err := w.Err(); err != nil {
			alarms = append(alarms, health.Alarm{Kind: health.FileNotReloaded, Subject: w.Variable(), Err: err})
		}
	}
	if f.list.DefaultMailboxOff() || f.users != nil && f.users.DefaultMailboxOff() {
		alarms = append(alarms, health.Alarm{Kind: health.DefaultMailboxOff})
	}
	switch p := f.policy(); {
	case p.Audit():
		alarms = append(alarms, health.Alarm{Kind: health.AllowListAudits})
	case !p.Limited() && !f.config.EveryMailbox:
		alarms = append(alarms, health.Alarm{Kind: health.AllowListMissing})
	}
	return alarms
}

// allowList describes the current allow-list.
func (f *files) allowList() statuspage.AllowList {
	p := f.policy()
	l := statuspage.AllowList{Mode: "none", Scope: string(f.config.ListScope), Entries: p.Size(), File: string(f.config.AllowedMailboxesFile)}
	switch {
	case p.Audit():
		l.Mode = string(config.Audit)
	case p.Limited():
		l.Mode = string(config.Enforce)
	case f.config.EveryMailbox:
		l.Mode = "every"
	}
	for _, w := range f.watchers {
		if w.Variable() == listVariable {
			l.Err = w.Err()
		}
	}
	return l
}
