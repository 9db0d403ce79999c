package main

import (
	"flag"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/deps.txt")

// list runs "go list" for linux/amd64, the most common platform, and returns
// the words of its output.
func list(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, err.(*exec.ExitError).Stderr)
	}
	return strings.Fields(string(out))
}

func TestShippedBinaryContainsNoTestCode(t *testing.T) {
	deps := list(t, "-deps", ".")
	if len(deps) < 100 {
		t.Fatalf("go list found %d packages", len(deps))
	}
	for _, unwanted := range []string{
		"hmaproxy/internal/emulator", "hmaproxy/internal/memnet", "hmaproxy/internal/ewstest", "testing", "testing/synctest", "net/http/httptest", "net/http/pprof",
	} {
		if i := slices.IndexFunc(deps, func(d string) bool { return d == unwanted || strings.HasPrefix(d, unwanted+"/") }); i >= 0 {
			t.Errorf("the binary contains %s", deps[i])
		}
	}
}

// TestDepsContainNoTemplates checks that the binary does not contain
// text/template. text/template calls methods by names that the linker does not
// know, so a binary that contains text/template keeps all exported methods of
// all its types. These methods add more than 2 MB.
func TestDepsContainNoTemplates(t *testing.T) {
	deps := list(t, "-deps", ".")
	if len(deps) < 100 {
		t.Fatalf("go list found %d packages", len(deps))
	}
	for _, unwanted := range []string{"text/template", "text/template/parse", "html/template"} {
		if slices.Contains(deps, unwanted) {
			t.Errorf("the binary contains %s", unwanted)
		}
	}
}

// TestDependencies keeps the list of all packages from outside the standard
// library, so that a new package is noticed in review. Run go test
// ./cmd/hmaproxy -update to rewrite it.
func TestDependencies(t *testing.T) {
	got := strings.Join(list(t, "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "."), "\n") + "\n"
	lines := strings.Split(strings.TrimSpace(got), "\n")
	slices.Sort(lines)
	got = strings.Join(lines, "\n") + "\n"
	const golden = "testdata/deps.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	for _, line := range lines {
		if !strings.Contains("\n"+string(want), "\n"+line+"\n") {
			t.Errorf("new: %s", line)
		}
	}
	for line := range strings.Lines(string(want)) {
		if !slices.Contains(lines, strings.TrimSpace(line)) {
			t.Errorf("gone: %s", strings.TrimSpace(line))
		}
	}
}

// TestPublicPackagesAreIndependent checks that the packages proxy, token and
// certsource import no package of this module except their own sub-packages and
// helpers that import only the standard library. It also checks that
// internal/emulator imports only the standard library, its own sub-packages and
// internal/memnet.
func TestPublicPackagesAreIndependent(t *testing.T) {
	leaves := []string{"hmaproxy/internal/ascii", "hmaproxy/internal/lazyregexp", "hmaproxy/internal/nearest", "hmaproxy/internal/printable", "hmaproxy/internal/retryafter"}
	for _, leaf := range leaves {
		for _, path := range list(t, "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", leaf) {
			if path != leaf {
				t.Errorf("%s imports %s", leaf, path)
			}
		}
	}
	for _, root := range []string{"proxy", "token", "certsource"} {
		imports := list(t, "-f", `{{join .Imports "\n"}}`, "hmaproxy/"+root+"/...")
		if len(imports) < 5 {
			t.Fatalf("%s: go list found %d imports", root, len(imports))
		}
		for _, path := range imports {
			if strings.HasPrefix(path, "hmaproxy/") && !strings.HasPrefix(path, "hmaproxy/"+root+"/") && path != "hmaproxy/"+root && !slices.Contains(leaves, path) {
				t.Errorf("%s imports %s", root, path)
			}
		}
	}
	for _, path := range list(t, "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "hmaproxy/internal/emulator") {
		if path != "hmaproxy/internal/emulator" && !strings.HasPrefix(path, "hmaproxy/internal/emulator/") && path != "hmaproxy/internal/memnet" {
			t.Errorf("the emulator imports %s", path)
		}
	}
}
