package config

import (
	"strings"

	"hmaproxy/internal/lazyregexp"
)

// A CertStore is a Windows certificate store: "LocalMachine/My".
type CertStore struct {
	Location string // "LocalMachine" or "CurrentUser"
	Name     string // "My"
}

// UnmarshalText parses the name of a store. It accepts the forms of PowerShell,
// Cert:\LocalMachine\My, and of certutil.
func (c *CertStore) UnmarshalText(text []byte) error {
	s := strings.ReplaceAll(string(text), `\`, "/")
	if len(s) > 5 && strings.EqualFold(s[:5], "cert:") {
		s = strings.TrimPrefix(s[5:], "/")
	}
	location, name, ok := strings.Cut(s, "/")
	for _, known := range []string{"LocalMachine", "CurrentUser"} {
		if ok && strings.EqualFold(location, known) && len(name) <= maxStoreName && storeName().MatchString(name) {
			*c = CertStore{known, name}
			return nil
		}
	}
	return flaw("is not a certificate store; expected LocalMachine/My or CurrentUser/My")
}

// String returns the name in the form that UnmarshalText reads, or "" for the
// zero value.
func (c CertStore) String() string {
	if c == (CertStore{}) {
		return ""
	}
	return c.Location + "/" + c.Name
}

// A Thumbprint is the SHA-1 of a certificate, in 40 upper-case hexadecimal digits.
type Thumbprint string

// UnmarshalText parses a thumbprint. It ignores blanks and colons, which other
// programs write between the digits.
func (t *Thumbprint) UnmarshalText(text []byte) error {
	s := strings.NewReplacer(" ", "", ":", "").Replace(string(text))
	switch {
	case thumbprint().MatchString(s):
		*t = Thumbprint(strings.ToUpper(s))
		return nil
	case len(s) == 64 && hexadecimal().MatchString(s):
		return flaw("is a SHA-256 thumbprint; expected the SHA-1 thumbprint, 40 hexadecimal digits, which Windows shows")
	case strings.ContainsFunc(s, func(r rune) bool { return r > '~' }):
		return flaw("holds an invisible character, as a thumbprint has that was copied from the certificate console; type its first digit by hand")
	}
	return flaw("is not a thumbprint; expected 40 hexadecimal digits")
}

// A Subject is the distinguished name of a certificate: "CN=HMA-Cert".
type Subject string

// UnmarshalText checks that the text begins with an attribute such as CN=.
func (s *Subject) UnmarshalText(text []byte) error {
	if !distinguishedName().Match(text) {
		return flaw("is not a distinguished name; expected one such as CN=HMA-Cert")
	}
	*s = Subject(text)
	return nil
}

var (
	storeName         = lazyregexp.New(`^[A-Za-z0-9 _.-]+$`)
	thumbprint        = lazyregexp.New(`^[0-9A-Fa-f]{40}$`)
	hexadecimal       = lazyregexp.New(`^[0-9A-Fa-f]+$`)
	distinguishedName = lazyregexp.New(`^[A-Za-z.0-9]+=.+$`)
)
