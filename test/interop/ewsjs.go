package main

import "hmaproxy/internal/emulator"

// ewsjs returns the scenarios with ews-javascript-api of npm. This client sends
// Basic credentials with every request, without waiting for a challenge.
func ewsjs() []scenario {
	task := func(name string, settings ...string) scenario {
		return scenario{
			name:     "ews-javascript-api: " + name,
			client:   program("node", "ewsjs_client.js", name),
			settings: append([]string{listed}, settings...),
		}
	}
	return []scenario{
		task("folders"),
		task("items"),
		task("send"),
		task("items", targets).but(func(s *scenario) { s.name += ", scope targets" }),
		strictIDs(task("items")),
		strictIDs(task("sync")),
		strictIDs(task("pull notifications")),
		task("large attachment").but(func(s *scenario) { s.gzip = true }),
		task("sync"),
		task("pull notifications"),
		task("streaming notifications"),
		task("affinity").but(func(s *scenario) { s.before = strictAffinity }),
		task("free/busy and names"),
		task("no mailbox named", "HMA_DEFAULT_MAILBOX="+alice).but(func(s *scenario) { s.name += ", default mailbox" }),
		task("no mailbox named").but(func(s *scenario) {
			s.name += ", login user"
			s.settings = []string{"HMA_ALLOWED_MAILBOXES=" + username, "HMA_IMPERSONATE_LOGIN_USER=true"}
			s.mailboxes = []string{username}
			s.before = func(e *emulator.Emulator) { e.Exchange().AddMailbox(emulator.Mailbox{Primary: username}) }
		}),
		task("mailbox not listed").but(func(s *scenario) { s.own, s.most = []string{"mailbox-not-allowed"}, 2 }),
		task("token revoked").but(func(s *scenario) { s.replays = true }),
		task("throttled"),
		task("16 at once"),
	}
}

func strictAffinity(e *emulator.Emulator) { e.Exchange().SetStrictAffinity(true) }
