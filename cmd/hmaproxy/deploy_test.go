package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hmaproxy/internal/config"
)

// deployFiles returns the text of every file in deploy that users copy, by its
// path below deploy.
func deployFiles(t *testing.T) map[string]string {
	t.Helper()
	root := filepath.Join("..", "..", "deploy")
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && slices.Contains([]string{"check", "testdata", "man", "completions"}, entry.Name()) { // man and completions are generated
			return fs.SkipDir
		}
		if entry.IsDir() || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		data, err := os.ReadFile(path)
		if name, relErr := filepath.Rel(root, path); relErr == nil {
			all[filepath.ToSlash(name)] = string(data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, must := range []string{
		"hmaproxy.env.example", "systemd/hmaproxy.service", "compose/compose.yaml", "windows/install.ps1",
		"kubernetes/pod.yaml", "kubernetes/components/sidecar/sidecar.yaml", "kubernetes/overlays/gateway/hmaproxy.env",
	} {
		if all[must] == "" {
			t.Fatalf("deploy/%s is missing", must)
		}
	}
	return all
}

// TestVariablesOfDeployExist checks that every name in deploy that looks like a
// setting is a setting. Otherwise hmaproxy would refuse a file of deploy at
// start.
func TestVariablesOfDeployExist(t *testing.T) {
	var usage bytes.Buffer
	if err := config.Usage(&usage); err != nil {
		t.Fatal(err)
	}
	known := regexp.MustCompile(`(?m)^  (HMA_[A-Z_]+)$`).FindAllStringSubmatch(usage.String(), -1)
	if len(known) < 30 {
		t.Fatalf("only %d settings are known", len(known))
	}
	names := map[string]bool{}
	for _, match := range known {
		names[match[1]] = true
	}
	found := 0
	for file, text := range deployFiles(t) {
		for _, name := range regexp.MustCompile(`\bHMA_[A-Z][A-Z_]*`).FindAllString(text, -1) {
			found++
			family := strings.HasSuffix(name, "_") // a common prefix of settings, as in "the HMA_KEY_VAULT_ lines"
			if !names[name] && !family {
				t.Errorf("deploy/%s: %s is not a setting", file, name)
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d names found", found)
	}
}

// commandLine matches a call of the program and captures its arguments. The
// call may be code in Markdown, with or without sudo and variables. It may also
// be a call by path, or a list in JSON or YAML.
var commandLine = regexp.MustCompile(`(?m)(?:(?:^ {4}(?:sudo )?(?:[A-Z_]+=\S+ )*(?:\./)?|run --rm --no-deps |/)hmaproxy|hmaproxy\.exe)['",]* ([a-z-][^#|<>\n\x60]*)`)

// TestCommandLinesOfDeployWork checks that the program has every command and
// flag that the files of deploy use.
func TestCommandLinesOfDeployWork(t *testing.T) {
	flags := flagsByCommand()
	found := 0
	for file, text := range deployFiles(t) {
		for _, match := range commandLine.FindAllStringSubmatch(text, -1) {
			found++
			words := strings.FieldsFunc(match[1], func(r rune) bool { return strings.ContainsRune(" ,[]\"'`)", r) })
			checkCommandLine(t, file, words, flags)
		}
	}
	if found < 10 {
		t.Errorf("only %d command lines found", found)
	}
}

func checkCommandLine(t *testing.T, file string, words []string, flags map[string][]string) {
	t.Helper()
	command := "serve"
	if len(words) > 0 && !strings.HasPrefix(words[0], "-") {
		command, words = words[0], words[1:]
	}
	known, ok := flags[command]
	if !ok {
		t.Errorf("deploy/%s: %q is not a command", file, command)
	}
	for _, word := range words {
		if name, isFlag := strings.CutPrefix(word, "-"); isFlag && !slices.Contains(known, name) {
			t.Errorf("deploy/%s: hmaproxy %s has no flag -%s", file, command, name)
		}
	}
}

// flagsByCommand returns the flags of every command.
func flagsByCommand() map[string][]string {
	all := map[string][]string{}
	for _, c := range commands() {
		all[c.name] = nil
		for _, f := range c.flags {
			all[c.name] = append(all[c.name], f.name)
		}
	}
	return all
}

// TestWorkflowsArePinned checks that the workflows pin every action by commit,
// and use the Go version of the Dockerfile.
func TestWorkflowsArePinned(t *testing.T) {
	read := func(elem ...string) string {
		data, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, elem...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	version := regexp.MustCompile(`golang:([0-9.]+)`).FindStringSubmatch(read("Dockerfile"))[1]
	pinned := regexp.MustCompile(`^[\w-]+/[\w-]+@[0-9a-f]{40} # v\d`)
	for _, name := range []string{"ci.yml", "release.yml"} {
		text := read(".github", "workflows", name)
		uses := regexp.MustCompile(`uses: (.*)`).FindAllStringSubmatch(text, -1)
		for _, match := range uses {
			if !pinned.MatchString(match[1]) {
				t.Errorf("%s: %s", name, match[1])
			}
		}
		versions := regexp.MustCompile(`go-version: (.*)`).FindAllStringSubmatch(text, -1)
		for _, match := range versions {
			if match[1] != version {
				t.Errorf("%s: Go %s, and the image is built with %s", name, match[1], version)
			}
		}
		if len(uses) == 0 || len(versions) == 0 {
			t.Errorf("%s: nothing found", name)
		}
	}
}

// TestProbesDoNotRestartForAnOutage checks that an outage of Entra ID, Key
// Vault or Exchange, which changes readiness, does not make a probe restart a
// container.
func TestProbesDoNotRestartForAnOutage(t *testing.T) {
	dockerfile, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^HEALTHCHECK .*CMD \["/hmaproxy", "health", "live"\]$`).Match(dockerfile) {
		t.Error("the image's HEALTHCHECK does not ask for live")
	}
	startup := regexp.MustCompile(`(?s)startupProbe:(.*?)(?:readinessProbe|livenessProbe):`)
	threshold := regexp.MustCompile(`failureThreshold: (\d+)`)
	probes := 0
	for name, text := range deployFiles(t) {
		for _, probe := range startup.FindAllStringSubmatch(text, -1) {
			probes++
			if !strings.Contains(probe[1], "path: /ready") {
				continue
			}
			m := threshold.FindStringSubmatch(probe[1])
			if m == nil {
				t.Errorf("%s: a startup probe of /ready has no failureThreshold", name)
			} else if probes, err := strconv.Atoi(m[1]); err != nil || probes < 24*60*60 { // at one per second, less than a day
				t.Errorf("%s: a startup probe of /ready gives up after %s probes", name, m[1])
			}
		}
	}
	if probes < 3 {
		t.Errorf("only %d startup probes found", probes)
	}
}
