package main

import (
	"context"
	"path/filepath"
)

// evolution returns the scenarios with Debian's evolution-ews, with and without
// its own impersonation.
func evolution() []scenario {
	task := func(name, mailbox string, settings ...string) scenario {
		return scenario{
			name: "evolution-ews: " + name, settings: append([]string{listed}, settings...),
			client: func(ctx context.Context, w *environment) (string, error) {
				return execute(ctx, w, []string{"env", "IMPERSONATE=" + mailbox, "/usr/bin/python3", filepath.Join(w.tools.programs, "evolution_client.py"), name})
			},
		}
	}
	return []scenario{
		task("mailbox named", alice),
		task("default mailbox", "", "HMA_DEFAULT_MAILBOX="+alice),
		task("mailbox not listed", bob).but(func(s *scenario) { s.own, s.most = []string{"mailbox-not-allowed"}, 6 }),
		task("token revoked", alice).but(func(s *scenario) { s.replays = true }),
		task("busy", alice),
	}
}
