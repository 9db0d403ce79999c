package keyvault

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

	"hmaproxy/internal/emulator/jwt"
	"hmaproxy/internal/emulator/pki"
	"hmaproxy/internal/emulator/service"
)

// A call is an authenticated request.
type call struct {
	vault  *KeyVault
	w      http.ResponseWriter
	r      *http.Request
	caller *jwt.Token

	collection, name, version, action string // the parts of the path
}

// newCall splits the path of the request. It ignores a final slash, which azsecrets
// sends when there is no version.
func newCall(k *KeyVault, w http.ResponseWriter, r *http.Request, caller *jwt.Token) *call {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	for len(parts) < 4 {
		parts = append(parts, "")
	}
	return &call{
		vault: k, w: w, r: r, caller: caller,
		collection: parts[0], name: parts[1], version: parts[2], action: parts[3],
	}
}

func (c *call) run() {
	type key struct{ method, collection, action string }
	switch (key{c.r.Method, c.collection, c.action}) {
	case key{"GET", "secrets", ""}:
		if c.version == "versions" {
			c.listVersions()
		} else {
			c.getSecret()
		}
	case key{"GET", "certificates", ""}:
		c.getCertificate()
	case key{"POST", "keys", "sign"}:
		c.sign()
	default:
		writeError(c.w, http.StatusNotFound, "NotFound", "Resource not found.", "")
	}
}

// permit reports whether the caller has the permission p. If not, it responds
// with the refusal.
func (c *call) permit(p Permission, action string) bool {
	f := c.vault.check(c.caller, p, action, c.r.URL.Path)
	if f != nil {
		f.write(c.w)
	}
	return f == nil
}

func (c *call) getSecret() {
	if !c.permit(GetSecrets, "Microsoft.KeyVault/vaults/secrets/getSecret/action") {
		return
	}
	v, before := c.vault.find(c.name, c.version)
	if v == nil {
		c.notFound("Secret")
		return
	}
	if v.disabled {
		(&forbidden{"SecretDisabled", "Operation get is not allowed on a disabled secret."}).write(c.w)
		return
	}
	bundle := v.attributes(service.Self(c.r))
	value, contentType, err := v.render(c.r.URL.Query().Get("outContentType"))
	if err != nil {
		writeError(c.w, http.StatusInternalServerError, "InternalServerError", "Internal Server Error", "")
		return
	}
	bundle["value"] = value
	if contentType != "" {
		bundle["contentType"] = contentType
	}
	if before != "" && v.cert != nil {
		bundle["previousVersion"] = before
	}
	service.WriteJSON(c.w, http.StatusOK, bundle)
}

// listVersions lists the versions without their values. Their order has no meaning,
// as in Azure.
func (c *call) listVersions() {
	if !c.permit(ListSecrets, "Microsoft.KeyVault/vaults/secrets/readMetadata/action") {
		return
	}
	list := []any{}
	for _, id := range c.vault.Versions(c.name) {
		if v, _ := c.vault.find(c.name, id); v != nil {
			_, contentType, _ := v.render("")
			item := v.attributes(service.Self(c.r))
			delete(item, "kid")
			item["contentType"] = contentType
			list = append(list, item)
		}
	}
	service.WriteJSON(c.w, http.StatusOK, map[string]any{"value": list, "nextLink": nil})
}

func (c *call) getCertificate() {
	if !c.permit(GetCertificates, "Microsoft.KeyVault/vaults/certificates/read") {
		return
	}
	v, _ := c.vault.find(c.name, c.version)
	if v == nil || v.cert == nil {
		c.notFound("Certificate")
		return
	}
	vault := service.Self(c.r)
	service.WriteJSON(c.w, http.StatusOK, map[string]any{
		"id":          v.url(vault, "certificates"),
		"kid":         v.url(vault, "keys"),
		"sid":         v.url(vault, "secrets"),
		"x5t":         base64Thumbprint(v.cert),
		"cer":         base64.StdEncoding.EncodeToString(v.cert.Leaf.Raw),
		"attributes":  v.attributes(vault)["attributes"],
		"policy":      map[string]any{"key_props": map[string]any{"exportable": v.cert.Exportable()}},
		"contentType": "application/x-pkcs12",
	})
}

// sign signs a digest with the key of a certificate.
func (c *call) sign() {
	if !c.permit(SignKeys, "Microsoft.KeyVault/vaults/keys/sign/action") {
		return
	}
	v, _ := c.vault.find(c.name, c.version)
	if v == nil || v.cert == nil {
		c.notFound("Key")
		return
	}
	if v.disabled {
		(&forbidden{"KeyDisabled", "Operation sign is not allowed on a disabled key."}).write(c.w)
		return
	}
	var request struct{ Alg, Value string }
	err := json.NewDecoder(io.LimitReader(c.r.Body, 16<<10)).Decode(&request)
	io.Copy(io.Discard, c.r.Body)
	digest, err2 := base64.RawURLEncoding.DecodeString(strings.TrimRight(request.Value, "="))
	if err != nil || err2 != nil {
		writeError(c.w, http.StatusBadRequest, "BadParameter", "Property value has invalid value", "")
		return
	}
	options, ok := map[string]crypto.SignerOpts{
		"RS256": crypto.SHA256,
		"PS256": &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256},
	}[request.Alg]
	if !ok || len(digest) != crypto.SHA256.Size() {
		writeError(c.w, http.StatusBadRequest, "BadParameter", fmt.Sprintf("Key and signing algorithm are incompatible, or the digest's length is wrong: %s.", request.Alg), "")
		return
	}
	sig, err := v.cert.Key.Sign(rand.Reader, digest, options)
	if err != nil {
		writeError(c.w, http.StatusBadRequest, "BadParameter", "Key and signing algorithm are incompatible.", "")
		return
	}
	service.WriteJSON(c.w, http.StatusOK, map[string]any{"kid": v.url(service.Self(c.r), "keys"), "value": base64.RawURLEncoding.EncodeToString(sig)})
}

func (c *call) notFound(kind string) {
	writeError(c.w, http.StatusNotFound, kind+"NotFound", fmt.Sprintf("A %s with (name/id) %s was not found in this key vault. If you recently deleted this %[1]s you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182", strings.ToLower(kind), strings.TrimSuffix(c.name+"/"+c.version, "/")), "")
}

// base64Thumbprint returns the SHA-1 thumbprint in the format of "x5t".
func base64Thumbprint(c *pki.Certificate) string {
	sum := pki.SHA1(c.Leaf.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
