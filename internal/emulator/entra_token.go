package emulator

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxTokenRequest bounds the form of a token request.
const maxTokenRequest = 64 << 10

// token handles a token request of the client credentials flow.
func (n *Entra) token(w http.ResponseWriter, r *http.Request, tenant string, rec *record) {
	if r.Method != http.MethodPost {
		n.refuse(w, r, rec, refusalOf(900561, "The endpoint only accepts POST requests. Received a "+r.Method+" request."))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxTokenRequest)
	if err := r.ParseForm(); err != nil {
		n.refuse(w, r, rec, refusalOf(900144, ""))
		return
	}
	form := r.PostForm
	rec.note(func(h *Hop) { h.Form = form })
	if rec.fault.AADSTS != 0 {
		n.refuse(w, r, rec, refusalOf(rec.fault.AADSTS, ""))
		return
	}
	g, f := n.judge(r, tenant, form)
	if f != nil {
		n.refuse(w, r, rec, f)
		return
	}
	n.grant(w, g, rec)
}

// A grant is an accepted token request.
type grant struct {
	app      application
	resource string
	roles    []string
	strength string // appidacr: 1 for a secret, 2 for a certificate
}

// judge checks tenant, application, credential, policy and resource, in the order
// in which Entra reports these errors.
func (n *Entra) judge(r *http.Request, tenant string, form url.Values) (*grant, *refusal) {
	switch strings.ToLower(tenant) {
	case "common", "consumers":
		return nil, refusalOf(9001023, "")
	}
	if !n.knowsTenant(tenant) {
		return nil, tenantNotFound(tenant)
	}
	if f := wellFormed(form); f != nil {
		return nil, f
	}
	app, ok := n.snapshot(form.Get("client_id"))
	if !ok {
		return nil, refusalOf(700016, fmt.Sprintf("Application with identifier '%s' was not found in the directory '%s'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.", form.Get("client_id"), n.emulator.config.TenantID))
	}
	strength, f := n.authenticate(r, app, form)
	if f != nil {
		return nil, f
	}
	if app.disabled {
		return nil, refusalOf(7000112, fmt.Sprintf("Application '%s'(emulated) is disabled.", app.id))
	}
	if app.blocked {
		return nil, refusalOf(53003, "")
	}
	return n.authorise(app, form.Get("scope"), strength)
}

func wellFormed(form url.Values) *refusal {
	for _, name := range []string{"grant_type", "client_id", "scope"} {
		if len(form[name]) != 1 || form.Get(name) == "" {
			return refusalOf(900144, fmt.Sprintf("The request body must contain the following parameter: '%s'.", name))
		}
	}
	if form.Get("grant_type") != "client_credentials" {
		return refusalOf(70003, fmt.Sprintf("The app requested an unsupported grant type '%s'.", form.Get("grant_type")))
	}
	return nil
}

// authenticate checks the secret or the assertion and returns appidacr.
func (n *Entra) authenticate(r *http.Request, app application, form url.Values) (string, *refusal) {
	if assertion := form.Get("client_assertion"); assertion != "" {
		if form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			return "", refusalOf(900144, "The request body must contain the following parameter: 'client_assertion_type'.")
		}
		return "2", n.checkAssertion(r, app, assertion)
	}
	secret := form.Get("client_secret")
	if secret == "" {
		return "", refusalOf(7000218, "")
	}
	expires, ok := app.secrets[secret]
	switch {
	case !ok:
		return "", refusalOf(7000215, fmt.Sprintf("Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'.", app.id))
	case n.now().After(expires):
		return "", refusalOf(7000222, fmt.Sprintf("The provided client secret keys for app '%s' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.", app.id))
	}
	return "1", nil
}

// authorise returns the resource that the scope names, and the application's roles
// there.
func (n *Entra) authorise(app application, scope, strength string) (*grant, *refusal) {
	name, f := resourceOf(scope)
	if f != nil {
		return nil, f
	}
	res := n.lookup(name)
	if res == nil {
		return nil, refusalOf(500011, fmt.Sprintf("The resource principal named %s was not found in the tenant named Contoso. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.", name))
	}
	roles, set := app.roles[trimSlash(name)]
	if !set && name != vaultAudience && app.id == n.emulator.config.HMAAppID {
		roles = []string{fullAccess}
	}
	if res.assignmentRequired && len(roles) == 0 {
		return nil, refusalOf(501051, fmt.Sprintf("Application '%s'(emulated) is not assigned to a role for the application '%s'(%s).", app.id, exchangeAppID, name))
	}
	return &grant{app, name, roles, strength}, nil
}

// resourceOf returns the part of the scope before the last "/.default", ignoring
// OpenID scopes. The scope of a resource that ends in a slash has two slashes
// there.
func resourceOf(scope string) (string, *refusal) {
	scopes := slices.DeleteFunc(strings.Fields(scope), func(s string) bool {
		return s == "openid" || s == "offline_access" || s == "profile" || s == "email"
	})
	switch {
	case len(scopes) == 0:
		return "", refusalOf(70011, "")
	case len(scopes) > 1:
		return "", refusalOf(700022, "")
	}
	name, ok := strings.CutSuffix(scopes[0], "/.default")
	if !ok || name == "" {
		return "", refusalOf(1002012, fmt.Sprintf("The provided value for scope %s is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).", scopes[0]))
	}
	return name, nil
}

// lookup returns the resource of a name. The name must match with or without the
// final slash, exactly as it was registered. Whether Entra is as strict is not
// documented.
func (n *Entra) lookup(name string) *resource {
	own := n.emulator.Resource()
	n.mu.Lock()
	defer n.mu.Unlock()
	if res, ok := n.resources[name]; ok {
		return res
	}
	if name == own {
		return new(resource)
	}
	return nil
}

// grant issues and writes a token.
func (n *Entra) grant(w http.ResponseWriter, g *grant, rec *record) {
	n.mu.Lock()
	lifetime, refreshIn := n.lifetime, n.refreshIn
	n.mu.Unlock()
	token, err := n.issue(g, lifetime)
	if err != nil {
		http.Error(w, "signing failed", http.StatusInternalServerError)
		return
	}
	seconds := int(lifetime/time.Second) - 1 // as in all traces: 3599
	fields := map[string]any{
		"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token,
	}
	if refreshIn {
		fields["refresh_in"] = seconds / 2
	}
	if rec.fault.NoExpiresIn {
		delete(fields, "expires_in")
		delete(fields, "ext_expires_in")
	}
	writeJSON(w, http.StatusOK, fields)
}

// issue signs an access token of version 1.0. The resource chooses the version, and
// Exchange uses this one.
func (n *Entra) issue(g *grant, lifetime time.Duration) (string, error) {
	now, tenant := n.now(), n.emulator.config.TenantID
	uti, subject := randomHex(11), objectID(g.app.id)
	claims := map[string]any{
		"aud": g.resource, "iss": issuerOf(tenant), "idp": issuerOf(tenant), "tid": tenant,
		"iat": now.Add(-5 * time.Minute).Unix(), "nbf": now.Add(-5 * time.Minute).Unix(), "exp": now.Add(lifetime).Unix(),
		"appid": g.app.id, "appidacr": g.strength, "idtyp": "app", "oid": subject, "sub": subject,
		"aio": randomHex(16), "rh": "0.emulated.", "uti": uti, "ver": "1.0",
	}
	if len(g.roles) > 0 {
		claims["roles"] = g.roles
	}
	n.mu.Lock()
	n.issued[uti] = len(n.issued) + 1
	if n.edit != nil {
		n.edit(claims)
	}
	n.mu.Unlock()
	return n.Sign(claims)
}

// Grant returns a token as the HMA application gets it for the resource.
func (n *Entra) Grant(resource string) (string, error) {
	app, _ := n.snapshot(n.emulator.config.HMAAppID)
	n.mu.Lock()
	lifetime := n.lifetime
	n.mu.Unlock()
	return n.issue(&grant{app, resource, []string{fullAccess}, "2"}, lifetime)
}

func issuerOf(tenant string) string { return "https://sts.windows.net/" + tenant + "/" }

// objectID derives a service principal's identifier from the application's.
func objectID(appID string) string {
	b := sha1Sum([]byte("service principal of " + appID))
	b[6], b[8] = b[6]&0x0f|0x50, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// base64Thumbprint returns the SHA-1 thumbprint in the format of "x5t".
func base64Thumbprint(c *Certificate) string {
	sum := sha1Sum(c.Leaf.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
