package sidecar

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hmaproxy/internal/config"
	"hmaproxy/proxy"
)

// idle returns a product that is wired but not running: nothing of it reaches
// out, and its token never comes.
func idle(t testing.TB, log *slog.Logger, extra ...string) *app {
	t.Helper()
	const guid = "6a1de0b4-41c7-4c2f-8f5d-93f0b7a2d611"
	c, err := config.Load(append([]string{
		"HMA_EWS_URL=https://mail.contoso.com", "HMA_TENANT_ID=contoso.com", "HMA_APP_ID=" + guid,
		"HMA_KEY_VAULT_URI=https://contoso.vault.azure.net", "HMA_KEY_VAULT_CERT_NAME=HMA-Cert",
		"HMA_KEY_VAULT_APP_ID=" + guid, "HMA_KEY_VAULT_CLIENT_SECRET=" + vaultSecret,
	}, extra...), os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	a, err := newApp(Options{Config: c, Log: log, Version: "v1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

const vaultSecret = "canary-of-the-vault-secret"

// ask asks the admin listener the way a program on this machine does.
func (a *app) ask(uri string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, uri, nil)
	r.RemoteAddr, r.Host = "127.0.0.1:50000", "127.0.0.1:8081"
	for i := 0; i < len(header); i += 2 {
		switch name, value := header[i], header[i+1]; name {
		case "method":
			r.Method = value
		case "peer":
			r.RemoteAddr = value
		case "Host":
			r.Host = value
		default:
			r.Header.Add(name, value)
		}
	}
	w := httptest.NewRecorder()
	(&admin{app: a}).ServeHTTP(w, r)
	return w
}

// record returns what a served GetFolder leaves behind, changed by edit.
func record(edit func(*proxy.Record)) *proxy.Record {
	r := &proxy.Record{
		ID: "7f3c", Start: time.Now(), Duration: 20 * time.Millisecond, Remote: "127.0.0.1:40000", Method: "POST",
		Operation: "GetFolder", Known: "GetFolder", Mailbox: "alice@contoso.com", Status: 200, Upstream: 200, BytesIn: 100, BytesOut: 1000,
	}
	if edit != nil {
		edit(r)
	}
	return r
}

// write puts a file into a new folder and returns its path.
func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func contains(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, w := range wanted {
		if !strings.Contains(text, w) {
			t.Errorf("%q is missing", w)
		}
	}
}

func lacks(t *testing.T, text string, unwanted ...string) {
	t.Helper()
	for _, u := range unwanted {
		if strings.Contains(text, u) {
			t.Errorf("%q is there", u)
		}
	}
}

// spoilFile writes faulty content into a watched file and raises its alarm.
func spoilFile(t *testing.T, a *app, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("alice"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, f := range a.files {
			f.Reload(t.Context())
		}
	}
}
