package main

// davmail drives Debian's DavMail, which never says whom it acts as: the
// product takes that from the default mailbox.
func davmail() []scenario {
	task := func(name string) scenario {
		return scenario{
			name:     "DavMail: " + name,
			client:   program("/usr/bin/python3", "davmail_client.py", name),
			settings: []string{listed, "HMA_DEFAULT_MAILBOX=" + alice},
		}
	}
	return []scenario{
		task("IMAP"),
		task("SMTP"),
		task("large message"),
		task("throttled"),
	}
}
