package app

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestThreatModelNamesExistingTests checks the table of claims in the threat model:
// every test, fuzz target and file that it names exists.
func TestThreatModelNamesExistingTests(t *testing.T) {
	const root = "../../"
	text, err := os.ReadFile(root + "docs/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| claim | code | test |")
	table, _, _ = strings.Cut(table, "\n\n")
	var tests strings.Builder
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "_test.go") {
			source, err := os.ReadFile(path)
			tests.Write(source)
			return err
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test|Fuzz)[A-Za-z]+`").FindAllString(table, -1)
	if len(named) < 20 {
		t.Fatalf("the table names only %d tests", len(named))
	}
	for _, name := range named {
		if !strings.Contains(tests.String(), "func "+strings.Trim(name, "`")+"(") {
			t.Errorf("there is no test %s", name)
		}
	}
	for _, path := range regexp.MustCompile("`(proxy|internal)/[a-z/_.]+`").FindAllString(table, -1) {
		if _, err := os.Stat(root + strings.Trim(path, "`")); err != nil {
			t.Errorf("there is no %s", path)
		}
	}
}
