package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/version"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// noInline keeps function bodies out of the export data of the module's
// packages. Then a mutation in a body changes no other package, and the tests
// need not be compiled again.
const noInline = "-gcflags=hmaproxy/...=-l"

// A testBinary says how to build the tests of a package with a mutation. As a rule
// only the mutated package is compiled, and the rest comes from the build cache;
// see buildAll for the exception.
type testBinary struct {
	root    string
	pkg     string   // path of the package with the tests, relative to the module's root
	tested  listed   // the mutated package; compiled with its internal tests if pkg is that package
	main    listed   // the package that runs the tests
	archive []string // importcfg lines of the packages that the test binary contains, except the mutated package
}

// listed contains the fields that "go list -test -deps -export -json" prints
// about a package.
type listed struct {
	ImportPath, Dir, Export, DefaultGODEBUG string
	GoFiles, CgoFiles, SFiles, EmbedFiles   []string
	Deps                                    []string
	Module                                  struct{ GoVersion string }
}

// path returns the package's import path. If the package is compiled for a
// test, "go list" adds the name of the test, which the method removes.
func (p *listed) path() string {
	path, _, _ := strings.Cut(p.ImportPath, " ")
	return path
}

// loadTestBinary compiles the tests of a package without a mutation. mutated is
// the package that mutations change: pkg, or a package that pkg imports.
func loadTestBinary(ctx context.Context, root, mutated, pkg string) (*testBinary, error) {
	cmd := exec.CommandContext(ctx, "go", "list", noInline, "-test", "-deps", "-export", "-json", "./"+pkg)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("the tests of %s do not compile: %w\n%s", pkg, err, stderr.Bytes())
	}
	all := make(map[string]listed)
	b := &testBinary{root: root, pkg: pkg}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		all[p.ImportPath] = p
		if p.path() == p.ImportPath && strings.HasSuffix(p.path(), "/"+pkg+".test") {
			b.main = p
		}
	}
	path := strings.TrimSuffix(b.main.path(), pkg+".test") + mutated
	for _, dep := range b.main.Deps {
		p := all[dep]
		switch {
		case p.path() == path:
			b.tested = p
		case p.Export != "":
			b.archive = append(b.archive, "packagefile "+p.path()+"="+p.Export+"\n")
		}
	}
	switch p := b.tested; {
	case p.Dir == "":
		return nil, fmt.Errorf("%s has no tests of %s", pkg, mutated)
	case p.CgoFiles != nil, p.SFiles != nil, p.EmbedFiles != nil:
		return nil, fmt.Errorf("%s has files other than Go's, which mutate cannot build", mutated)
	}
	return b, nil
}

// errDoesNotCompile is the error for a mutation that the compiler refuses.
var errDoesNotCompile = errors.New("the mutation does not compile")

// build builds the tests, writes the binary and other files to dir, and returns
// the binary's path. If file is not "", the compiler reads a changed copy
// instead of that file. The path of the copy is the argument "mutated".
func (b *testBinary) build(ctx context.Context, dir, file, mutated string) (binary string, err error) {
	config, archive := filepath.Join(dir, "importcfg"), filepath.Join(dir, "mutated.a")
	lines := append(slices.Clone(b.archive), "packagefile "+b.tested.path()+"="+archive+"\n")
	if err := os.WriteFile(config, []byte(strings.Join(lines, "")), 0o600); err != nil {
		return "", err
	}
	args := []string{
		"tool", "compile", "-l", "-c=2", "-complete", "-pack", "-o", archive, "-p", b.tested.path(), "-importcfg", config,
		"-lang=" + version.Lang("go"+b.tested.Module.GoVersion),
	}
	if file != "" {
		args = append(args, "-trimpath", mutated+"=>"+file)
	}
	for _, name := range b.tested.GoFiles {
		source := filepath.Join(b.tested.Dir, name)
		if source == file {
			source = mutated
		}
		args = append(args, source)
	}
	if out, err := b.run(ctx, args...); err != nil {
		return "", fmt.Errorf("%w: %s", errDoesNotCompile, out)
	}
	binary = filepath.Join(dir, "x.test")
	if out, err := b.run(ctx, "tool", "link", "-s", "-w", "-buildmode=exe", "-importcfg", config, "-o", binary,
		"-X=runtime.godebugDefault="+b.main.DefaultGODEBUG, "-X=testing.testBinary=1", b.main.Export); err == nil {
		return binary, nil
	} else if !bytes.Contains(out, []byte("fingerprint mismatch")) {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return binary, b.buildAll(ctx, dir, file, mutated, binary)
}

// buildAll compiles the tests and all packages that they import. A mutation
// outside of function bodies needs this, because it can change other packages
// too.
func (b *testBinary) buildAll(ctx context.Context, dir, file, mutated, binary string) error {
	overlay := filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{file: mutated}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(overlay, replace, 0o600); err != nil {
		return err
	}
	if out, err := b.run(ctx, "test", "-c", noInline, "-ldflags=-s -w", "-overlay", overlay, "-o", binary, "./"+b.pkg); err != nil {
		return fmt.Errorf("%w: %s", errDoesNotCompile, out)
	}
	return nil
}

func (b *testBinary) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = b.root
	return cmd.CombinedOutput()
}
