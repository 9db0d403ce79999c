package keyvault

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"hmaproxy/internal/emulator/jwt"
)

// A Permission is the right to one kind of operation in the vault.
type Permission string

const (
	GetSecrets      Permission = "secrets/get"
	ListSecrets     Permission = "secrets/list"
	GetCertificates Permission = "certificates/get"
	SignKeys        Permission = "keys/sign"
)

// Access holds the permissions of applications in a vault. It is safe for
// concurrent use.
type Access struct {
	mu          sync.Mutex
	permissions map[string][]Permission // by application
	rbac        bool
	firewall    bool
}

// Permit sets an application's permissions. By default the configured application
// has all of them, and others have none.
func (a *Access) Permit(appID string, permissions ...Permission) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.permissions[appID] = permissions
}

// SetRBAC chooses the error for a missing permission. If on is true, it is the
// error of role assignments, otherwise the error of access policies.
func (a *Access) SetRBAC(on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rbac = on
}

// SetFirewall chooses whether the vault's firewall refuses every address.
func (a *Access) SetFirewall(on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.firewall = on
}

// A forbidden is the reason for a response of status 403.
type forbidden struct{ inner, message string }

// checkAddress returns the refusal of the vault's firewall, or nil.
func (a *Access) checkAddress(caller *jwt.Token) *forbidden {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.firewall {
		return nil
	}
	return &forbidden{"ForbiddenByFirewall", "Client address is not authorized and caller is not a trusted service.\r\nClient address: 203.0.113.7\r\nCaller: " + callerText(caller) + "\r\nVault: " + vaultText}
}

// check returns a refusal if the caller does not have the permission p, or nil.
// The action is the name of p in role assignments.
func (a *Access) check(caller *jwt.Token, p Permission, action, path string) *forbidden {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case slices.Contains(a.permissions[caller.Text("appid")], p):
		return nil
	case a.rbac:
		return &forbidden{"ForbiddenByRbac", fmt.Sprintf("Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: %s\r\nAction: '%s'\r\nResource: '%s'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\nVault: %s\r\n", callerText(caller), action, path, vaultText)}
	}
	collection, verb, _ := strings.Cut(string(p), "/")
	return &forbidden{"ForbiddenByPolicy", fmt.Sprintf("The user, group or application '%s' does not have %s %s permission on key vault '%s'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287", callerText(caller), collection, verb, vaultText)}
}

func (f *forbidden) write(w http.ResponseWriter) {
	writeError(w, http.StatusForbidden, "Forbidden", f.message, f.inner)
}

const vaultText = "contoso;location=westeurope"

func callerText(j *jwt.Token) string {
	return fmt.Sprintf("appid=%s;oid=%s;iss=%s", j.Text("appid"), j.Text("oid"), j.Text("iss"))
}
