package app

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestThreatModelNamesCodeAndTests checks the table of claims in the threat model:
// every claim names code and tests, the files and declarations exist, and the tests
// are in the packages that the table says.
func TestThreatModelNamesCodeAndTests(t *testing.T) {
	const root = "../../"
	text, err := os.ReadFile(root + "docs/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| claim | code | test |\n|---|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := strings.Split(strings.TrimSpace(table), "\n")
	if len(rows) < 12 {
		t.Fatalf("the table has only %d claims", len(rows))
	}
	for _, row := range rows {
		cells := strings.Split(strings.Trim(row, "| "), " | ")
		if len(cells) != 3 {
			t.Errorf("not three cells: %s", row)
			continue
		}
		claim, code, tests := cells[0], quotedIn(cells[1]), testsIn(cells[2])
		if len(code) == 0 || len(tests) == 0 {
			t.Errorf("no code or no test: %s", claim)
		}
		for _, name := range code {
			if !declared(t, root, name) {
				t.Errorf("no code is called %s: %s", name, claim)
			}
		}
		for _, test := range tests {
			if !strings.Contains(sources(t, root+test.folder+"/*_test.go"), test.want) {
				t.Errorf("%s does not contain %s: %s", test.folder, test.want, claim)
			}
		}
	}
}

// quotedIn returns the texts between back quotes in cell.
func quotedIn(cell string) (names []string) {
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
		names = append(names, m[1])
	}
	return names
}

// A namedTest is a test that the table of claims names. A test file in folder must
// contain the text want.
type namedTest struct{ folder, want string }

// testsIn returns the tests in a cell such as "`TestA`, the section B of `TestRules`
// in `proxy`; `FuzzC` in `proxy/ews`".
func testsIn(cell string) (tests []namedTest) {
	for _, part := range strings.Split(cell, ";") {
		names, folder, _ := strings.Cut(part, " in `")
		folder = strings.TrimSuffix(strings.TrimSpace(folder), "`")
		for _, name := range quotedIn(names) {
			tests = append(tests, namedTest{folder, "func " + name + "("})
		}
		for _, section := range regexp.MustCompile("the section ([A-Za-z]+) of").FindAllStringSubmatch(names, -1) {
			tests = append(tests, namedTest{folder, `"` + section[1] + `"`})
		}
	}
	return tests
}

// declared reports whether a file or folder, or a function such as Policy.match,
// exists.
func declared(t *testing.T, root, name string) bool {
	if strings.Contains(name, "/") {
		_, err := os.Stat(root + name)
		return err == nil
	}
	owner, function, found := strings.Cut(name, ".")
	pattern := `func ` + owner + `\(`
	if found {
		pattern = `func (\([a-z]+ \*?` + owner + `\) )?` + function + `\(`
	}
	for _, folder := range []string{"proxy", "proxy/*", "proxy/internal/*", "internal/*"} {
		if regexp.MustCompile(pattern).MatchString(sources(t, root+folder+"/*.go")) {
			return true
		}
	}
	return false
}

// sources returns the text of all files that match pattern.
func sources(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files match %s: %v", pattern, err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
