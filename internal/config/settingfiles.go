package config

// readFiles reads the files that hold secrets, the allow-list, client users and
// trusted roots. It also checks that the certificate and key files can be read, but
// does not parse them.
func readFiles(r *rules) {
	c := r.config
	readTwin(r, "HMA_KEY_VAULT_CLIENT_SECRET", func() (err error) {
		c.VaultSecret, err = ReadSecret(r.readFile, c.VaultSecretFile)
		return err
	})
	readTwin(r, "HMA_CERT_PASSWORD", func() (err error) {
		c.CertPassword, err = ReadSecret(r.readFile, c.CertPasswordFile)
		return err
	})
	readTwin(r, "HMA_ALLOWED_MAILBOXES", func() (err error) {
		c.AllowedMailboxes, err = ReadMailboxes(r.readFile, c.AllowedMailboxesFile)
		return err
	})
	readFileOf(r, "HMA_CA_FILE", func() (err error) {
		c.CAs, err = readCertificates(r.readFile, c.CAFile)
		return err
	})
	readFileOf(r, "HMA_CLIENT_USERS_FILE", func() (err error) {
		c.ClientUsers, c.ClientUsersUnended, err = ReadClientUsers(r.readFile, c.ClientUsersFile)
		return err
	})
	for name, paths := range map[string]Paths{
		"HMA_CERT_FILE":     {c.CertFile},
		"HMA_TLS_CERT_FILE": c.TLSCertFiles,
		"HMA_TLS_KEY_FILE":  c.TLSKeyFiles,
	} {
		readFileOf(r, name, func() error {
			for i, path := range paths {
				if _, err := readContent(r.readFile, path); err != nil {
					return ofEntry(i, len(paths), err)
				}
			}
			return nil
		})
	}
}

// readTwin reads the file that the variable name_FILE points to. Setting both
// name and name_FILE is a conflict.
func readTwin(r *rules, name string, read func() error) {
	if twin := name + "_FILE"; r.given.set[name] && r.given.set[twin] {
		r.conflict(twin, []string{name}, "one of the two")
		return
	}
	readFileOf(r, name+"_FILE", read)
}

// readFileOf reads the file that a variable points to, if the variable is set.
func readFileOf(r *rules, name string, read func() error) {
	if !r.given.set[name] || !r.problems.none(name) {
		return
	}
	if err := read(); err != nil {
		r.problems.fault(name, flawOf(err))
	}
}
