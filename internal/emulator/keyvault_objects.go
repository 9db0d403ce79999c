package emulator

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// authenticate returns the caller's token, or nil after a refusal. A client's first
// request has no token and gets a challenge that names the authority.
func (k *KeyVault) authenticate(w http.ResponseWriter, r *http.Request, rec *record) *jwt {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		k.challenge(w, rec, "AKV10000: Request is missing a Bearer or PoP token.")
		return nil
	}
	j, problem := k.judge(token)
	if problem != "" {
		k.challenge(w, rec, problem)
		return nil
	}
	return j
}

// judge returns why a token is refused, or "". All texts but the last come from
// public traces.
func (k *KeyVault) judge(token string) (*jwt, string) {
	j, err := k.emulator.entra.check(token)
	issuer := issuerOf(k.emulator.config.TenantID)
	switch {
	case err != nil:
		return nil, "AKV10046: Unable to resolve the key used for signature validation."
	case j.text("aud") != vaultAudience:
		return nil, fmt.Sprintf("AKV10022: Invalid audience. Expected %s, found: %s.", vaultAudience, j.text("aud"))
	case j.text("iss") != issuer:
		return nil, fmt.Sprintf("AKV10032: Invalid issuer. Expected one of %s, found %s.", issuer, j.text("iss"))
	case !j.validAt(k.now()):
		return nil, "AKV10050: The token is expired or not yet valid."
	}
	return j, ""
}

func (k *KeyVault) challenge(w http.ResponseWriter, rec *record, message string) {
	authority := k.emulator.entra.URL()
	if !rec.fault.NoTenantInChallenge {
		authority += "/" + k.emulator.config.TenantID
	}
	w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer authorization="%s", resource="%s"`, authority, vaultAudience))
	vaultError(w, http.StatusUnauthorized, "Unauthorized", message, "")
}

func (k *KeyVault) getSecret(c *vaultCall) {
	if !k.permit(c, GetSecrets, "Microsoft.KeyVault/vaults/secrets/getSecret/action") {
		return
	}
	v, before := k.find(c.name, c.version)
	if v == nil {
		notFound(c, "Secret")
		return
	}
	if v.disabled {
		k.forbid(c.w, "SecretDisabled", "Operation get is not allowed on a disabled secret.")
		return
	}
	bundle := v.attributes(self(c.r))
	value, contentType, err := v.render(c.r.URL.Query().Get("outContentType"))
	if err != nil {
		vaultError(c.w, http.StatusInternalServerError, "InternalServerError", "Internal Server Error", "")
		return
	}
	bundle["value"] = value
	if contentType != "" {
		bundle["contentType"] = contentType
	}
	k.mu.Lock()
	if k.previous && before != "" && v.cert != nil {
		bundle["previousVersion"] = before
	}
	k.mu.Unlock()
	writeJSON(c.w, http.StatusOK, bundle)
}

// render returns the secret's value. The service can convert PFX to PEM.
func (v *secretVersion) render(out string) (value, contentType string, err error) {
	if v.cert == nil {
		return v.value, v.contentType, nil
	}
	format := v.cert.options.Format
	if out == "application/x-pem-file" && format == PFX {
		format = PEM
	}
	return v.cert.secret(format)
}

// attributes returns the part of a secret that lists also show. Unlike those of
// keys, nbf and exp of a secret are informational: the vault serves an expired
// secret.
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

// listVersions lists without values, in no useful order, as Azure does.
func (k *KeyVault) listVersions(c *vaultCall) {
	if !k.permit(c, ListSecrets, "Microsoft.KeyVault/vaults/secrets/readMetadata/action") {
		return
	}
	list := []any{}
	for _, id := range k.Versions(c.name) {
		if v, _ := k.find(c.name, id); v != nil {
			_, contentType, _ := v.render("")
			item := v.attributes(self(c.r))
			delete(item, "kid")
			item["contentType"] = contentType
			list = append(list, item)
		}
	}
	writeJSON(c.w, http.StatusOK, map[string]any{"value": list, "nextLink": nil})
}

func (k *KeyVault) getCertificate(c *vaultCall) {
	if !k.permit(c, GetCertificates, "Microsoft.KeyVault/vaults/certificates/read") {
		return
	}
	v, _ := k.find(c.name, c.version)
	if v == nil || v.cert == nil {
		notFound(c, "Certificate")
		return
	}
	vault := self(c.r)
	writeJSON(c.w, http.StatusOK, map[string]any{
		"id":          v.url(vault, "certificates"),
		"kid":         v.url(vault, "keys"),
		"sid":         v.url(vault, "secrets"),
		"x5t":         base64Thumbprint(v.cert),
		"cer":         base64.StdEncoding.EncodeToString(v.cert.Leaf.Raw),
		"attributes":  v.attributes(vault)["attributes"],
		"policy":      map[string]any{"key_props": map[string]any{"exportable": !v.cert.options.NonExportable}},
		"contentType": "application/x-pkcs12",
	})
}

// sign signs a digest with the key of a certificate.
func (k *KeyVault) sign(c *vaultCall) {
	if !k.permit(c, SignKeys, "Microsoft.KeyVault/vaults/keys/sign/action") {
		return
	}
	v, _ := k.find(c.name, c.version)
	if v == nil || v.cert == nil {
		notFound(c, "Key")
		return
	}
	if v.disabled {
		k.forbid(c.w, "KeyDisabled", "Operation sign is not allowed on a disabled key.")
		return
	}
	var request struct{ Alg, Value string }
	err := json.NewDecoder(io.LimitReader(c.r.Body, 16<<10)).Decode(&request)
	io.Copy(io.Discard, c.r.Body)
	digest, err2 := base64.RawURLEncoding.DecodeString(strings.TrimRight(request.Value, "="))
	if err != nil || err2 != nil {
		vaultError(c.w, http.StatusBadRequest, "BadParameter", "Property value has invalid value", "")
		return
	}
	options, ok := map[string]crypto.SignerOpts{
		"RS256": crypto.SHA256,
		"PS256": &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256},
	}[request.Alg]
	if !ok || len(digest) != crypto.SHA256.Size() {
		vaultError(c.w, http.StatusBadRequest, "BadParameter", fmt.Sprintf("Key and signing algorithm are incompatible, or the digest's length is wrong: %s.", request.Alg), "")
		return
	}
	sig, err := v.cert.Key.Sign(rand.Reader, digest, options)
	if err != nil {
		vaultError(c.w, http.StatusBadRequest, "BadParameter", "Key and signing algorithm are incompatible.", "")
		return
	}
	writeJSON(c.w, http.StatusOK, map[string]any{"kid": v.url(self(c.r), "keys"), "value": base64.RawURLEncoding.EncodeToString(sig)})
}

func notFound(c *vaultCall, kind string) {
	vaultError(c.w, http.StatusNotFound, kind+"NotFound", fmt.Sprintf("A %s with (name/id) %s was not found in this key vault. If you recently deleted this %[1]s you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182", strings.ToLower(kind), strings.TrimSuffix(c.name+"/"+c.version, "/")), "")
}
