package entra

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"hmaproxy/internal/emulator/service"
)

// maxTokenRequest bounds the form of a token request.
const maxTokenRequest = 64 << 10

// token handles a token request of the client credentials flow.
func (n *Entra) token(w http.ResponseWriter, r *http.Request, tenant string, rec *service.Record) {
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
	rec.Note(func(h *service.Hop) { h.Form = form })
	if rec.Fault().AADSTS != 0 {
		n.refuse(w, r, rec, refusalOf(rec.Fault().AADSTS, ""))
		return
	}
	g, f := n.check(r, tenant, form)
	if f != nil {
		n.refuse(w, r, rec, f)
		return
	}
	n.grant(w, g, rec)
}

// A tokenRequest is a token request with the application that sends it.
type tokenRequest struct {
	entra *Entra
	r     *http.Request
	form  url.Values
	app   application
}

// check checks tenant, application, credential, policy and resource, in the order
// in which Entra reports these errors.
func (n *Entra) check(r *http.Request, tenant string, form url.Values) (*grant, *refusal) {
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
		return nil, refusalOf(700016, fmt.Sprintf("Application with identifier '%s' was not found in the directory '%s'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.", form.Get("client_id"), n.config.TenantID))
	}
	q := &tokenRequest{n, r, form, app}
	strength, f := q.authenticate()
	if f != nil {
		return nil, f
	}
	if app.disabled {
		return nil, refusalOf(7000112, fmt.Sprintf("Application '%s'(emulated) is disabled.", app.id))
	}
	if app.blocked {
		return nil, refusalOf(53003, "")
	}
	return q.authorise(strength)
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

// authenticate checks the secret or the assertion. It returns the value of the
// token's claim appidacr.
func (q *tokenRequest) authenticate() (string, *refusal) {
	if assertion := q.form.Get("client_assertion"); assertion != "" {
		if q.form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			return "", refusalOf(900144, "The request body must contain the following parameter: 'client_assertion_type'.")
		}
		return "2", q.checkAssertion(assertion)
	}
	secret := q.form.Get("client_secret")
	if secret == "" {
		return "", refusalOf(7000218, "")
	}
	expires, ok := q.app.secrets[secret]
	switch {
	case !ok:
		return "", refusalOf(7000215, fmt.Sprintf("Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'.", q.app.id))
	case q.entra.Now().After(expires):
		return "", refusalOf(7000222, fmt.Sprintf("The provided client secret keys for app '%s' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.", q.app.id))
	}
	return "1", nil
}

// authorise returns a grant for the resource that the scope names, with the
// application's roles at that resource.
func (q *tokenRequest) authorise(strength string) (*grant, *refusal) {
	name, f := resourceOf(q.form.Get("scope"))
	if f != nil {
		return nil, f
	}
	res, ok := q.entra.lookup(name)
	if !ok && name == q.entra.config.Resource() {
		res = new(resource)
	}
	if res == nil {
		return nil, refusalOf(500011, fmt.Sprintf("The resource principal named %s was not found in the tenant named Contoso. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.", name))
	}
	roles, set := q.app.roles[trimSlash(name)]
	if !set && name != VaultAudience && q.app.id == q.entra.config.HMAAppID {
		roles = []string{FullAccess}
	}
	if res.assignmentRequired && len(roles) == 0 {
		return nil, refusalOf(501051, fmt.Sprintf("Application '%s'(emulated) is not assigned to a role for the application '%s'(%s).", q.app.id, ExchangeAppID, name))
	}
	return &grant{q.app.id, name, roles, strength}, nil
}

// resourceOf returns the part of the scope before the last "/.default", ignoring
// OpenID scopes. For a resource that ends in a slash, the scope has two slashes
// before ".default".
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

// grant issues a token for g and writes it to w.
func (n *Entra) grant(w http.ResponseWriter, g *grant, rec *service.Record) {
	token, fields, err := n.issue(g)
	if err != nil {
		http.Error(w, "signing failed", http.StatusInternalServerError)
		return
	}
	fields["access_token"] = token
	if rec.Fault().NoExpiresIn {
		delete(fields, "expires_in")
		delete(fields, "ext_expires_in")
	}
	service.WriteJSON(w, http.StatusOK, fields)
}
