// Package entra imitates Entra ID: discovery, and the token endpoint of the client
// credentials flow.
package entra

import (
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"hmaproxy/internal/emulator/service"
)

const (
	// VaultAudience is the resource of every vault in the public cloud.
	VaultAudience = "https://vault.azure.net"

	// FullAccess is the application permission that opens every mailbox.
	FullAccess = "full_access_as_app"

	// ExchangeAppID is the identifier of "Office 365 Exchange Online" in every
	// tenant, under which Exchange Server is registered too.
	ExchangeAppID = "00000002-0000-0ff1-ce00-000000000000"
)

// A Config describes the tenant. No field has a default, except SigningKey.
type Config struct {
	TenantID    string
	Domain      string // domain of the tenant, which clients may use in place of TenantID
	HMAAppID    string // the application that may open mailboxes
	VaultAppID  string // the application that may read the vault
	VaultSecret string // client secret of VaultAppID

	// Resource returns the service principal name under which Exchange is
	// registered. It may be called concurrently.
	Resource func() string

	TokenLifetime time.Duration
	RefreshIn     bool            // token responses contain refresh_in
	SigningKey    *rsa.PrivateKey // the first key; nil means a new one
}

// Entra is the identity provider.
type Entra struct {
	*service.Service
	*Directory
	*Tokens

	config Config
	seen   usedAssertions
}

// New returns the identity provider. It opens no listener.
func New(c Config, s service.Config) *Entra {
	n := &Entra{config: c, Directory: newDirectory(c)}
	s.Name, s.DefaultURL, s.Respond = "entra", "https://login.microsoftonline.com", n.serve
	n.Service = service.New(s)
	n.Tokens = &Tokens{
		tenantID: c.TenantID, hmaAppID: c.HMAAppID, firstKey: c.SigningKey, now: n.Service.Now,
		issued: map[string]int{}, lifetime: c.TokenLifetime, refreshIn: c.RefreshIn,
	}
	return n
}

func (n *Entra) serve(w http.ResponseWriter, r *http.Request, rec *service.Record) {
	tenant, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	h := w.Header()
	h.Set("Cache-Control", "no-store, no-cache")
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("x-ms-request-id", service.NewGUID())
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

func (n *Entra) discovery(w http.ResponseWriter, r *http.Request, tenant string, rec *service.Record) {
	if !n.knowsTenant(tenant) {
		n.refuse(w, r, rec, tenantNotFound(tenant))
		return
	}
	base := service.Self(r) + "/" + tenant
	service.WriteJSON(w, http.StatusOK, map[string]any{
		"token_endpoint":                        base + "/oauth2/v2.0/token",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		"jwks_uri":                              base + "/discovery/v2.0/keys",
		"response_modes_supported":              []string{"query", "fragment", "form_post"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"response_types_supported":              []string{"code", "id_token", "code id_token", "id_token token"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
		"issuer":                                service.Self(r) + "/" + n.config.TenantID + "/v2.0",
		"authorization_endpoint":                base + "/oauth2/v2.0/authorize",
		"device_authorization_endpoint":         base + "/oauth2/v2.0/devicecode",
		"tenant_region_scope":                   "EU",
		"cloud_instance_name":                   "microsoftonline.com",
	})
}

// knowsTenant reports whether tenant is the tenant's identifier or its domain.
func (n *Entra) knowsTenant(tenant string) bool {
	return strings.EqualFold(tenant, n.config.TenantID) || strings.EqualFold(tenant, n.config.Domain)
}

// instance serves instance discovery. It lists this service as the only authority.
func (n *Entra) instance(w http.ResponseWriter, r *http.Request) {
	service.WriteJSON(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": service.Self(r) + "/" + n.config.TenantID + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata": []any{map[string]any{
			"preferred_network": r.Host, "preferred_cache": r.Host, "aliases": []string{r.Host},
		}},
	})
}

func (n *Entra) serveKeys(w http.ResponseWriter) {
	list := []any{}
	for _, k := range n.signers() {
		list = append(list, map[string]any{
			"kty": "RSA", "use": "sig", "kid": k.id, "x5t": k.id,
			"n":   base64.RawURLEncoding.EncodeToString(k.key.N.Bytes()),
			"e":   base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.key.E)).Bytes()),
			"x5c": []string{base64.StdEncoding.EncodeToString(k.cert.Raw)},
		})
	}
	service.WriteJSON(w, http.StatusOK, map[string]any{"keys": list})
}

// refuse writes an error as Entra does.
func (n *Entra) refuse(w http.ResponseWriter, r *http.Request, rec *service.Record, f *refusal) {
	rec.Note(func(h *service.Hop) { h.AADSTS = f.code })
	trace, correlation := w.Header().Get("x-ms-request-id"), r.Header.Get("client-request-id")
	if correlation == "" {
		correlation = service.NewGUID()
	}
	stamp := n.Now().UTC().Format("2006-01-02 15:04:05Z")
	w.Header().Set("x-ms-ests-server", "2.1.0 - emulator")
	service.WriteJSON(w, f.status, map[string]any{
		"error":             f.name,
		"error_description": fmt.Sprintf("%s Trace ID: %s Correlation ID: %s Timestamp: %s", f.Error(), trace, correlation, stamp),
		"error_codes":       []int{f.code},
		"timestamp":         stamp,
		"trace_id":          trace,
		"correlation_id":    correlation,
		"error_uri":         service.Self(r) + "/error?code=" + strconv.Itoa(f.code),
	})
}

func trimSlash(s string) string { return strings.TrimSuffix(s, "/") }

// usedAssertions are the identifiers (jti) of the assertions that were accepted.
type usedAssertions struct {
	mu  sync.Mutex
	ids map[string]bool
}

// add records an identifier and reports whether it was new.
func (u *usedAssertions) add(jti string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ids[jti] {
		return false
	}
	if u.ids == nil {
		u.ids = map[string]bool{}
	}
	u.ids[jti] = true
	return true
}
