package config

import (
	"crypto/tls"
	"slices"
	"strings"
)

// rules is the input of the checks that concern several settings together.
type rules struct {
	platform platform
	readFile func(string) ([]byte, error)
	given    environment
	config   *Config
	problems *problemList
}

// check checks the settings together. It checks the source of the certificate
// before it reads files. In this order, a file setting that must not be set is
// reported as such even if its file does not exist.
func (r *rules) check() {
	checkSource(r)
	checkVaultAuth(r)
	checkCertFile(r)
	readFiles(r)
	checkFIPS(r)
	checkListeners(r)
	checkTLS(r)
	checkAutodiscover(r)
	checkList(r)
}

// need reports a problem if the variable called name is not set. why says which
// other variable requires it.
func (r *rules) need(name, why string) {
	if !r.given.set[name] {
		r.problems.fault(name, "is not set and is required "+why+"; expected "+variableNamed(name).form+r.given.bareNameHint(name))
	}
}

// refuse reports those of the named variables that are set, because they would have no
// effect. why is the reason, such as "with HMA_APP_AUTH=certificate".
func (r *rules) refuse(why string, names ...string) {
	for _, name := range names {
		if r.given.set[name] {
			r.problems.add(Problem{Variable: name, Text: "has no effect " + why + "; remove it", Repair: "remove " + name})
		}
	}
}

// conflict reports that the variable called name is set together with other
// variables, which exclude it. expected says what to set instead.
func (r *rules) conflict(name string, others []string, expected string) {
	list := strings.Join(others, ", ")
	r.problems.add(Problem{
		Variable: name, Text: "is set together with " + list + "; expected " + expected,
		Repair: "remove " + name + ", or remove " + list,
	})
}

// checkFIPS refuses settings that FIPS 140-3 does not permit, if FIPS 140-3 is
// enforced.
func checkFIPS(r *rules) {
	if r.platform.fips && r.given.set["HMA_CLIENT_USERS_FILE"] {
		r.problems.fault("HMA_CLIENT_USERS_FILE", "needs bcrypt, which FIPS 140-3 does not permit, and GODEBUG=fips140=only enforces it; remove it, and let a Unix socket in HMA_LISTEN say who may connect")
	}
}

// checkListeners refuses listeners beyond loopback unless they are explicitly
// permitted and clients authenticate. It also refuses an admin address that is in
// HMA_LISTEN.
func checkListeners(r *rules) {
	c := r.config
	if r.problems.none("HMA_UNSAFE_LISTEN_ANY") && c.UnsafeListenAny {
		r.need("HMA_CLIENT_USERS_FILE", "with HMA_UNSAFE_LISTEN_ANY=true")
	} else if slices.ContainsFunc(c.Listen, func(x Listener) bool { return !x.Local() }) {
		r.problems.fault("HMA_LISTEN", "leaves loopback, where anyone on the network could open mailboxes; expected 127.0.0.1, [::1], localhost or unix:/path, or HMA_UNSAFE_LISTEN_ANY=true together with HMA_CLIENT_USERS_FILE")
	}
	if r.problems.none("HMA_LISTEN", "HMA_ADMIN_LISTEN") && !c.Admin.Off() && c.Listen.has(Listener{TCP: c.Admin.AddrPort}) {
		r.problems.fault("HMA_ADMIN_LISTEN", "is an address of HMA_LISTEN too; expected another port, or off")
	}
}

func checkTLS(r *rules) {
	if !r.given.set["HMA_TLS_CERT_FILE"] && !r.given.set["HMA_TLS_KEY_FILE"] {
		return
	}
	r.need("HMA_TLS_CERT_FILE", "with HMA_TLS_KEY_FILE")
	r.need("HMA_TLS_KEY_FILE", "with HMA_TLS_CERT_FILE")
	c := r.config
	if r.problems.none("HMA_LISTEN") && !slices.ContainsFunc(c.Listen, func(x Listener) bool { return x.Unix == "" }) {
		r.refuse("while HMA_LISTEN names Unix sockets alone", "HMA_TLS_CERT_FILE", "HMA_TLS_KEY_FILE")
	}
	if !r.problems.none("HMA_TLS_CERT_FILE", "HMA_TLS_KEY_FILE") {
		return
	}
	pairs, err := ReadKeyPairs(r.readFile, c.TLSCertFiles, c.TLSKeyFiles)
	if err != nil {
		r.problems.fault("HMA_TLS_CERT_FILE", flawOf(err))
		return
	}
	c.uncovered = slices.ContainsFunc(c.HostNames, func(name string) bool { return !covered(name, pairs) })
}

// covered reports whether one of the certificates is valid for a name.
func covered(name string, pairs []tls.Certificate) bool {
	return slices.ContainsFunc(pairs, func(pair tls.Certificate) bool { return pair.Leaf.VerifyHostname(name) == nil })
}
