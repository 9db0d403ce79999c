package main

import (
	"os"
	"path"
	"regexp"
	"testing"
)

// TestArchitectureNamesEveryPackage compares the package table of
// docs/architecture.md with the folders.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	text, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile("`((?:cmd|proxy|token|certsource|internal)(?:/[a-z-]+)*)`").FindAllStringSubmatch(string(text), -1) {
		named[m[1]] = true
		if _, err := os.Stat("../../" + m[1]); err != nil {
			t.Errorf("docs/architecture.md names %s, which is not there", m[1])
		}
	}
	count := 0
	for _, parent := range []string{"cmd", "internal"} {
		entries, err := os.ReadDir("../../" + parent)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !e.IsDir() {
				continue
			}
			count++
			if p := path.Join(parent, e.Name()); !named[p] {
				t.Errorf("docs/architecture.md does not name %s", p)
			}
		}
	}
	if count < 30 {
		t.Fatalf("only %d packages found", count)
	}
}
