package emulator

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// vaultAudience is the resource of every vault in the public cloud.
const vaultAudience = "https://vault.azure.net"

// fullAccess is the application permission that opens every mailbox.
const fullAccess = "full_access_as_app"

// Entra is the identity provider: a tenant with applications, their certificates
// and secrets, and the resources for which it issues tokens.
type Entra struct {
	Service

	mu        sync.Mutex
	apps      map[string]*application // by client id
	resources map[string]*resource    // by service principal name
	keys      []*signingKey           // newest last; the first is made when needed
	seen      map[string]bool         // jti of assertions that were accepted
	issued    map[string]int          // uti of each token, numbered from 1
	lifetime  time.Duration
	refreshIn bool
	edit      func(claims map[string]any)
}

// An application is a registration with its enterprise application.
type application struct {
	id       string
	certs    map[string]*registration // by upper-case SHA-1 thumbprint
	secrets  map[string]time.Time     // value to expiry
	roles    map[string][]string      // consented, by resource
	disabled bool
	blocked  bool // by conditional access

	federated []FederatedCredential
}

type registration struct {
	cert    *Certificate
	visible func() bool
}

type resource struct {
	assignmentRequired bool
}

func newEntra(e *Emulator) *Entra {
	c := e.config
	n := &Entra{
		apps:      map[string]*application{},
		resources: map[string]*resource{vaultAudience: {}},
		seen:      map[string]bool{},
		issued:    map[string]int{},
		lifetime:  c.TokenLifetime,
		refreshIn: c.RefreshIn,
	}
	n.name, n.public, n.nameURL = "entra", c.EntraURL, "https://login.microsoftonline.com"
	n.emulator, n.respond = e, n.serve
	n.apps[c.HMAAppID] = newApplication(c.HMAAppID)
	n.apps[c.VaultAppID] = newApplication(c.VaultAppID)
	n.apps[c.VaultAppID].secrets[c.VaultSecret] = time.Now().AddDate(1, 0, 0)
	return n
}

func newApplication(id string) *application {
	return &application{
		id:      id,
		certs:   map[string]*registration{},
		secrets: map[string]time.Time{},
		roles:   map[string][]string{},
	}
}

// Register registers a certificate with the HMA application.
func (n *Entra) Register(c *Certificate) {
	n.RegisterWhile(c, func() bool { return true })
}

// RegisterWhile registers a certificate that Entra accepts only while the function
// returns true. It imitates a registration that has not reached every replica. The
// function is called once per assertion that names the certificate, by the
// goroutine that serves it.
func (n *Entra) RegisterWhile(c *Certificate, visible func() bool) {
	n.app(n.emulator.config.HMAAppID, func(a *application) {
		a.certs[c.Thumbprint()] = &registration{c, visible}
	})
}

// Unregister removes a certificate from the HMA application.
func (n *Entra) Unregister(c *Certificate) {
	n.app(n.emulator.config.HMAAppID, func(a *application) { delete(a.certs, c.Thumbprint()) })
}

// AddSecret gives an application a client secret until it expires. Exchange refuses
// tokens that the HMA application gets with a secret.
func (n *Entra) AddSecret(appID, secret string, expires time.Time) {
	n.app(appID, func(a *application) { a.secrets[secret] = expires })
}

// RemoveSecret removes a client secret.
func (n *Entra) RemoveSecret(appID, secret string) {
	n.app(appID, func(a *application) { delete(a.secrets, secret) })
}

// Consent sets the roles that an administrator granted an application at a
// resource. By default the HMA application has full_access_as_app at every resource
// but the vault. Without roles, Entra still issues tokens, without the claim,
// unless the resource requires an assignment.
func (n *Entra) Consent(appID, resource string, roles ...string) {
	n.app(appID, func(a *application) { a.roles[trimSlash(resource)] = roles })
}

// Disable disables an application's sign-in, or enables it again.
func (n *Entra) Disable(appID string, disabled bool) {
	n.app(appID, func(a *application) { a.disabled = disabled })
}

// Block makes conditional access refuse an application, or accept it again.
func (n *Entra) Block(appID string, blocked bool) {
	n.app(appID, func(a *application) { a.blocked = blocked })
}

// RemoveApp deletes an application from the tenant.
func (n *Entra) RemoveApp(appID string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.apps, appID)
}

// app changes an application and creates it first if it does not exist.
func (n *Entra) app(id string, change func(*application)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.apps[id] == nil {
		n.apps[id] = newApplication(id)
	}
	change(n.apps[id])
}

// AddResource registers a service principal name, spelled exactly so. With
// assignmentRequired, applications without a role get no tokens.
func (n *Entra) AddResource(uri string, assignmentRequired bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.resources[uri] = &resource{assignmentRequired}
}

// RemoveResource removes a service principal name. Emulator.Resource returns that
// of Exchange.
func (n *Entra) RemoveResource(uri string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.resources[uri] = nil
}

// SetTokenLifetime sets the lifetime of later tokens.
func (n *Entra) SetTokenLifetime(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lifetime = d
}

// SetRefreshIn sets whether later token responses have refresh_in.
func (n *Entra) SetRefreshIn(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refreshIn = on
}

// EditClaims sets a function that changes the claims of every later token before it
// is signed; nil removes it. The function is called under a lock.
func (n *Entra) EditClaims(edit func(claims map[string]any)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.edit = edit
}

// Issued returns the number of tokens issued so far.
func (n *Entra) Issued() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.issued)
}

func (n *Entra) serve(w http.ResponseWriter, r *http.Request, rec *record) {
	tenant, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	h := w.Header()
	h.Set("Cache-Control", "no-store, no-cache")
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("x-ms-request-id", newGUID())
	switch strings.ToLower(rest) {
	case "v2.0/.well-known/openid-configuration", ".well-known/openid-configuration":
		n.discovery(w, r, tenant, rec)
	case "discovery/v2.0/keys", "discovery/keys":
		n.serveKeys(w)
	case "discovery/instance":
		n.instance(w, r)
	case "oauth2/v2.0/token":
		n.token(w, r, tenant, rec)
	default:
		http.NotFound(w, r)
	}
}

// self returns the service's URL with the host of the request, as Entra's documents
// have it.
func self(r *http.Request) string { return "https://" + r.Host }

func (n *Entra) discovery(w http.ResponseWriter, r *http.Request, tenant string, rec *record) {
	if !n.knowsTenant(tenant) {
		n.refuse(w, r, rec, tenantNotFound(tenant))
		return
	}
	base := self(r) + "/" + tenant
	writeJSON(w, http.StatusOK, map[string]any{
		"token_endpoint":                        base + "/oauth2/v2.0/token",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		"jwks_uri":                              base + "/discovery/v2.0/keys",
		"response_modes_supported":              []string{"query", "fragment", "form_post"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"response_types_supported":              []string{"code", "id_token", "code id_token", "id_token token"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
		"issuer":                                self(r) + "/" + n.emulator.config.TenantID + "/v2.0",
		"authorization_endpoint":                base + "/oauth2/v2.0/authorize",
		"device_authorization_endpoint":         base + "/oauth2/v2.0/devicecode",
		"tenant_region_scope":                   "EU",
		"cloud_instance_name":                   "microsoftonline.com",
	})
}

// knowsTenant accepts the tenant's identifier and its domain.
func (n *Entra) knowsTenant(tenant string) bool {
	return strings.EqualFold(tenant, n.emulator.config.TenantID) || strings.EqualFold(tenant, n.emulator.exchange.domain())
}

// instance serves instance discovery. It lists this service as the only authority.
func (n *Entra) instance(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": self(r) + "/" + n.emulator.config.TenantID + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata": []any{map[string]any{
			"preferred_network": r.Host, "preferred_cache": r.Host, "aliases": []string{r.Host},
		}},
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only maps of strings, numbers and lists come here
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	w.Write(b)
}

func trimSlash(s string) string { return strings.TrimSuffix(s, "/") }

// snapshot returns copies of the state that decides about a token request.
func (n *Entra) snapshot(appID string) (application, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a := n.apps[appID]
	if a == nil {
		return application{}, false
	}
	c := *a
	c.certs, c.secrets, c.roles = maps.Clone(a.certs), maps.Clone(a.secrets), maps.Clone(a.roles)
	for r := range c.roles {
		c.roles[r] = slices.Clone(c.roles[r])
	}
	return c, true
}
