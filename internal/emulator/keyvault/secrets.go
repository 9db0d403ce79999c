package keyvault

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"hmaproxy/internal/emulator/pki"
	"hmaproxy/internal/emulator/service"
)

// Secrets holds the secrets of a vault, each with its versions. It is safe for
// concurrent use.
type Secrets struct {
	now func() time.Time

	mu       sync.Mutex
	versions map[string][]*secretVersion // by lower-case name, oldest first
	previous bool
}

// A secretVersion is a version of a plain secret or of the secret of a certificate.
type secretVersion struct {
	name, id         string
	value            string // value of a plain secret
	contentType      string
	cert             *pki.Certificate
	disabled         bool
	created, updated time.Time
}

// Upload adds the certificate as the newest version under the name, and returns the
// version's identifier.
func (s *Secrets) Upload(name string, c *pki.Certificate) string {
	return s.add(&secretVersion{name: name, cert: c})
}

// PutSecret adds a plain secret as the newest version under the name, and
// returns the version's identifier.
func (s *Secrets) PutSecret(name, value, contentType string) string {
	return s.add(&secretVersion{name: name, value: value, contentType: contentType})
}

func (s *Secrets) add(v *secretVersion) string {
	v.id, v.created = service.RandomHex(16), s.now()
	v.updated = v.created
	s.mu.Lock()
	defer s.mu.Unlock()
	key := strings.ToLower(v.name)
	s.versions[key] = append(s.versions[key], v)
	return v.id
}

// SetEnabled enables or disables a version. As in Azure, a request for the
// newest version then fails if that version is disabled.
func (s *Secrets) SetEnabled(version string, enabled bool) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, versions := range s.versions {
		for _, v := range versions {
			if v.id == version {
				v.disabled, v.updated = !enabled, now
			}
		}
	}
}

// Disable disables a version.
func (s *Secrets) Disable(version string) { s.SetEnabled(version, false) }

// Delete removes a secret with all its versions.
func (s *Secrets) Delete(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.versions, strings.ToLower(name))
}

// Versions returns the identifiers under a name, oldest first.
func (s *Secrets) Versions(name string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, v := range s.versions[strings.ToLower(name)] {
		ids = append(ids, v.id)
	}
	return ids
}

// SetPreviousVersion chooses whether a certificate's secret names the previous
// version, as for certificates made since the middle of 2025. The default is false.
func (s *Secrets) SetPreviousVersion(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.previous = on
}

// find returns the version with the identifier id, or the newest version if id is
// "". The result "before" is the identifier of the previous version, or "" if the
// vault does not report that version.
func (s *Secrets) find(name, id string) (found *secretVersion, before string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	versions := s.versions[strings.ToLower(name)]
	i := len(versions) - 1
	if id != "" {
		i = slices.IndexFunc(versions, func(v *secretVersion) bool { return v.id == id })
	}
	if i < 0 {
		return nil, ""
	}
	if i > 0 && s.previous {
		before = versions[i-1].id
	}
	v := *versions[i]
	return &v, before
}

// render returns the secret's value. Like Key Vault, it converts PFX to PEM if
// out, the requested content type, is PEM.
func (v *secretVersion) render(out string) (value, contentType string, err error) {
	if v.cert == nil {
		return v.value, v.contentType, nil
	}
	format := v.cert.Format()
	if out == "application/x-pem-file" && format == pki.PFX {
		format = pki.PEM
	}
	return v.cert.Secret(format)
}

// attributes returns a secret without its value and content type. Unlike nbf
// and exp of keys, nbf and exp of a secret are informational: the vault serves
// an expired secret.
func (v *secretVersion) attributes(vault string) map[string]any {
	a := map[string]any{
		"enabled": !v.disabled, "created": v.created.Unix(), "updated": v.updated.Unix(),
		"recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90,
	}
	bundle := map[string]any{"id": v.url(vault, "secrets"), "attributes": a}
	if v.cert != nil {
		a["nbf"], a["exp"] = v.cert.Leaf.NotBefore.Unix(), v.cert.Leaf.NotAfter.Unix()
		bundle["managed"], bundle["kid"] = true, v.url(vault, "keys")
	}
	return bundle
}

func (v *secretVersion) url(vault, collection string) string {
	return fmt.Sprintf("%s/%s/%s/%s", vault, collection, v.name, v.id)
}
