package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

const (
	maxMethods = 20 // limit for the number of methods of a type
	maxFiles   = 2  // limit for the number of files that contain methods of a type
)

// TestTypesAreSmall checks that no type of the program has more than maxMethods
// methods, or methods in more than maxFiles files. It does not examine tests.
func TestTypesAreSmall(t *testing.T) {
	methods, files := map[string]int{}, map[string]map[string]bool{}
	for _, root := range []string{"cmd", "proxy", "token", "certsource", "internal"} {
		err := filepath.WalkDir(filepath.Join("..", "..", root), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			folder, err := filepath.Rel(filepath.Join("..", ".."), filepath.Dir(path))
			if err != nil {
				return err
			}
			for _, d := range file.Decls {
				f, ok := d.(*ast.FuncDecl)
				if !ok || f.Recv == nil {
					continue
				}
				name := filepath.ToSlash(folder) + "." + receiver(f.Recv.List[0].Type)
				methods[name]++
				if files[name] == nil {
					files[name] = map[string]bool{}
				}
				files[name][path] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(methods) < 100 {
		t.Fatalf("only %d types found", len(methods))
	}
	for name, n := range methods {
		if n > maxMethods || len(files[name]) > maxFiles {
			t.Errorf("%s has %d methods in %d files, more than %d in %d", name, n, len(files[name]), maxMethods, maxFiles)
		}
	}
}

// receiver returns the name of a receiver's type.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
