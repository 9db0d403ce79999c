package entra

import (
	"maps"
	"slices"
	"sync"
	"time"

	"hmaproxy/internal/emulator/pki"
)

// A Directory is a tenant: its applications with their certificates and secrets,
// and the resources for which they may get tokens. It is safe for concurrent use.
type Directory struct {
	hmaAppID string

	mu        sync.Mutex
	apps      map[string]*application // by client id
	resources map[string]*resource    // by service principal name
}

// An application is an app registration together with its enterprise application.
type application struct {
	id       string
	certs    map[string]*registration // by upper-case SHA-1 thumbprint
	secrets  map[string]time.Time     // expiry of each secret, by value
	roles    map[string][]string      // consented roles, by resource
	disabled bool
	blocked  bool // conditional access refuses the application

	federated []FederatedCredential
}

type registration struct {
	cert    *pki.Certificate
	visible func() bool
}

type resource struct {
	assignmentRequired bool
}

func newDirectory(c Config) *Directory {
	d := &Directory{
		hmaAppID:  c.HMAAppID,
		apps:      map[string]*application{},
		resources: map[string]*resource{VaultAudience: {}},
	}
	d.apps[c.HMAAppID] = newApplication(c.HMAAppID)
	d.apps[c.VaultAppID] = newApplication(c.VaultAppID)
	d.apps[c.VaultAppID].secrets[c.VaultSecret] = time.Now().AddDate(1, 0, 0)
	return d
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
func (d *Directory) Register(c *pki.Certificate) {
	d.RegisterWhile(c, func() bool { return true })
}

// RegisterWhile registers a certificate that Entra accepts only while the
// function returns true. It imitates a registration that has not reached every
// replica. The function is called once for each assertion that names the
// certificate, by the goroutine that serves the token request.
func (d *Directory) RegisterWhile(c *pki.Certificate, visible func() bool) {
	d.app(d.hmaAppID, func(a *application) {
		a.certs[c.Thumbprint()] = &registration{c, visible}
	})
}

// Unregister removes a certificate from the HMA application.
func (d *Directory) Unregister(c *pki.Certificate) {
	d.app(d.hmaAppID, func(a *application) { delete(a.certs, c.Thumbprint()) })
}

// AddSecret adds a client secret to an application. expires is the end of the
// secret's validity. Exchange refuses tokens that the HMA application gets with a
// secret.
func (d *Directory) AddSecret(appID, secret string, expires time.Time) {
	d.app(appID, func(a *application) { a.secrets[secret] = expires })
}

// RemoveSecret removes a client secret.
func (d *Directory) RemoveSecret(appID, secret string) {
	d.app(appID, func(a *application) { delete(a.secrets, secret) })
}

// Consent sets the roles that an administrator granted an application at a
// resource. By default the HMA application has full_access_as_app at every
// resource but the vault. For an application without roles, Entra issues tokens
// without the claim roles. If the resource requires an assignment, Entra issues
// no token to such an application.
func (d *Directory) Consent(appID, resource string, roles ...string) {
	d.app(appID, func(a *application) { a.roles[trimSlash(resource)] = roles })
}

// Disable disables an application's sign-in, or enables it again.
func (d *Directory) Disable(appID string, disabled bool) {
	d.app(appID, func(a *application) { a.disabled = disabled })
}

// Block makes conditional access refuse an application, or accept it again.
func (d *Directory) Block(appID string, blocked bool) {
	d.app(appID, func(a *application) { a.blocked = blocked })
}

// RemoveApp deletes an application from the tenant.
func (d *Directory) RemoveApp(appID string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.apps, appID)
}

// app changes an application. It creates the application if it does not exist.
func (d *Directory) app(id string, change func(*application)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.apps[id] == nil {
		d.apps[id] = newApplication(id)
	}
	change(d.apps[id])
}

// AddResource registers a service principal name, in exactly this spelling.
// With assignmentRequired, applications without a role get no tokens.
func (d *Directory) AddResource(uri string, assignmentRequired bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.resources[uri] = &resource{assignmentRequired}
}

// RemoveResource removes a service principal name. The name of Exchange is the
// result of Emulator.Resource.
func (d *Directory) RemoveResource(uri string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.resources[uri] = nil
}

// snapshot returns a copy of an application. The caller can read the copy without
// the lock. It returns false if the application does not exist.
func (d *Directory) snapshot(appID string) (application, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.apps[appID]
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

// AddFederatedCredential lets the HMA application authenticate with tokens of an
// issuer.
func (d *Directory) AddFederatedCredential(c FederatedCredential) {
	if c.Audience == "" {
		c.Audience = FederatedAudience
	}
	d.app(d.hmaAppID, func(a *application) { a.federated = append(slices.Clone(a.federated), c) })
}

// lookup returns the resource with the given name. ok is false if the name was
// never registered; for a removed resource, res is nil and ok is true. The
// final slash counts: the name must be exactly as it was registered. Whether
// Entra is as strict is not documented.
func (d *Directory) lookup(name string) (res *resource, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	res, ok = d.resources[name]
	return res, ok
}
