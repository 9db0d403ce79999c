package main

import (
	"cmp"
	"go/scanner"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"hmaproxy/internal/release"
)

// archive returns the files of a release archive. The programs in it are empty
// files.
func archive(t *testing.T) fstest.MapFS {
	t.Helper()
	root := filepath.Join("..", "..")
	var names []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	files, err := release.Origin{}.Files(os.DirFS(root), names)
	if err != nil {
		t.Fatal(err)
	}
	all := fstest.MapFS{"hmaproxy": {}, "hmaproxy.exe": {}, "LICENSES-of-dependencies.txt": {}}
	for name, data := range files {
		all[name] = &fstest.MapFile{Data: data}
	}
	return all
}

func archiveTree(t *testing.T) *release.Tree {
	t.Helper()
	tree, err := release.NewTree(archive(t))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// TestArchiveHolds checks that an archive has the files that a user needs, and
// no files of the tests.
func TestArchiveHolds(t *testing.T) {
	all := archive(t)
	for _, name := range []string{
		"README.md", "LICENSE", "docs/setup.md", "docs/configuration.md", "docs/operations.md",
		"deploy/azure/setup.sh", "deploy/azure/terraform/vault.tf", "deploy/azure/Export-AllowList.ps1",
		"deploy/monitoring/hmaproxy.rules.yaml", "deploy/man/hmaproxy.1", "deploy/completions/hmaproxy.bash",
		"deploy/systemd/hmaproxy.service", "deploy/windows/install.ps1", "deploy/kubernetes/base/kustomization.yaml",
	} {
		if all[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	for name := range all {
		if strings.Contains(name, "test") && !strings.HasSuffix(name, ".rules.test.yaml") {
			t.Errorf("%s is for developers", name)
		}
	}
}

// TestLinksOfArchive checks that every link of a document in an archive leads
// to a file or heading of the archive.
func TestLinksOfArchive(t *testing.T) {
	tree := archiveTree(t)
	if len(tree.Documents()) < 12 {
		t.Fatalf("only these documents: %q", tree.Documents())
	}
	for _, dead := range tree.DeadLinks() {
		t.Error(dead)
	}
}

// TestPathsOfArchive checks that an archive contains every path that its
// documents show as code, and every path in the texts of the program.
func TestPathsOfArchive(t *testing.T) {
	for _, missing := range archiveTree(t).MissingPaths("./client-secret", "./hmaproxy_amd64.deb", "./mailboxes.txt") {
		t.Error(missing)
	}
	all := archive(t)
	path := regexp.MustCompile(`\b(?:deploy|docs)/[\w./-]*\w`)
	found := 0
	for file, text := range sources(t, "../../internal/doctor", "../../internal/config", "../../token", "../../certsource", "../../proxy", ".") {
		for _, name := range path.FindAllString(text, -1) {
			if found++; all[name] == nil && !isFolder(all, name) {
				t.Errorf("%s names %s, which no archive holds", file, name)
			}
		}
	}
	if found < 5 {
		t.Errorf("only %d paths found", found)
	}
}

func isFolder(all fstest.MapFS, name string) bool {
	info, err := fs.Stat(all, name)
	return err == nil && info.IsDir()
}

// sources returns the text of the Go files in folders, by path, without
// comments and without test files.
func sources(t *testing.T, folders ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, folder := range folders {
		names, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v", folder, err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = withoutComments(t, data)
		}
	}
	return all
}

// withoutComments returns the Go code in data without its comments.
func withoutComments(t *testing.T, data []byte) string {
	t.Helper()
	files := token.NewFileSet()
	var s scanner.Scanner
	s.Init(files.AddFile("", -1, len(data)), data, func(at token.Position, text string) { t.Fatalf("%v: %s", at, text) }, 0)
	var all strings.Builder
	for {
		_, kind, text := s.Scan()
		if kind == token.EOF {
			return all.String()
		}
		all.WriteString(cmp.Or(text, kind.String()))
		all.WriteByte('\n')
	}
}

func TestWithoutComments(t *testing.T) {
	code := "const a = \"https://contoso.com, docs/a.md\" // docs/b.md\n/* docs/c.md */ const b = `docs/d.md // docs/e.md`\n"
	got := withoutComments(t, []byte(code))
	for path, want := range map[string]bool{"docs/a.md": true, "docs/b.md": false, "docs/c.md": false, "docs/d.md": true, "docs/e.md": true} {
		if strings.Contains(got, path) != want {
			t.Errorf("contains %s: %v, want %v:\n%s", path, !want, want, got)
		}
	}
}

// TestCommandsOfArchive checks that the program has every command and flag that
// the documents of an archive show as code.
func TestCommandsOfArchive(t *testing.T) {
	flags := flagsByCommand()
	verbs := map[string][]string{}
	for _, c := range commands() {
		verbs[c.name] = c.choices
	}
	found := 0
	for _, code := range archiveTree(t).Code() {
		if call := release.CallOf(code.Text); call != nil {
			found++
			checkCommandLine(t, code.Document, call, flags)
			if verb := release.VerbOf(code.Text); verb != "" && verbs[call[0]] != nil && !slices.Contains(verbs[call[0]], verb) {
				t.Errorf("%s: %q: hmaproxy %s has no %s", code.Document, code.Text, call[0], verb)
			}
		}
	}
	// In comments and manifests the word after "hmaproxy" may be ordinary text.
	// Only a command name with a flag after it is checked.
	for _, code := range archiveTree(t).Lines() {
		if call := release.CallOf(code.Text); len(call) > 1 && slices.Contains(slices.Collect(maps.Keys(flags)), call[0]) {
			checkCommandLine(t, code.Document, call, flags)
		}
	}
	if found < 25 {
		t.Errorf("only %d commands found", found)
	}
}

// TestCallOf tests which lines are calls of the program.
func TestCallOf(t *testing.T) {
	for line, want := range map[string]string{
		"hmaproxy -env-file hmaproxy.env   # serves":                  "serve -env-file",
		"sudo hmaproxy init -o /etc/hmaproxy/hmaproxy.env":            "init -o",
		`& 'C:\Program Files\hmaproxy\hmaproxy.exe' service start`:    "service",
		"docker run -d --name hmaproxy --env-file hmaproxy.env image": "",
		"sudo systemctl enable --now hmaproxy":                        "",
		"/hmaproxy health ready":                                      "health",
		"hmaproxy.exe service install -env-file x":                    "service -env-file",
		"a captured hmaproxy -nope":                                   "serve -nope",
		"sudo install -o hmaproxy -g hmaproxy x y":                    "",
		"cd hmaproxy": "",
	} {
		if got := strings.Join(release.CallOf(line), " "); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
