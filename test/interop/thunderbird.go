package main

// thunderbird returns the scenarios with Debian's Thunderbird. Its EWS client
// uses a browser's network stack and sends no ExchangeImpersonation.
func thunderbird() []scenario {
	task := func(name string, settings ...string) scenario {
		return scenario{
			name:     "Thunderbird: " + name,
			client:   program("/usr/bin/python3", "thunderbird_client.py", name),
			settings: append([]string{listed}, settings...),
		}
	}
	const defaultMailbox, loginUser = "HMA_DEFAULT_MAILBOX=" + alice, "HMA_IMPERSONATE_LOGIN_USER=true"
	return []scenario{
		task("default mailbox", defaultMailbox),
		task("login user", loginUser).but(func(s *scenario) { s.own = []string{"login-required"} }),
		task("mailbox not listed", loginUser).but(func(s *scenario) { s.own, s.most = []string{"login-required", "mailbox-not-allowed"}, 6 }),
		task("token revoked", defaultMailbox).but(func(s *scenario) { s.replays = true }),
		task("busy", defaultMailbox),
	}
}
