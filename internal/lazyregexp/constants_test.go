package lazyregexp

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// importPath is the path by which the module's packages import this package.
const importPath = "hmaproxy/internal/lazyregexp"

// TestExpressionsOfTheModule compiles the argument of every call of New in the
// module, because New itself compiles it only at its first use.
func TestExpressionsOfTheModule(t *testing.T) {
	found := 0
	for _, name := range goFiles(t, "../..") {
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		n, problems := check(file)
		found += n
		for _, p := range problems {
			t.Errorf("%v: %v", files.Position(p.at), p.err)
		}
	}
	if found < 40 {
		t.Errorf("only %d expressions found", found)
	}
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name, imported, code string
		found, problems      int
	}{
		{"literal", "", "var a = lazyregexp.New(`^a$`)", 1, 0},
		{"concatenation", "", "var a = lazyregexp.New(`(` + (\"\\\\d\" + `)`))", 1, 0},
		{"in a function", "", "func f() { lazyregexp.New(`a`) }", 1, 0},
		{"invalid expression", "", "var a = lazyregexp.New(`(`)", 1, 1},
		{"invalid concatenation", "", "var a = lazyregexp.New(`(` + `a`)", 1, 1},
		{"no literal", "", "var a = lazyregexp.New(f())", 1, 1},
		{"partly no literal", "", "var a = lazyregexp.New(`a` + b)", 1, 1},
		{"no call", "", "var a = lazyregexp.New", 0, 1},
		{"other name", "lazy ", "var a = lazy.New(`(`)", 0, 1},
	} {
		code := "package p\nimport " + test.imported + strconv.Quote(importPath) + "\n" + test.code
		file, err := parser.ParseFile(token.NewFileSet(), "p.go", code, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if found, problems := check(file); found != test.found || len(problems) != test.problems {
			t.Errorf("%s: %d expressions, problems %v", test.name, found, problems)
		}
	}
}

// A problem is a use of this package that check cannot accept.
type problem struct {
	at  token.Pos
	err error
}

// check compiles the arguments of the calls of New in a file that imports this
// package. It returns the number of calls.
func check(file *ast.File) (calls int, problems []problem) {
	add := func(n ast.Node, err error) {
		if err != nil {
			problems = append(problems, problem{n.Pos(), err})
		}
	}
	for _, spec := range file.Imports {
		if spec.Path.Value == strconv.Quote(importPath) && spec.Name != nil {
			add(spec, errors.New("the import has another name, so that calls of New are not found"))
		}
	}
	called := map[ast.Expr]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if isNew(n.Fun) {
				called[n.Fun] = true
				calls++
				add(n, compile(n.Args))
			}
		case *ast.SelectorExpr:
			if isNew(n) && !called[n] {
				add(n, errors.New("New is not called here, so that its argument is not found"))
			}
		}
		return true
	})
	return calls, problems
}

// isNew reports whether e is lazyregexp.New.
func isNew(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != "New" {
		return false
	}
	pkg, ok := s.X.(*ast.Ident)
	return ok && pkg.Name == "lazyregexp"
}

func compile(args []ast.Expr) error {
	if len(args) != 1 {
		return fmt.Errorf("New has %d arguments", len(args))
	}
	expr, err := text(args[0])
	if err == nil {
		_, err = regexp.Compile(expr)
	}
	return err
}

// text returns the value of a string literal or of a concatenation of string
// literals.
func text(e ast.Expr) (string, error) {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return text(e.X)
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			return strconv.Unquote(e.Value)
		}
	case *ast.BinaryExpr:
		left, err := text(e.X)
		if err != nil {
			return "", err
		}
		right, err := text(e.Y)
		return left + right, err
	}
	return "", errors.New("the argument of New is neither a string literal nor a concatenation of string literals")
}

// goFiles returns the Go files of the module in root, test files included,
// without the modules in its folders.
func goFiles(t *testing.T, root string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != root && isApart(name):
			return filepath.SkipDir
		case !entry.IsDir() && strings.HasSuffix(name, ".go"):
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// isApart reports whether a folder is not a part of the module: the go command
// ignores it, or it is another module.
func isApart(folder string) bool {
	base := filepath.Base(folder)
	if base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return true
	}
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return err == nil
}
