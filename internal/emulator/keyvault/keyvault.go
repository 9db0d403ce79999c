// Package keyvault imitates Azure Key Vault: secrets, certificates, and signing with
// their keys.
package keyvault

import (
	"fmt"
	"net/http"
	"strings"

	"hmaproxy/internal/emulator/entra"
	"hmaproxy/internal/emulator/jwt"
	"hmaproxy/internal/emulator/service"
)

// A Config describes the vault. No field has a default.
type Config struct {
	TenantID string
	Issuer   Issuer
	AppID    string // the application that has all permissions at first
}

// An Issuer is the identity provider of the vault's tenant. Its methods may be
// called concurrently.
type Issuer interface {
	URL() string
	SigningKeys() []jwt.Key
}

// KeyVault is a vault with secrets, their certificates and keys.
type KeyVault struct {
	*service.Service
	*Secrets
	*Access

	config   Config
	verifier jwt.Verifier
}

// New returns an empty vault. It opens no listener.
func New(c Config, s service.Config) *KeyVault {
	k := &KeyVault{config: c}
	s.Name, s.DefaultURL, s.Respond = "vault", "https://contoso.vault.azure.net", k.serve
	k.Service = service.New(s)
	k.Secrets = &Secrets{now: k.Service.Now, versions: map[string][]*secretVersion{}}
	k.Access = &Access{permissions: map[string][]Permission{
		c.AppID: {GetSecrets, ListSecrets, GetCertificates, SignKeys},
	}}
	return k
}

func (k *KeyVault) serve(w http.ResponseWriter, r *http.Request, rec *service.Record) {
	h := w.Header()
	h.Set("x-ms-keyvault-region", "westeurope")
	h.Set("x-ms-request-id", service.NewGUID())
	h.Set("x-ms-keyvault-service-version", "1.9.2.0")
	caller := k.authenticate(w, r, rec)
	if caller == nil {
		return
	}
	if f := k.checkAddress(caller); f != nil {
		f.write(w)
		return
	}
	if r.URL.Query().Get("api-version") == "" {
		writeError(w, http.StatusBadRequest, "BadParameter", "api-version must be specified", "")
		return
	}
	newCall(k, w, r, caller).run()
}

// authenticate returns the caller's token, or nil after a refusal. A client's first
// request has no token and gets a challenge that names the authority.
func (k *KeyVault) authenticate(w http.ResponseWriter, r *http.Request, rec *service.Record) *jwt.Token {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		k.challenge(w, rec, "AKV10000: Request is missing a Bearer or PoP token.")
		return nil
	}
	j, problem := k.verify(token)
	if problem != "" {
		k.challenge(w, rec, problem)
		return nil
	}
	return j
}

// verify returns the token, or the reason why it is refused. All texts but the last
// come from public HTTP traces.
func (k *KeyVault) verify(token string) (*jwt.Token, string) {
	j, err := k.verifier.Verify(k.config.Issuer.SigningKeys(), token)
	issuer := entra.IssuerOf(k.config.TenantID)
	switch {
	case err != nil:
		return nil, "AKV10046: Unable to resolve the key used for signature validation."
	case j.Text("aud") != entra.VaultAudience:
		return nil, fmt.Sprintf("AKV10022: Invalid audience. Expected %s, found: %s.", entra.VaultAudience, j.Text("aud"))
	case j.Text("iss") != issuer:
		return nil, fmt.Sprintf("AKV10032: Invalid issuer. Expected one of %s, found %s.", issuer, j.Text("iss"))
	case !j.ValidAt(k.Now()):
		return nil, "AKV10050: The token is expired or not yet valid."
	}
	return j, ""
}

func (k *KeyVault) challenge(w http.ResponseWriter, rec *service.Record, message string) {
	authority := k.config.Issuer.URL()
	if !rec.Fault().NoTenantInChallenge {
		authority += "/" + k.config.TenantID
	}
	w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer authorization="%s", resource="%s"`, authority, entra.VaultAudience))
	writeError(w, http.StatusUnauthorized, "Unauthorized", message, "")
}

// writeError responds with an error as Key Vault does. inner may be "".
func writeError(w http.ResponseWriter, status int, code, message, inner string) {
	e := map[string]any{"code": code, "message": message}
	if inner != "" {
		e["innererror"] = map[string]any{"code": inner}
	}
	service.WriteJSON(w, status, map[string]any{"error": e})
}
