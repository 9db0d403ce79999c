package release_test

import (
	"slices"
	"testing"
	"testing/fstest"

	"hmaproxy/internal/release"
)

func TestIncludes(t *testing.T) {
	for name, want := range map[string]bool{
		"README.md":                                true,
		"CONTRIBUTING.md":                          false,
		"docs/setup.md":                            true,
		"docs/architecture.md":                     false,
		"docs/pictures/x.md":                       false,
		"deploy/azure/setup.sh":                    true,
		"deploy/azure/setup_test.go":               false,
		"deploy/azure/testdata/az":                 false,
		"deploy/azure/terraform/vault.tf":          true,
		"deploy/azure/terraform/tests/vault.env":   false,
		"deploy/azure/terraform/.terraform/x":      false,
		"deploy/azure/terraform/terraform.tfstate": false,
		"deploy/check/go.mod":                      false,
		"deploy/compose/compose.yaml":              true,
		"deploy/compose/dev.yaml":                  false,
		"cmd/hmaproxy/main.go":                     false,
	} {
		if got := release.Includes(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestFill(t *testing.T) {
	origin := release.Origin{Repository: "Contoso/Proxy", Version: "v1.2.3"}
	for text, want := range map[string]string{
		"https://github.com/OWNER/hmaproxy/releases":            "https://github.com/Contoso/Proxy/releases",
		"docker pull ghcr.io/OWNER/hmaproxy:latest":             "docker pull ghcr.io/contoso/proxy:latest",
		"brew install OWNER/tap/hmaproxy":                       "brew install Contoso/tap/hmaproxy",
		"image: hmaproxy:latest # here":                         "image: ghcr.io/contoso/proxy:v1.2.3 # here",
		"    newName: hmaproxy\n    newTag: latest":             "    newName: ghcr.io/contoso/proxy\n    newTag: v1.2.3",
		"  repository: ghcr.io/OWNER/hmaproxy\n  tag: latest\n": "  repository: ghcr.io/contoso/proxy\n  tag: v1.2.3\n",
		"version: 0.0.0\nappVersion: v0.0.0\n":                  "version: 1.2.3\nappVersion: v1.2.3\n",
		"    version: 0.0.0\n":                                  "    version: 0.0.0\n",
		"image: your-sync-software:latest":                      "image: your-sync-software:latest",
	} {
		if got := string(origin.Fill([]byte(text))); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
		if got := string(release.Origin{}.Fill([]byte(text))); got != text {
			t.Errorf("without an origin %q becomes %q", text, got)
		}
	}
}

func newTree(t *testing.T, files map[string]string) *release.Tree {
	t.Helper()
	all := fstest.MapFS{}
	for name, text := range files {
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	tree, err := release.NewTree(all)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestDeadLinks(t *testing.T) {
	tree := newTree(t, map[string]string{
		"README.md":   "[a](docs/a.md) [b](docs/b.md) [c](docs/a.md#a-heading-of-it) [d](docs/a.md#none) [e](#here) [f](https://example.com/x) [g](docs) [h](docs/a.md#by-id)\n\n# Here\n",
		"docs/a.md":   "## A `heading` of it\n<a id=\"by-id\"></a>\n[up](../README.md)\n```\n[no link](nowhere.md)\n```\n",
		"docs/c.yaml": "[no document](nowhere.md)",
	})
	want := []string{"README.md: docs/b.md is not there", "README.md: docs/a.md#none has no such heading"}
	if got := tree.DeadLinks(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestPlantedLinks checks that dead links are found in all forms that links have
// in Markdown.
func TestPlantedLinks(t *testing.T) {
	for name, text := range map[string]string{
		"link":                 "[a](none.md)",
		"title":                "[a](none.md \"A title\")",
		"angle brackets":       "[a](<none.md>)",
		"picture":              "![a](none.png)",
		"picture as a link":    "[![a](x.png)](none.md)",
		"reference":            "[a][b]\n\n[b]: none.md\n",
		"reference, title":     "[b]: none.md 'A title'\n",
		"HTML link":            "<a href=\"none.md\">a</a>",
		"HTML picture":         "<IMG alt=\"\" SRC='none.png'>",
		"folder":               "[a](none/)",
		"above the archive":    "[a](../../x.md)",
		"from the top":         "[a](/deploy/README.md)",
		"capitals":             "[a](X.md)",
		"table":                "| a | b |\n|---|---|\n| [a](none.md) | b |\n",
		"list":                 "- a\n  - [a](none.md)\n",
		"quotation":            "> [a](none.md)\n",
		"anchor":               "[a](#none)",
		"anchor elsewhere":     "[a](x.md#none)",
		"comment as a heading": "[a](#a-comment)\n\n```sh\n# A comment\n```\n",
		"the other fence":      "[a](#a-comment)\n\n~~~sh\n# A comment\n~~~\n",
	} {
		tree := newTree(t, map[string]string{"deploy/README.md": text, "deploy/x.md": "# X\n", "deploy/x.png": ""})
		if got := tree.DeadLinks(); len(got) != 1 {
			t.Errorf("%s: %q", name, got)
		}
	}
	alive := "[a](x.md 'A title') ![b](x.png) [c](https://example.com/none) [d](mailto:x@example.com) <a href=\"x.md#x\">e</a>\n\n[f]: x.md\n"
	if got := newTree(t, map[string]string{"deploy/README.md": alive, "deploy/x.md": "# X\n", "deploy/x.png": ""}).DeadLinks(); got != nil {
		t.Errorf("%q", got)
	}
}

// TestPlantedPaths checks that MissingPaths also examines the files that are not
// documents. Each of these files names something that the archive does not contain.
func TestPlantedPaths(t *testing.T) {
	for name, text := range map[string]string{
		"deploy/x.yaml":    "# See docs/none.md.\na: b\n",
		"deploy/x.json":    `{"comment": "see docs/none.md"}`,
		"deploy/x.1":       ".TP\nSee docs/none.md.\n",
		"deploy/x.sh":      "# ./none.sh does it\n",
		"deploy/x.ps1":     `# See deploy\none\README.md.`,
		"deploy/x.service": "# docs/none.md has them.\n",
		"deploy/x.env":     "# go run ./cmd/x\n",
		"deploy/x.tf":      "# see \"docs/none.md\"\n",
	} {
		tree := newTree(t, map[string]string{name: text, "docs/x.md": "", "cmd/x": ""})
		if got := tree.MissingPaths(); len(got) != 1 {
			t.Errorf("%s: %q", name, got)
		}
	}
	tree := newTree(t, map[string]string{"deploy/x.yaml": "# See docs/x.md, or docs/x.md.\n# Generated by go generate ./cmd/x.\n", "docs/x.md": ""})
	if got := tree.MissingPaths(); got != nil {
		t.Errorf("%q", got)
	}
}

func TestMissingPaths(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		missing    int
	}{
		{"from the top", "Run `deploy/x/run.sh`.", 0},
		{"from its folder", "Run `./run.sh`.", 0},
		{"Windows", `Run ` + "`" + `.\run.sh` + "`" + ` or ` + "`" + `deploy\x\run.sh` + "`.", 0},
		{"not there", "Run `./stop.sh`.", 1},
		{"source code", "See `scripts/x.sh` and `.ci/run`.", 2},
		{"go", "Run `go run ./cmd/x`.", 2},
		{"after cd", "Do:\n\n    cd y\n    ./z.sh\n    ./run.sh\n", 0},
		{"after cd, in a fence", "```sh\ncd deploy/x/y\n./z.sh\n```\n", 0},
		{"without cd", "Do:\n\n    ./z.sh\n", 1},
		{"cd ends with its block", "```sh\ncd y\n```\n```sh\n./z.sh\n```\n", 1},
		{"made by a command", "Do `cat ./made`.", 0},
		{"absolute", "Edit `/etc/hmaproxy/docs/x`.", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tree := newTree(t, map[string]string{"deploy/x/README.md": tc.text, "deploy/x/run.sh": "", "deploy/x/y/z.sh": ""})
			if got := tree.MissingPaths("./made"); len(got) != tc.missing {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestSourceMarks(t *testing.T) {
	tracked := []string{"README.md"}
	for i := range 40 { // Files refuses a small number of files
		tracked = append(tracked, "docs/"+string(rune('a'+i%26))+string(rune('a'+i/26))+".md")
	}
	for _, tc := range []struct{ name, text, want string }{
		{"in a line", "Tests<!-- source --> (`go test`)<!-- /source --> pass.\n", "Tests pass.\n"},
		{"lines", "A\n<!-- source -->\nB\n<!-- /source -->\nC\n", "A\nC\n"},
		{"none", "A\n", "A\n"},
		{"not closed", "A<!-- source -->B", ""},
		{"one within another", "A<!-- source -->B<!-- source -->C<!-- /source -->", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			source := fstest.MapFS{}
			for _, name := range tracked {
				source[name] = &fstest.MapFile{Data: []byte("x")}
			}
			source["README.md"] = &fstest.MapFile{Data: []byte(tc.text)}
			files, err := release.Origin{}.Files(source, tracked)
			if (err != nil) != (tc.want == "") || string(files["README.md"]) != tc.want {
				t.Errorf("%q, %v", files["README.md"], err)
			}
		})
	}
}
