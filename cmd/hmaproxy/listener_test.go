package main

import (
	"encoding/base64"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/ewstest"
)

// TestClientAuthenticationAndHardening checks that clients need credentials,
// that there are no debugging handlers, and that the process dumps no memory.
func TestClientAuthenticationAndHardening(t *testing.T) {
	line, err := hash(t, "pass-canary\n", "-name", "crm", "-mailboxes", "alice@contoso.com")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	e := newEmulator(t, emulator.Config{})
	p := start(t, settings(t, e, "HMA_CLIENT_USERS_FILE="+file))
	p.ready()
	basic := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	for _, tc := range []struct {
		name, authorization, mailbox string
		want, arrivals               int
	}{
		{"no credentials", "", "alice@contoso.com", 401, 0},
		{"a wrong password", basic("crm", "wrong-canary"), "alice@contoso.com", 401, 0},
		{"a token of its own", "Bearer eyJ.a.b", "alice@contoso.com", 401, 0},
		{"NTLM", "NTLM TlRMTVNTUAADAAAA", "alice@contoso.com", 401, 0},
		{"the right password", basic("crm", "pass-canary"), "alice@contoso.com", 200, 1},
		{"the right password, another mailbox", basic("crm", "pass-canary"), "bob@contoso.com", 500, 0},
	} {
		e.Exchange().ClearHops()
		var header []string
		if tc.authorization != "" {
			header = []string{"Authorization", tc.authorization}
		}
		resp, _ := p.post(ewstest.Envelope(tc.mailbox, getFolder), header...)
		if resp.StatusCode != tc.want || e.Exchange().Count() != tc.arrivals {
			t.Errorf("%s: status %d, %d requests reached Exchange", tc.name, resp.StatusCode, e.Exchange().Count())
		}
	}
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/debug/requests", "/debug/events"} {
		for _, address := range []string{p.admin, p.clients} {
			resp, err := http.Get("http://" + address + path)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: status %s", path, resp.Status)
			}
		}
	}
	if runtime.GOOS == "linux" {
		limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", p.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		if fields := strings.Fields(lineOf(string(limits), "Max core file size")); len(fields) < 6 || fields[4] != "0" || fields[5] != "0" {
			t.Errorf("limits on core dumps: %q", fields)
		}
	}
	if strings.Contains(p.log(), "canary") || strings.Contains(p.log(), "$2a$") {
		t.Error("the log holds a password or a hash")
	}
}

// lineOf returns the first line of text that begins with prefix, "" if there is
// none.
func lineOf(text, prefix string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) {
			return line
		}
	}
	return ""
}

func TestSwitchesThatPrintTokensAreRefused(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	e := newEmulator(t, emulator.Config{})
	for _, extra := range []string{"GODEBUG=http2debug=1", "GODEBUG=http2debug=2", "AZURE_SDK_GO_LOGGING=all", "HMA_UNSAFE_LISTEN_ANY=true", "HMA_LISTEN=0.0.0.0:0"} {
		cmd := exec.Command(path)
		cmd.Env = settings(t, e, extra)
		out, _ := cmd.CombinedOutput()
		name, _, _ := strings.Cut(extra, "=")
		if name == "HMA_UNSAFE_LISTEN_ANY" {
			name = "HMA_CLIENT_USERS_FILE" // the error names the setting that is missing
		}
		if code := cmd.ProcessState.ExitCode(); code != exitSettings || !strings.Contains(string(out), name+":") && !strings.Contains(string(out), name+" ") {
			t.Errorf("%s: exit code %d\n%s", extra, code, out)
		}
	}
}

// TestNothingServesTheDefaultMux checks that no server has a nil handler, which
// means http.DefaultServeMux. Libraries register debugging handlers there: expvar
// does, and Prometheus's library imports expvar.
func TestNothingServesTheDefaultMux(t *testing.T) {
	if deps := list(t, "-deps", "."); strings.Contains(strings.Join(deps, "\n"), "net/http/pprof") {
		t.Error("the binary contains net/http/pprof")
	}
	files := list(t, "-deps", "-f", `{{if not .Standard}}{{$d := .Dir}}{{if eq .Module.Path "hmaproxy"}}{{range .GoFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{end}}{{end}}`, ".")
	servers := 0
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "http" {
					switch n.Sel.Name {
					case "DefaultServeMux", "Handle", "HandleFunc", "ListenAndServe", "ListenAndServeTLS", "Serve", "ServeTLS":
						t.Errorf("%s uses http.%s", file, n.Sel.Name)
					}
				}
			case *ast.CompositeLit:
				if s, ok := n.Type.(*ast.SelectorExpr); ok && s.Sel.Name == "Server" {
					servers++
					if !sets(n, "Handler") || !sets(n, "DisableGeneralOptionsHandler") {
						t.Errorf("%s: a server without a handler of its own", file)
					}
				}
			}
			return true
		})
	}
	if len(files) < 50 || servers != 2 {
		t.Errorf("%d servers in %d files; there are two listeners", servers, len(files))
	}
}

// sets reports whether a composite literal sets a field.
func sets(lit *ast.CompositeLit, field string) bool {
	for _, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); ok && key.Name == field {
				return true
			}
		}
	}
	return false
}
