// Package textcheck has the checks of texts that the tests of several packages
// share.
package textcheck

import (
	"os"
	"strings"
	"testing"
)

// Contains fails the test for each string in wanted that text does not contain.
func Contains(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, w := range wanted {
		if !strings.Contains(text, w) {
			t.Errorf("%q is missing", w)
		}
	}
}

// Lacks fails the test for each string in unwanted that text contains.
func Lacks(t *testing.T, text string, unwanted ...string) {
	t.Helper()
	for _, u := range unwanted {
		if strings.Contains(text, u) {
			t.Errorf("%q is there", u)
		}
	}
}

// File fails the test if got differs from the content of the file at path, which
// a person has reviewed. If update is true, File writes got to the file before it
// compares.
func File(t *testing.T, path, got string, update bool) {
	t.Helper()
	if update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update rewrites it):\n%s", path, difference(got, string(want)))
	}
}

// difference returns the first line of got that differs, and the line of want
// at the same place.
func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "got  " + g[i] + "\nwant " + w[i]
		}
	}
	return "one is longer"
}
