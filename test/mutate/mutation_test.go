package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// linesAfter mutates a function that contains only the given statement. It
// returns the changed line of each mutation.
func linesAfter(t *testing.T, statement string) []string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "a.go")
	if err := os.WriteFile(file, []byte("package a\n\nfunc f() (T, error) {\n"+statement+"\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mutations, err := mutationsOf(dir, file)
	if err != nil {
		t.Fatal(err)
	}
	var after []string
	for _, m := range mutations {
		after = append(after, m.to)
	}
	return after
}

// TestResultsWithErrors checks which results are mutated when an error follows
// them. An empty text, true or false is not mutated before an error that cannot
// be nil, because no caller reads it. A number is mutated, and so is every
// result if the error may be nil.
func TestResultsWithErrors(t *testing.T) {
	for _, test := range []struct {
		statement string
		want      []string // the changed line of each mutation, except the mutation that removes the statement
	}{
		{`return "", errBusy`, nil},
		{`return false, errBusy`, nil},
		{`return false, violation("a b")`, nil},
		{`return true, e.violation(at, "a b")`, nil},
		{`return "", errors.New("a b")`, nil},
		{`return "", fmt.Errorf("a b %d", n)`, nil},
		{`return "", errors.New("word")`, []string{`return "", errors.New(("word"+"x"))`}},
		{`return 0, errBusy`, []string{`return (0+1), errBusy`, `return (0-1), errBusy`}},
		{`return n == m, errBusy`, []string{`return n != m, errBusy`}},

		{`return false, err`, []string{`return true, err`}},
		{`return "", ctx.Err()`, []string{`return (""+"x"), ctx.Err()`}},
		{`return false, nil`, []string{`return true, nil`}},
		{`return "", errs`, []string{`return (""+"x"), errs`}},
		{`return "", errors.Join(a, b)`, []string{`return (""+"x"), errors.Join(a, b)`}},
		{`return "", log.New(w)`, []string{`return (""+"x"), log.New(w)`}},
		{`return "", errBusyOf(n)`, []string{`return (""+"x"), errBusyOf(n)`}},
		{`return false`, []string{`return true`}},
		{`return f(false, errBusy)`, []string{`return f(true, errBusy)`}},
	} {
		want := append([]string{"nothing"}, test.want...)
		if got := linesAfter(t, test.statement); !slices.Equal(got, want) {
			t.Errorf("%s becomes %q, want %q", test.statement, got, want)
		}
	}
}

// TestExplainedMutationsExist checks that survivors.txt can be read, and that it
// explains no mutation of code that has changed.
func TestExplainedMutationsExist(t *testing.T) {
	explained, err := readSurvivors("survivors.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(explained) == 0 {
		t.Error("no mutation is explained")
	}
	if err := explained.stale(filepath.Join("..", "..")); err != nil {
		t.Error(err)
	}
}
