package main

import (
	"context"
	"path/filepath"
)

// akonadi returns the scenarios with Debian's akonadi-ews, which sends no
// ExchangeImpersonation.
func akonadi() []scenario {
	task := func(name, login string, settings ...string) scenario {
		return scenario{
			name: "akonadi-ews: " + name, settings: append([]string{listed}, settings...),
			client: func(ctx context.Context, w *environment) (string, error) {
				return execute(ctx, w, []string{"env", "LOGIN=" + login, "/usr/bin/python3", filepath.Join(w.tools.programs, "akonadi_client.py"), name})
			},
		}
	}
	const defaultMailbox, loginUser = "HMA_DEFAULT_MAILBOX=" + alice, "HMA_IMPERSONATE_LOGIN_USER=true"
	return []scenario{
		task("default mailbox", "", defaultMailbox),
		task("login user", alice, loginUser).but(func(s *scenario) { s.own = []string{"login-required"} }),
		task("mailbox not listed", bob, loginUser).but(func(s *scenario) { s.own, s.most = []string{"login-required", "mailbox-not-allowed"}, 6 }),
		task("no mailbox", "").but(func(s *scenario) { s.own, s.most = []string{"no-mailbox"}, 6 }),
		task("token revoked", "", defaultMailbox).but(func(s *scenario) { s.replays = true }),
		task("busy", "", defaultMailbox),
	}
}
