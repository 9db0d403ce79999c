package config

import (
	"net/url"
	"slices"
	"strings"

	"hmaproxy/proxy/policy"
)

// readFiles reads the files of the _FILE variables and of HMA_CA_FILE, and checks
// that the files which other packages read exist.
func (l *loader) readFiles() {
	c := &l.config
	l.twin("HMA_KEY_VAULT_CLIENT_SECRET", func() (err error) {
		c.VaultSecret, err = ReadSecret(l.readFile, c.VaultSecretFile)
		return err
	})
	l.twin("HMA_CERT_PASSWORD", func() (err error) {
		c.CertPassword, err = ReadSecret(l.readFile, c.CertPasswordFile)
		return err
	})
	l.twin("HMA_ALLOWED_MAILBOXES", func() (err error) {
		c.AllowedMailboxes, err = ReadMailboxes(l.readFile, c.AllowedMailboxesFile)
		return err
	})
	l.file("HMA_CA_FILE", func() (err error) {
		c.CAs, err = readCertificates(l.readFile, c.CAFile)
		return err
	})
	l.file("HMA_CLIENT_USERS_FILE", func() (err error) {
		c.ClientUsers, err = ReadClientUsers(l.readFile, c.ClientUsersFile)
		return err
	})
	for name, path := range map[string]Path{
		"HMA_CERT_FILE":     c.CertFile,
		"HMA_TLS_CERT_FILE": c.TLSCertFile,
		"HMA_TLS_KEY_FILE":  c.TLSKeyFile,
	} {
		l.file(name, func() error {
			_, err := readContent(l.readFile, path)
			return err
		})
	}
}

// twin reads the file of name's _FILE twin, unless both are set.
func (l *loader) twin(name string, read func() error) {
	if l.set[name] && l.set[name+"_FILE"] {
		l.fault(name+"_FILE", "is set together with "+name+"; expected one of the two")
		return
	}
	l.file(name+"_FILE", read)
}

// file reads the file that a variable points to, when it does.
func (l *loader) file(name string, read func() error) {
	if !l.set[name] || !l.good(name) {
		return
	}
	if err := read(); err != nil {
		l.fault(name, flawOf(err))
	}
}

// check looks at the variables together.
func (l *loader) check() {
	l.checkSource()
	l.checkVaultAuth()
	l.checkCertFile()
	l.checkFIPS()
	l.checkListeners()
	l.checkTLS()
	l.checkList()
}

// checkSource makes sure that there is exactly one source of the certificate, or
// none with a federated credential.
func (l *loader) checkSource() {
	if !l.good("HMA_APP_AUTH") {
		return
	}
	if l.config.Federated() {
		l.checkFederated()
		return
	}
	l.refuse("with HMA_APP_AUTH=certificate", "HMA_APP_IDENTITY_ID")
	vault, store := l.vaultVariables(), l.storeVariables()
	switch {
	case l.set["HMA_CERT_FILE"]:
		if others := append(vault, store...); len(others) > 0 {
			l.fault("HMA_CERT_FILE", "is set together with "+strings.Join(others, ", ")+"; expected one source of the certificate")
		}
	case len(store) > 0:
		if len(vault) > 0 {
			l.fault(store[0], "is set together with "+strings.Join(vault, ", ")+"; expected one source of the certificate")
		}
		l.checkStore()
	case len(vault) == 0:
		l.fault("HMA_KEY_VAULT_URI", "is not set, and neither is HMA_CERT_FILE or HMA_CERT_STORE; expected one source of the certificate: HMA_KEY_VAULT_URI and HMA_KEY_VAULT_CERT_NAME, HMA_CERT_FILE, or HMA_CERT_STORE")
	default:
		l.need("HMA_KEY_VAULT_URI", "for a certificate from Key Vault")
		l.need("HMA_KEY_VAULT_CERT_NAME", "for a certificate from Key Vault")
	}
}

// checkFederated checks the settings of a federated credential.
func (l *loader) checkFederated() {
	with := "with HMA_APP_AUTH=" + string(l.config.AppAuth)
	l.refuse(with+", which replaces the certificate", append(append(l.vaultVariables(), l.storeVariables()...), "HMA_CERT_FILE", "HMA_CERT_POLL_INTERVAL")...)
	if l.config.AppAuth == AppWorkload {
		l.refuse(with, "HMA_APP_IDENTITY_ID")
		l.need("AZURE_FEDERATED_TOKEN_FILE", with+" (the pod's label azure.workload.identity/use: \"true\" makes Azure's webhook set it)")
	}
}

// checkStore checks the settings of a certificate in a Windows store.
func (l *loader) checkStore() {
	if l.platform.system != "windows" {
		l.fault(l.storeVariables()[0], "names a Windows certificate store, and this is not Windows; expected HMA_CERT_FILE, or a certificate from Key Vault")
		return
	}
	l.need("HMA_CERT_STORE", "with HMA_CERT_THUMBPRINT or HMA_CERT_SUBJECT")
	switch thumbprint, subject := l.set["HMA_CERT_THUMBPRINT"], l.set["HMA_CERT_SUBJECT"]; {
	case thumbprint && subject:
		l.fault("HMA_CERT_SUBJECT", "is set together with HMA_CERT_THUMBPRINT; expected one of the two")
	case !thumbprint && !subject:
		l.need("HMA_CERT_SUBJECT", "(or HMA_CERT_THUMBPRINT) with HMA_CERT_STORE")
	}
	if l.config.KeyMode == KeyVault {
		l.fault("HMA_KEY_MODE", "asks for signatures inside Key Vault, and HMA_CERT_STORE leaves the key in Windows; expected memory, or a certificate from Key Vault")
	}
}

// storeVariables returns the variables of a Windows store that are set.
func (l *loader) storeVariables() []string {
	var names []string
	for _, name := range []string{"HMA_CERT_STORE", "HMA_CERT_THUMBPRINT", "HMA_CERT_SUBJECT"} {
		if l.set[name] {
			names = append(names, name)
		}
	}
	return names
}

// vaultVariables returns the Key Vault variables that are set.
func (l *loader) vaultVariables() []string {
	var names []string
	for _, v := range l.variables {
		if l.set[v.name] && strings.HasPrefix(v.name, "HMA_KEY_VAULT_") {
			names = append(names, v.name)
		}
	}
	return names
}

// need reports a variable that is not set and that another variable requires.
func (l *loader) need(name, why string) {
	if l.set[name] {
		return
	}
	i := slices.IndexFunc(l.variables, func(v variable) bool { return v.name == name })
	l.fault(name, "is not set and is required "+why+"; expected "+l.variables[i].form+l.bareNameHint(name))
}

// refuse reports variables that are set and would have no effect.
func (l *loader) refuse(why string, names ...string) {
	for _, name := range names {
		if l.set[name] {
			l.report(Problem{Variable: name, Text: "has no effect " + why + "; remove it", Needless: true})
		}
	}
}

// checkVaultAuth makes sure that the credentials are those that the chosen way
// to sign in needs.
func (l *loader) checkVaultAuth() {
	if len(l.vaultVariables()) == 0 || l.set["HMA_CERT_FILE"] || l.config.Federated() || len(l.storeVariables()) > 0 || !l.good("HMA_KEY_VAULT_AUTH") {
		return
	}
	auth := l.config.VaultAuth
	if auth == AuthSecret {
		l.need("HMA_KEY_VAULT_APP_ID", "with HMA_KEY_VAULT_AUTH=secret")
		if !l.set["HMA_KEY_VAULT_CLIENT_SECRET_FILE"] {
			l.need("HMA_KEY_VAULT_CLIENT_SECRET", "(or its _FILE twin) with HMA_KEY_VAULT_AUTH=secret")
		}
		return
	}
	with := "with HMA_KEY_VAULT_AUTH=" + string(auth)
	l.refuse(with, "HMA_KEY_VAULT_CLIENT_SECRET", "HMA_KEY_VAULT_CLIENT_SECRET_FILE")
	if auth == AuthDefault {
		l.refuse(with, "HMA_KEY_VAULT_APP_ID")
	}
}

func (l *loader) checkCertFile() {
	if !l.set["HMA_CERT_FILE"] {
		l.refuse("without HMA_CERT_FILE", "HMA_CERT_PASSWORD", "HMA_CERT_PASSWORD_FILE")
	} else if l.config.KeyMode == KeyVault {
		l.fault("HMA_KEY_MODE", "asks for signatures inside Key Vault, and HMA_CERT_FILE takes the key from a file; expected memory, or a certificate from Key Vault")
	}
}

// checkFIPS refuses what FIPS 140-3 does not permit, when it is enforced.
func (l *loader) checkFIPS() {
	if l.platform.fips && l.set["HMA_CLIENT_USERS_FILE"] {
		l.fault("HMA_CLIENT_USERS_FILE", "needs bcrypt, which FIPS 140-3 does not permit, and GODEBUG=fips140=only enforces it; remove it, and let a Unix socket in HMA_LISTEN say who may connect")
	}
}

// checkListeners refuses listeners beyond loopback, unless they are permitted and
// clients authenticate.
func (l *loader) checkListeners() {
	c := &l.config
	if l.good("HMA_UNSAFE_LISTEN_ANY") && c.UnsafeListenAny {
		l.need("HMA_CLIENT_USERS_FILE", "with HMA_UNSAFE_LISTEN_ANY=true")
	} else if slices.ContainsFunc(c.Listen, func(x Listener) bool { return !x.Local() }) {
		l.fault("HMA_LISTEN", "leaves loopback, where anyone on the network could open mailboxes; expected 127.0.0.1, [::1], localhost or unix:/path, or HMA_UNSAFE_LISTEN_ANY=true together with HMA_CLIENT_USERS_FILE")
	}
	if l.good("HMA_LISTEN", "HMA_ADMIN_LISTEN") && !c.Admin.Off() && c.Listen.has(Listener{TCP: c.Admin.AddrPort}) {
		l.fault("HMA_ADMIN_LISTEN", "is an address of HMA_LISTEN too; expected another port, or off")
	}
}

func (l *loader) checkTLS() {
	if !l.set["HMA_TLS_CERT_FILE"] && !l.set["HMA_TLS_KEY_FILE"] {
		return
	}
	l.need("HMA_TLS_CERT_FILE", "with HMA_TLS_KEY_FILE")
	l.need("HMA_TLS_KEY_FILE", "with HMA_TLS_CERT_FILE")
	c := &l.config
	if l.good("HMA_LISTEN") && !slices.ContainsFunc(c.Listen, func(x Listener) bool { return x.Unix == "" }) {
		l.refuse("while HMA_LISTEN names Unix sockets alone", "HMA_TLS_CERT_FILE", "HMA_TLS_KEY_FILE")
	}
	if !l.good("HMA_TLS_CERT_FILE", "HMA_TLS_KEY_FILE") {
		return
	}
	if _, err := ReadKeyPair(l.readFile, c.TLSCertFile, c.TLSKeyFile); err != nil {
		l.fault("HMA_TLS_CERT_FILE", flawOf(err))
	}
}

// checkList reports settings of an allow-list that is not there, and makes sure
// that the default mailbox passes the one that is.
func (l *loader) checkList() {
	l.checkGroups()
	if !l.good("HMA_ALLOWED_MAILBOXES", "HMA_ALLOWED_MAILBOXES_FILE", "HMA_CLIENT_USERS_FILE", "HMA_ALLOWED_GROUPS") {
		return
	}
	if l.config.Allowed() == nil {
		for _, name := range []string{"HMA_ALLOW_LIST_MODE", "HMA_ALLOW_LIST_SCOPE", "HMA_ALLOW_LIST_ADDRESSES", "HMA_ALLOW_LIST_IDS", "HMA_ALLOWED_OPERATIONS"} {
			if l.set[name] {
				l.fault(name, "needs an allow-list"+l.everyHint()+"; set HMA_ALLOWED_MAILBOXES or HMA_ALLOWED_MAILBOXES_FILE"+l.patternsRemedy()+", or remove it")
			}
		}
		return
	}
	if c := &l.config; c.ListIDs == StrictIDs && l.good("HMA_ALLOW_LIST_SCOPE") {
		if _, err := policy.New(policy.Config{Allowed: c.Allowed(), Targets: c.ListScope == Targets, StrictIDs: true}); err != nil {
			l.fault("HMA_ALLOW_LIST_IDS", "is strict, which needs HMA_ALLOW_LIST_SCOPE=targets and an entry of the allow-list that begins with guid:")
		}
	}
	if l.set["HMA_DEFAULT_MAILBOX"] && l.good("HMA_DEFAULT_MAILBOX") && !l.set["HMA_ALLOWED_GROUPS"] && !l.listed() {
		l.fault("HMA_DEFAULT_MAILBOX", "is not on the allow-list; expected a mailbox that it allows")
	}
}

// checkGroups checks the settings of groups, and completes the mailbox to act as.
func (l *loader) checkGroups() {
	c := &l.config
	if !l.set["HMA_ALLOWED_GROUPS"] {
		if l.set["HMA_ALLOWED_GROUPS_AS"] {
			l.fault("HMA_ALLOWED_GROUPS_AS", "needs HMA_ALLOWED_GROUPS; set that, or remove it")
		}
		return
	}
	if l.every {
		l.fault("HMA_ALLOWED_GROUPS", "cannot narrow HMA_ALLOWED_MAILBOXES=*, which allows every mailbox; remove one of the two")
	}
	if !l.set["HMA_ALLOWED_GROUPS_AS"] {
		c.AllowedGroupsAs = c.DefaultMailbox
	}
	if l.good("HMA_ALLOWED_GROUPS_AS", "HMA_DEFAULT_MAILBOX") && c.AllowedGroupsAs == "" {
		l.fault("HMA_ALLOWED_GROUPS", "needs a mailbox to act as; set HMA_ALLOWED_GROUPS_AS or HMA_DEFAULT_MAILBOX")
	}
}

// everyHint says why there is no list where HMA_ALLOWED_MAILBOXES is set.
func (l *loader) everyHint() string {
	if l.every {
		return ", which HMA_ALLOWED_MAILBOXES=* is not"
	}
	return ""
}

// patternsRemedy is the remedy where there are users, some of them without a
// list of their own.
func (l *loader) patternsRemedy() string {
	if l.config.ClientUsers == nil {
		return ""
	}
	return ", or give every user in HMA_CLIENT_USERS_FILE mailbox patterns"
}

// listed reports whether the allow-list allows the default mailbox, by the decision
// that requests will get.
func (l *loader) listed() bool {
	list, err := policy.New(policy.Config{Allowed: l.config.Allowed()})
	return err == nil && list.Allows(string(l.config.DefaultMailbox))
}

// bareHost returns the host of a URL without its port, an IPv6 address in
// brackets.
func bareHost(u *url.URL) string {
	return strings.TrimSuffix(u.Host, ":"+u.Port())
}
