package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	gotoken "go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// publicPackages can be used by other programs.
var publicPackages = []string{
	"hmaproxy/certsource", "hmaproxy/proxy", "hmaproxy/proxy/ews", "hmaproxy/proxy/policy", "hmaproxy/token",
}

// foreignProgram is the program of another module. It uses the public packages
// only through their exported names.
const foreignProgram = `package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"hmaproxy/certsource"
	"hmaproxy/proxy"
	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
	"hmaproxy/token"
)

type source interface {
	Certificates(context.Context) ([]*tls.Certificate, error)
}

func main() {
	file, err := certsource.NewFile(certsource.FileConfig{Path: "no-such-file.pem"})
	if err != nil {
		panic(err)
	}
	var from source = file
	_, err = from.Certificates(context.Background())
	var failure *certsource.Error
	fmt.Println(errors.As(err, &failure) && failure.Code == certsource.CodeUnreadable)

	authority := &url.URL{Scheme: "https", Host: "login.microsoftonline.com"}
	keeper, err := token.New(token.Config{
		Authority: authority, TenantID: "contoso.com", ClientID: "c", Resource: "https://mail.contoso.com",
		Certificates: from.Certificates,
	})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	fmt.Println(keeper.Run(ctx), keeper.Run(ctx) == token.ErrRunTwice, keeper.Status().Usable)
	_, err = keeper.Token(context.Background())
	fmt.Println(errors.Is(err, token.ErrStopped))

	allowed, err := policy.ParsePatterns("alice@contoso.com")
	if err != nil {
		panic(err)
	}
	limited, err := policy.New(policy.Config{Allowed: allowed})
	if err != nil {
		panic(err)
	}
	_, refusal := limited.Decide(&ews.Request{Operation: "GetFolder"}, "")
	fmt.Println(refusal.Reason == policy.NoMailbox)

	handler, err := proxy.New(proxy.Config{
		EWS:    &url.URL{Scheme: "https", Host: "mail.contoso.com", Path: "/EWS/Exchange.asmx"},
		Tokens: keeper,
		Policy: func() *policy.Policy { return limited },
		Done:   func(r *proxy.Record) { fmt.Println(r.Reason == proxy.ReasonPath, r.Reason.Class()) },
	})
	if err != nil {
		panic(err)
	}
	request := httptest.NewRequest(http.MethodPost, "/owa/", strings.NewReader(""))
	request.Host = "localhost"
	handler.Server(nil).Handler.ServeHTTP(httptest.NewRecorder(), request)
}
`

// TestPublicPackagesFromAnotherModule checks that a program of another module
// builds with the public packages and runs.
func TestPublicPackagesFromAnotherModule(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	// The foreign module requires the same versions of the dependencies. A
	// replace line takes this module from its folder.
	foreign := strings.Replace(string(module), "module hmaproxy\n", "module example.com/foreign\n", 1) +
		"\nrequire hmaproxy v0.0.0\n\nreplace hmaproxy v0.0.0 => " + root + "\n"
	for name, content := range map[string]string{"go.mod": foreign, "go.sum": string(sums), "main.go": foreignProgram} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "run", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if want := "true\n<nil> true false\ntrue\ntrue\ntrue refused\n"; err != nil || string(out) != want {
		t.Errorf("%v, output:\n%s\nwant:\n%s", err, out, want)
	}
}

// TestPublicSignaturesNeedNoInternalPackage checks that no exported signature
// of a public package mentions a type of an internal package.
func TestPublicSignaturesNeedNoInternalPackage(t *testing.T) {
	load := exportData(t)
	for _, path := range publicPackages {
		pkg, err := importer.ForCompiler(gotoken.NewFileSet(), "gc", load).Import(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range pkg.Scope().Names() {
			object := pkg.Scope().Lookup(name)
			if !object.Exported() {
				continue
			}
			check := func(what string, o types.Object) {
				types.TypeString(o.Type(), func(p *types.Package) string {
					if strings.Contains(p.Path(), "internal/") || strings.HasSuffix(p.Path(), "/internal") {
						t.Errorf("%s: %s mentions %s", path, what, p.Path())
					}
					return p.Path()
				})
			}
			check(name, object)
			if _, ok := object.(*types.TypeName); !ok {
				continue
			}
			for method := range types.NewMethodSet(types.NewPointer(object.Type())).Methods() {
				if method.Obj().Exported() {
					check(name+"."+method.Obj().Name(), method.Obj())
				}
			}
			if s, ok := object.Type().Underlying().(*types.Struct); ok {
				for field := range s.Fields() {
					if field.Exported() {
						check(name+"."+field.Name(), field)
					}
				}
			}
		}
	}
}

// exportData returns a lookup of the compiled public packages and their
// imports.
func exportData(t *testing.T) importer.Lookup {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-export", "-deps", "-json=ImportPath,Export"}, publicPackages...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ ImportPath, Export string }
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		files[p.ImportPath] = p.Export
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(files[path]) }
}

// TestPublicPackagesNameNoVariable checks that no text in the public packages
// contains the name of a setting's variable. The public packages do not know
// the product's settings.
func TestPublicPackagesNameNoVariable(t *testing.T) {
	for _, path := range publicPackages {
		files, err := filepath.Glob(filepath.Join("../..", strings.TrimPrefix(path, "hmaproxy/"), "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", path, len(files), err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			tree, err := parser.ParseFile(gotoken.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(tree, func(n ast.Node) bool {
				if text, ok := n.(*ast.BasicLit); ok && strings.Contains(text.Value, "HMA_") {
					t.Errorf("%s: %s", file, text.Value)
				}
				return true
			})
		}
	}
}
