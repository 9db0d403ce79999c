package main

// exchangelib drives Debian's python3-exchangelib. Auth type and version are
// pinned, as docs/clients.md says, but for the scenario that shows what the
// library finds by itself.
func exchangelib() []scenario {
	task := func(name string) scenario {
		return scenario{
			name:     "exchangelib: " + name,
			client:   program("/usr/bin/python3", "exchangelib_client.py", name),
			settings: []string{listed},
		}
	}
	with := func(s scenario, change func(*scenario)) scenario { change(&s); return s }
	return []scenario{
		task("folders"),
		task("items"),
		task("send"),
		with(task("items"), func(s *scenario) { s.name, s.settings = s.name+", scope targets", append(s.settings, targets) }),
		with(task("send"), func(s *scenario) { s.name, s.settings = s.name+", scope targets", append(s.settings, targets) }),
		with(task("large attachment"), func(s *scenario) { s.gzip = true }),
		task("sync"),
		task("pull notifications"),
		task("streaming notifications"),
		task("16 threads"),
		with(task("16 threads, token revoked"), func(s *scenario) { s.replays = true }),
		with(task("free/busy and names"), func(s *scenario) { s.settings = append(s.settings, "HMA_DEFAULT_MAILBOX="+alice) }),
		with(task("nothing pinned"), func(s *scenario) { s.settings = append(s.settings, "HMA_DEFAULT_MAILBOX="+alice) }),
		with(task("delegate, default mailbox"), func(s *scenario) { s.settings = append(s.settings, "HMA_DEFAULT_MAILBOX="+alice) }),
		task("Basic credentials"),
		with(task("mailbox not listed"), func(s *scenario) { s.own, s.most = []string{"mailbox-not-allowed"}, 2 }),
		with(task("token revoked"), func(s *scenario) { s.replays = true }),
		task("Entra down"),
		with(task("token revoked while Entra is down"), func(s *scenario) { s.own, s.replays = []string{"upstream-401", "no-token"}, true }),
		task("throttled"),
		with(task("load balancer's errors"), func(s *scenario) { s.own, s.broken = []string{"upstream-502", "upstream-504", "upstream-429"}, true }),
		with(task("no token yet"), func(s *scenario) { s.cold, s.own = true, []string{"no-token"} }),
		with(task("affinity"), func(s *scenario) { s.before = strictAffinity }),
		with(task("client users"), func(s *scenario) {
			s.settings = []string{"HMA_CLIENT_USERS_FILE=$DIR/users"}
			s.own = []string{"credentials", "mailbox-not-allowed"}
		}),
	}
}
