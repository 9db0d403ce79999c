package main

// exchangelib returns the scenarios with Debian's python3-exchangelib. Auth
// type and version are configured, as docs/clients.md recommends, except in the
// scenario in which the library detects them.
func exchangelib() []scenario {
	task := func(name string) scenario {
		return scenario{
			name:     "exchangelib: " + name,
			client:   program("/usr/bin/python3", "exchangelib_client.py", name),
			settings: []string{listed},
		}
	}
	return []scenario{
		task("folders"),
		task("items"),
		task("send"),
		task("items").but(func(s *scenario) { s.name, s.settings = s.name+", scope targets", append(s.settings, targets) }),
		task("send").but(func(s *scenario) { s.name, s.settings = s.name+", scope targets", append(s.settings, targets) }),
		strictIDs(task("folders")),
		strictIDs(task("items")),
		strictIDs(task("send")),
		strictIDs(task("sync")),
		strictIDs(task("pull notifications")),
		strictIDs(task("streaming notifications")),
		task("large attachment").but(func(s *scenario) { s.gzip = true }),
		task("sync"),
		task("pull notifications"),
		task("streaming notifications"),
		task("16 threads"),
		task("16 threads, token revoked").but(func(s *scenario) { s.replays = true }),
		task("free/busy and names").but(func(s *scenario) { s.settings = append(s.settings, "HMA_DEFAULT_MAILBOX="+alice) }),
		task("nothing pinned").but(func(s *scenario) { s.settings = append(s.settings, "HMA_DEFAULT_MAILBOX="+alice) }),
		task("delegate, default mailbox").but(func(s *scenario) { s.settings = append(s.settings, "HMA_DEFAULT_MAILBOX="+alice) }),
		task("Basic credentials"),
		task("mailbox not listed").but(func(s *scenario) { s.own, s.most = []string{"mailbox-not-allowed"}, 2 }),
		task("token revoked").but(func(s *scenario) { s.replays = true }),
		task("Entra down"),
		task("token revoked while Entra is down").but(func(s *scenario) { s.own, s.replays = []string{"upstream-401", "no-token"}, true }),
		task("throttled").but(func(s *scenario) { s.own, s.broken = []string{"upstream-not-ews"}, true }), // one of Exchange's refusals is a 503 without SOAP
		task("load balancer's errors").but(func(s *scenario) { s.own, s.broken = []string{"upstream-502", "upstream-504", "upstream-429"}, true }),
		task("no token yet").but(func(s *scenario) { s.cold, s.own = true, []string{"no-token"} }),
		task("affinity").but(func(s *scenario) { s.before = strictAffinity }),
		task("client users").but(func(s *scenario) {
			s.settings = []string{"HMA_CLIENT_USERS_FILE=$DIR/users"}
			s.own = []string{"credentials", "mailbox-not-allowed"}
		}),
	}
}
