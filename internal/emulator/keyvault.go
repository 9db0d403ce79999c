package emulator

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Permission is one thing that an application may do in the vault.
type Permission string

const (
	GetSecrets      Permission = "secrets/get"
	ListSecrets     Permission = "secrets/list"
	GetCertificates Permission = "certificates/get"
	SignKeys        Permission = "keys/sign"
)

// KeyVault is a vault with secrets, each a list of versions, and their certificates
// and keys.
type KeyVault struct {
	Service

	mu          sync.Mutex
	secrets     map[string][]*secretVersion // by lower-case name, oldest first
	permissions map[string][]Permission     // by application
	rbac        bool
	firewall    bool
	previous    bool
}

// A secretVersion is a plain secret, or one that belongs to a certificate.
type secretVersion struct {
	name, id         string
	value            string // of a plain secret
	contentType      string
	cert             *Certificate
	disabled         bool
	created, updated time.Time
}

func newKeyVault(e *Emulator) *KeyVault {
	k := &KeyVault{
		secrets: map[string][]*secretVersion{},
		permissions: map[string][]Permission{
			e.config.VaultAppID: {GetSecrets, ListSecrets, GetCertificates, SignKeys},
		},
	}
	k.name, k.public, k.nameURL = "vault", e.config.VaultURL, "https://contoso.vault.azure.net"
	k.emulator, k.respond = e, k.serve
	return k
}

// Upload adds the certificate as the newest version under the name, and returns the
// version's identifier.
func (k *KeyVault) Upload(name string, c *Certificate) string {
	return k.add(&secretVersion{name: name, cert: c})
}

// PutSecret adds a plain secret as the newest version under the name.
func (k *KeyVault) PutSecret(name, value, contentType string) string {
	return k.add(&secretVersion{name: name, value: value, contentType: contentType})
}

func (k *KeyVault) add(v *secretVersion) string {
	v.id, v.created = randomHex(16), k.now()
	v.updated = v.created
	k.mu.Lock()
	defer k.mu.Unlock()
	key := strings.ToLower(v.name)
	k.secrets[key] = append(k.secrets[key], v)
	return v.id
}

// SetEnabled enables or disables a version. As in Azure, a request for the newest
// version fails if that version is disabled.
func (k *KeyVault) SetEnabled(version string, enabled bool) {
	now := k.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, versions := range k.secrets {
		for _, v := range versions {
			if v.id == version {
				v.disabled, v.updated = !enabled, now
			}
		}
	}
}

// Disable disables a version.
func (k *KeyVault) Disable(version string) { k.SetEnabled(version, false) }

// Delete removes a secret with all its versions.
func (k *KeyVault) Delete(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.secrets, strings.ToLower(name))
}

// Versions returns the identifiers under a name, oldest first.
func (k *KeyVault) Versions(name string) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var ids []string
	for _, v := range k.secrets[strings.ToLower(name)] {
		ids = append(ids, v.id)
	}
	return ids
}

// Permit sets an application's permissions. By default the configured application
// has all of them, and others have none.
func (k *KeyVault) Permit(appID string, permissions ...Permission) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.permissions[appID] = permissions
}

// SetRBAC chooses the error for a missing permission: that of role assignments, or
// that of access policies.
func (k *KeyVault) SetRBAC(on bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rbac = on
}

// SetFirewall makes the vault's firewall refuse every address.
func (k *KeyVault) SetFirewall(on bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.firewall = on
}

// SetPreviousVersion chooses whether a certificate's secret names the previous
// version, as for certificates made since the middle of 2025. The default is false.
func (k *KeyVault) SetPreviousVersion(on bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.previous = on
}

// find returns a version, the newest for "", and the identifier of the version
// before it.
func (k *KeyVault) find(name, id string) (found *secretVersion, before string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	versions := k.secrets[strings.ToLower(name)]
	i := len(versions) - 1
	if id != "" {
		i = slices.IndexFunc(versions, func(v *secretVersion) bool { return v.id == id })
	}
	if i < 0 {
		return nil, ""
	}
	if i > 0 {
		before = versions[i-1].id
	}
	v := *versions[i]
	return &v, before
}

// A vaultCall is an authenticated request.
type vaultCall struct {
	w             http.ResponseWriter
	r             *http.Request
	caller        *jwt
	name, version string
}

func (k *KeyVault) serve(w http.ResponseWriter, r *http.Request, rec *record) {
	h := w.Header()
	h.Set("x-ms-keyvault-region", "westeurope")
	h.Set("x-ms-request-id", newGUID())
	h.Set("x-ms-keyvault-service-version", "1.9.2.0")
	caller := k.authenticate(w, r, rec)
	if caller == nil {
		return
	}
	k.mu.Lock()
	firewall := k.firewall
	k.mu.Unlock()
	if firewall {
		k.forbid(w, "ForbiddenByFirewall", "Client address is not authorized and caller is not a trusted service.\r\nClient address: 203.0.113.7\r\nCaller: "+callerText(caller)+"\r\nVault: "+k.vaultText())
		return
	}
	if r.URL.Query().Get("api-version") == "" {
		vaultError(w, http.StatusBadRequest, "BadParameter", "api-version must be specified", "")
		return
	}
	k.route(&vaultCall{w: w, r: r, caller: caller})
}

// route splits the path into collection, name, version and action. It ignores a
// final slash, which azsecrets sends when there is no version.
func (k *KeyVault) route(c *vaultCall) {
	parts := strings.Split(strings.Trim(c.r.URL.Path, "/"), "/")
	for len(parts) < 4 {
		parts = append(parts, "")
	}
	c.name, c.version = parts[1], parts[2]
	type key struct{ method, collection, action string }
	switch (key{c.r.Method, parts[0], parts[3]}) {
	case key{"GET", "secrets", ""}:
		if c.version == "versions" {
			k.listVersions(c)
		} else {
			k.getSecret(c)
		}
	case key{"GET", "certificates", ""}:
		k.getCertificate(c)
	case key{"POST", "keys", "sign"}:
		k.sign(c)
	default:
		vaultError(c.w, http.StatusNotFound, "NotFound", "Resource not found.", "")
	}
}

// permit reports whether the caller has the permission, and refuses if not.
func (k *KeyVault) permit(c *vaultCall, p Permission, action string) bool {
	k.mu.Lock()
	allowed, rbac := slices.Contains(k.permissions[c.caller.text("appid")], p), k.rbac
	k.mu.Unlock()
	if allowed {
		return true
	}
	if rbac {
		k.forbid(c.w, "ForbiddenByRbac", fmt.Sprintf("Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: %s\r\nAction: '%s'\r\nResource: '%s'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\nVault: %s\r\n", callerText(c.caller), action, c.r.URL.Path, k.vaultText()))
		return false
	}
	collection, verb, _ := strings.Cut(string(p), "/")
	k.forbid(c.w, "ForbiddenByPolicy", fmt.Sprintf("The user, group or application '%s' does not have %s %s permission on key vault '%s'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287", callerText(c.caller), collection, verb, k.vaultText()))
	return false
}

func (k *KeyVault) forbid(w http.ResponseWriter, inner, message string) {
	vaultError(w, http.StatusForbidden, "Forbidden", message, inner)
}

func callerText(j *jwt) string {
	return fmt.Sprintf("appid=%s;oid=%s;iss=%s", j.text("appid"), j.text("oid"), j.text("iss"))
}

func (k *KeyVault) vaultText() string { return "contoso;location=westeurope" }

func vaultError(w http.ResponseWriter, status int, code, message, inner string) {
	e := map[string]any{"code": code, "message": message}
	if inner != "" {
		e["innererror"] = map[string]any{"code": inner}
	}
	writeJSON(w, status, map[string]any{"error": e})
}
