package main

// davmail returns the scenarios with Debian's DavMail, which sends no
// ExchangeImpersonation: the product adds the default mailbox or the login
// user.
func davmail() []scenario {
	task := func(name string) scenario {
		return scenario{
			name:     "DavMail: " + name,
			client:   program("/usr/bin/python3", "davmail_client.py", name),
			settings: []string{listed, "HMA_DEFAULT_MAILBOX=" + alice},
		}
	}
	// To learn the address of its user, DavMail sends a request that names the
	// invented mailbox blah@blah.com. With the scope "targets", hmaproxy checks
	// this mailbox too, so it must be on the allow-list.
	wide := task("IMAP")
	wide.name += ", scope targets"
	wide.settings = []string{listed + ",blah@blah.com", "HMA_DEFAULT_MAILBOX=" + alice, targets}
	named := func(name string) scenario {
		s := task(name)
		s.name += ", login user"
		s.settings = []string{listed, "HMA_IMPERSONATE_LOGIN_USER=true"}
		s.own = []string{"login-required", "mailbox-not-allowed"}
		return s
	}
	users := task("IMAP, client users")
	users.settings, users.own = []string{"HMA_CLIENT_USERS_FILE=$DIR/users", "HMA_DEFAULT_MAILBOX=" + alice}, []string{"credentials"}
	own := task("IMAP")
	own.name += ", client users, login user"
	own.settings, own.own = []string{"HMA_CLIENT_USERS_FILE=$DIR/users", "HMA_IMPERSONATE_LOGIN_USER=true"}, []string{"credentials"}
	// When a device in front of Exchange refuses a mail, the mail must not be
	// lost, and DavMail must not repeat the request endlessly.
	behind := func(device string) scenario {
		s := task("large mail behind a device")
		s.name += ", " + device
		s.device = device
		return s
	}
	failing := func(name string, most int) scenario {
		s := task(name)
		s.own, s.broken, s.most = []string{"upstream-not-ews"}, true, most
		return s
	}
	revoked := task("token revoked")
	revoked.replays = true
	return []scenario{
		behind("expect-417"),
		behind("expect-501-kemp"),
		behind("expect-swallowed"),
		failing("IMAP, sign-in page", 4),
		failing("SMTP, sign-in page", 4),
		failing("IMAP, empty response", 4).but(func(s *scenario) { s.slow = true }),
		failing("IMAP, too large for the device", 4),
		revoked,
		own,
		wide,
		named("IMAP"),
		named("mailbox not listed"),
		users,
		task("IMAP"),
		task("SMTP"),
		task("large message"),
		task("throttled"),
	}
}
