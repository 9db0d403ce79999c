package sidecar

import (
	"context"
	"sync"

	"hmaproxy/internal/allowlist"
	"hmaproxy/internal/clientauth"
	"hmaproxy/internal/filewatch"
	"hmaproxy/internal/listener"
)

// addFiles reads what comes from files that are reloaded while the product runs.
func (a *app) addFiles() (err error) {
	c := a.o.Config
	if a.list, err = allowlist.New(c, a.log); err != nil {
		return err
	}
	if c.AllowedMailboxesFile != "" {
		a.watchFile("HMA_ALLOWED_MAILBOXES_FILE", a.list.Reload, string(c.AllowedMailboxesFile))
	}
	if a.users, err = clientauth.New(c, a.list); err != nil {
		return err
	}
	if a.users != nil {
		a.watchFile("HMA_CLIENT_USERS_FILE", a.users.Reload, string(c.ClientUsersFile))
	}
	if a.keyPair, err = listener.NewKeyPair(c); err != nil {
		return err
	}
	if a.keyPair != nil {
		a.watchFile("HMA_TLS_CERT_FILE", a.keyPair.Reload, string(c.TLSCertFile), string(c.TLSKeyFile))
	}
	return nil
}

func (a *app) watchFile(variable string, load func() (bool, error), paths ...string) {
	a.files = append(a.files, filewatch.New(filewatch.Config{Variable: variable, Paths: paths, Load: load, Log: a.log}))
}

// watchFiles reloads changed files until ctx ends.
func (a *app) watchFiles(ctx context.Context, background *sync.WaitGroup) {
	for _, f := range a.files {
		background.Go(func() { f.Run(ctx) })
	}
}

// fileErr returns why the files of a variable are not in force, nil when they
// are.
func (a *app) fileErr(variable string) error {
	for _, f := range a.files {
		if f.Variable() == variable {
			return f.Err()
		}
	}
	return nil
}

// reloadOnRequest reloads at every value of Options.Reload until ctx ends.
func (a *app) reloadOnRequest(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.o.Reload:
			if !a.draining.Load() {
				a.reporter.Reload(func() { a.reload(ctx) })
			}
		}
	}
}

// reload reads at once everything that is reloaded while the product runs: the
// files of the allow-list, the client users and the TLS key pair, and the
// certificate with the secret or password that opens it.
func (a *app) reload(ctx context.Context) {
	a.log.Info("reloading files and certificates; settings need a restart")
	for _, f := range a.files {
		f.Reload(ctx)
	}
	a.keeper.Reload()
}
