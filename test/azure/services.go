package main

import (
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

func list(all ...object) object {
	values := []object{}
	return object{"value": append(values, all...)}
}

func refusal(code string) object {
	return object{"error": object{"code": code, "message": code + ": said the recording's cloud"}}
}

var quoted = regexp.MustCompile(`'([^']*)'`)

// filter returns the quoted value of the request's filter.
func (r *request) filter() string {
	m := quoted.FindStringSubmatch(r.URL.Query().Get("$filter"))
	if m == nil {
		return ""
	}
	return m[1]
}

// --- Resource Manager ---

// roleNames are the ids of the built-in roles, by the roles' names. The ids are
// the same in every tenant.
var roleNames = map[string]string{
	"Key Vault Secrets User":         "4633458b-17de-408a-b874-0445c86b69e6",
	"Key Vault Certificate User":     "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba",
	"Key Vault Crypto User":          "12338af0-0e69-4776-bea7-57ae8d297424",
	"Key Vault Certificates Officer": "a4417e6f-fecd-4de8-b567-7b0420556985",
}

func (c *cloud) manager(r *request) (int, any) {
	p := r.URL.Path
	switch {
	case p == "/subscriptions":
		return 200, list(object{"id": p + "/" + subscription, "subscriptionId": subscription, "displayName": "mail", "state": "Enabled", "tenantId": tenantID})
	case p == "/tenants":
		return 200, list(object{"id": "/tenants/" + tenantID, "tenantId": tenantID})
	case strings.HasSuffix(p, "/resources"):
		result := list()
		for id, v := range c.vaults {
			result["value"] = []object{{"id": id, "name": v["name"], "type": "Microsoft.KeyVault/vaults", "location": "westeurope"}}
		}
		return 200, result
	case strings.Contains(p, "/deletedVaults/"):
		return 404, refusal("DeletedVaultNotFound")
	case strings.HasSuffix(p, "/roleDefinitions"):
		return 200, list(definitions(r.filter())...)
	case strings.HasSuffix(p, "/roleAssignments"):
		return 200, list(c.assigned(r.filter())...)
	case strings.Contains(p, "/roleAssignments/") && r.Method == "PUT":
		properties, _ := r.body["properties"].(object)
		properties["scope"] = strings.Split(p, "/providers/Microsoft.Authorization/")[0]
		a := object{"id": p, "name": path.Base(p), "type": "Microsoft.Authorization/roleAssignments", "properties": properties}
		c.roles = append(c.roles, a)
		return 201, a
	case strings.Contains(p, "/roleAssignments/") && r.Method == "DELETE":
		c.roles = slices.DeleteFunc(c.roles, func(a object) bool { return a["id"] == p })
		return 200, object{"id": p}
	case strings.Contains(p, "/Microsoft.KeyVault/vaults/"):
		return c.resource(r)
	}
	return 0, nil
}

func (c *cloud) resource(r *request) (int, any) {
	if r.Method == "PUT" {
		name := path.Base(r.URL.Path)
		v := object{"id": r.URL.Path, "name": name, "type": "Microsoft.KeyVault/vaults", "location": r.body["location"], "properties": r.body["properties"]}
		v["properties"].(object)["vaultUri"] = "https://" + name + ".vault.azure.net/"
		c.vaults[r.URL.Path] = v
	}
	if v := c.vaults[r.URL.Path]; v != nil {
		return 200, v
	}
	return 404, refusal("ResourceNotFound")
}

func definitions(name string) (all []object) {
	for n, id := range roleNames {
		if name == "" || name == n {
			all = append(all, object{"id": "/subscriptions/" + subscription + "/providers/Microsoft.Authorization/roleDefinitions/" + id,
				"name": id, "type": "Microsoft.Authorization/roleDefinitions", "properties": object{"roleName": n, "type": "BuiltInRole"}})
		}
	}
	return all
}

func (c *cloud) assigned(principal string) (all []object) {
	for _, a := range c.roles {
		if principal == "" || a["properties"].(object)["principalId"] == principal {
			all = append(all, a)
		}
	}
	return all
}

// --- Graph ---

func (c *cloud) graph(r *request) (int, any) {
	p := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1.0/"), "/")
	switch {
	case p[0] == "me":
		return 200, object{"id": operator, "userPrincipalName": "admin@contoso.com"}
	case p[0] == "directoryObjects":
		return 200, list(c.objects(r)...)
	case p[0] == "applications" && len(p) == 1 && r.Method == "POST":
		app := object{"id": c.id(), "appId": c.id(), "passwordCredentials": []any{}, "keyCredentials": []any{}, "requiredResourceAccess": []any{}}
		for k, v := range r.body {
			app[k] = v
		}
		app["owners"] = []object{{"@odata.type": "#microsoft.graph.user", "id": operator}} // Graph makes the creator an owner
		c.apps = append(c.apps, app)
		return 201, app
	case p[0] == "servicePrincipals" && len(p) == 1 && r.Method == "POST":
		sp := object{"id": c.id(), "appId": r.body["appId"], "servicePrincipalNames": []any{r.body["appId"]}, "passwordCredentials": []any{}, "keyCredentials": []any{}}
		c.sps = append(c.sps, sp)
		return 201, sp
	case p[0] == "applications":
		return c.entity(r, c.apps, p[1:])
	case p[0] == "servicePrincipals":
		return c.entity(r, c.sps, p[1:])
	}
	return 0, nil
}

// objects returns the objects whose ids the request lists.
func (c *cloud) objects(r *request) (found []object) {
	ids, _ := r.body["ids"].([]any)
	for _, id := range ids {
		if id == operator {
			found = append(found, object{"@odata.type": "#microsoft.graph.user", "id": operator, "userPrincipalName": "admin@contoso.com"})
		}
		for _, sp := range matching(c.sps, id.(string)) {
			sp["@odata.type"] = "#microsoft.graph.servicePrincipal"
			found = append(found, sp)
		}
	}
	return found
}

func (c *cloud) entity(r *request, all []object, p []string) (int, any) {
	if len(p) == 0 {
		return 200, list(matching(all, r.filter())...)
	}
	found := matching(all, p[0])
	if len(found) == 0 {
		return 404, refusal("Request_ResourceNotFound")
	}
	e := found[0]
	switch {
	case len(p) == 1 && r.Method == "PATCH":
		for k, v := range r.body {
			e[k] = v
		}
		thumbprints(e)
		return 204, nil
	case len(p) == 1:
		return 200, e
	case p[1] == "owners":
		owners, _ := e["owners"].([]object)
		return 200, list(owners...)
	case p[1] == "federatedIdentityCredentials":
		return 200, list()
	case p[1] == "addPassword":
		secret, _ := r.body["passwordCredential"].(object)
		secret["keyId"] = c.id()
		e["passwordCredentials"] = append(e["passwordCredentials"].([]any), secret)
		return 200, object{"keyId": secret["keyId"], "secretText": "Kv8~made-by-the-recording"}
	case p[1] == "appRoleAssignments" && r.Method == "POST":
		r.body["id"] = c.id()
		c.grants[p[0]] = append(c.grants[p[0]], r.body)
		return 201, r.body
	case p[1] == "appRoleAssignments":
		return 200, list(c.grants[p[0]]...)
	}
	return 0, nil
}

// matching returns the objects that have the value as an id or a name.
func matching(all []object, value string) (found []object) {
	for _, e := range all {
		names, _ := e["servicePrincipalNames"].([]any)
		for _, name := range append([]any{e["id"], e["appId"], e["displayName"]}, names...) {
			if name == value {
				found = append(found, e)
				break
			}
		}
	}
	return found
}

// thumbprints sets customKeyIdentifier of new certificates to their SHA-1, as Graph
// does.
func thumbprints(app object) {
	keys, _ := app["keyCredentials"].([]any)
	for _, k := range keys {
		key, _ := k.(object)
		text, _ := key["key"].(string)
		if raw, err := base64.StdEncoding.DecodeString(text); err == nil && len(raw) > 0 {
			sum := sha1.Sum(raw)
			key["customKeyIdentifier"] = base64.StdEncoding.EncodeToString(sum[:])
			key["key"] = nil // Graph does not return the key
		}
	}
}

// --- Key Vault ---

func (c *cloud) vault(r *request) (int, any) {
	p := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(p) < 2 || p[0] != "certificates" {
		return 0, nil
	}
	base := "https://" + r.Host + "/certificates/" + p[1]
	switch {
	case len(p) == 3 && (p[2] == "create" || p[2] == "import"):
		der, err := c.issue()
		if err != nil {
			return 500, refusal(err.Error())
		}
		sum := sha1.Sum(der)
		c.certs[p[1]] = object{"id": base + "/11111111111111111111111111111111", "x5t": base64.RawURLEncoding.EncodeToString(sum[:]),
			"cer": base64.StdEncoding.EncodeToString(der), "attributes": object{"enabled": true}, "policy": r.body["policy"]}
		if p[2] == "import" {
			return 200, c.certs[p[1]]
		}
		return 202, object{"id": base + "/pending", "status": "inProgress", "target": base}
	case len(p) == 3 && p[2] == "pending":
		return 200, object{"id": base + "/pending", "status": "completed", "target": base}
	case c.certs[p[1]] != nil:
		return 200, c.certs[p[1]]
	}
	return 404, refusal("CertificateNotFound")
}

func (c *cloud) issue() ([]byte, error) {
	cert := &x509.Certificate{SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "HMA-Cert"}, NotBefore: time.Now(), NotAfter: time.Now().AddDate(1, 0, 0)}
	return x509.CreateCertificate(rand.Reader, cert, cert, c.key.Public(), c.key)
}
