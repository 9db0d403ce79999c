//go:build unix

package config

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestPipesAreRefused checks that a setting that names a pipe is refused, with
// an error that names the setting. Opening a pipe without a writer would block.
func TestPipesAreRefused(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, without := range map[string][]string{
		"HMA_CERT_FILE":                    {"HMA_KEY_VAULT_URI", "HMA_KEY_VAULT_CERT_NAME", "HMA_KEY_VAULT_APP_ID", "HMA_KEY_VAULT_CLIENT_SECRET"},
		"HMA_KEY_VAULT_CLIENT_SECRET_FILE": {"HMA_KEY_VAULT_CLIENT_SECRET"},
		"HMA_ALLOWED_MAILBOXES_FILE":       {"HMA_ALLOWED_MAILBOXES"},
		"HMA_CA_FILE":                      nil,
		"HMA_CLIENT_USERS_FILE":            nil,
	} {
		env := fromVault().with(vars{name: pipe})
		for _, w := range without {
			env = env.with(vars{w: "-"})
		}
		_, err := Load(env.environ(), ReadAtStart)
		if err == nil || !strings.Contains(err.Error(), name+": names a pipe, socket or device; expected a regular file") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
