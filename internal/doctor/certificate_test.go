package doctor

import (
	"strings"
	"testing"

	"hmaproxy/certsource"
	"hmaproxy/internal/config"
)

// Every code about a Windows store has a cause and a repair of its own.
func TestStoreCodesAreExplained(t *testing.T) {
	c := &config.Config{CertStore: config.CertStore{Location: "LocalMachine", Name: "My"}, CertSubject: "CN=HMA-Cert"}
	for code, want := range map[string]string{
		certsource.CodeNotInStore:     "no certificate of LocalMachine/My has this thumbprint or subject",
		certsource.CodeNoStore:        "the store LocalMachine/My does not exist",
		certsource.CodeKeyAccess:      "may not read the private key",
		certsource.CodeLegacyKey:      "legacy provider (CSP)",
		certsource.CodeKeyPrompts:     "asks a person for consent",
		certsource.CodeNoPrivateKey:   "without its private key",
		certsource.CodeStoreFailed:    "Windows failed to open",
		certsource.CodeExpired:        "has expired",
		certsource.CodeNotRSA:         "wrong type (not RSA)",
		certsource.CodeNegativeSerial: "negative serial number",
		certsource.CodeNotFIPS:        "FIPS 140-3 is enforced",
		certsource.CodeBlocked:        "does not respond",
	} {
		f := &facts{config: c}
		f.names = names{"{store}", c.CertStore.String(), "{cert-file}", "", "{issue}", "issue a certificate", "{register}", "register it"}
		r := explainCertificate(f, &certsource.Error{Op: "read store", Code: code, Remedy: "do this"})
		if !strings.Contains(r.Cause, want) || len(r.Repair) == 0 || strings.Contains(strings.Join(r.Repair, r.Cause), "{") {
			t.Errorf("%s: cause %q, repair %q", code, r.Cause, r.Repair)
		}
	}
}
