package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// memoryLimit limits the memory of tests with a mutation, in KiB, because an
// endless loop may append to a slice.
const memoryLimit = 4 << 20

// needInlining matches the tests that fail in a build with noInline.
const needInlining = "^TestHeaderNamesAllocateNothing$"

// A runner builds and runs the tests of packages.
type runner struct {
	root, dir, skip string
	timeout         time.Duration

	binaries map[[2]string]*testBinary // by the mutated package and the package of the tests
	took     map[string]time.Duration  // duration of a package's tests without a mutation
}

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	file := strings.TrimSpace(string(out))
	if err != nil || file == "" || file == os.DevNull {
		return "", errors.New("run this inside the module")
	}
	return filepath.Dir(file), nil
}

// A testResult is the outcome of the tests with a mutation.
type testResult int

const (
	survived testResult = iota
	caught
	timedOut // caught, because the tests did not end
	doesNotCompile
)

// measure tries mutations in order until n of them have compiled.
func (r *runner) measure(ctx context.Context, a area, ms []mutation, n, workers int, out io.Writer) (score, error) {
	s := score{area: a}
	packages := make(map[string]bool)
	for _, m := range ms {
		packages[path.Dir(m.file)] = true
	}
	for pkg := range packages {
		if err := r.prepare(ctx, a, pkg); err != nil {
			return s, err
		}
	}
	var mu sync.Mutex
	var failed error
	next, began, running := 0, time.Now(), 0
	more := sync.NewCond(&mu)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			mu.Lock()
			defer mu.Unlock()
			for {
				for failed == nil && next < len(ms) && s.caught+len(s.survivors)+running >= n && running > 0 {
					more.Wait()
				}
				if failed != nil || next >= len(ms) || s.caught+len(s.survivors)+running >= n {
					return
				}
				m := ms[next]
				next++
				running++
				mu.Unlock()
				v, took, err := r.try(ctx, a, m)
				mu.Lock()
				running--
				more.Broadcast()
				if err != nil {
					failed = errors.Join(failed, err)
					return
				}
				switch v {
				case caught, timedOut:
					s.caught++
					if v == timedOut {
						s.timedOut++
						fmt.Fprintf(out, "TIMED OUT after %v  %s:%d: %s\n", took.Round(time.Second), m.file, m.line, m.key())
					}
					if done := s.caught + len(s.survivors); done%10 == 0 {
						fmt.Fprintf(out, "%s: %d of %d after %v\n", a.name, done, n, time.Since(began).Round(time.Second))
					}
				case doesNotCompile:
					s.broken++
				case survived:
					s.survivors = append(s.survivors, m)
					fmt.Fprintf(out, "SURVIVED after %v  %s:%d: %s\n", took.Round(time.Second), m.file, m.line, m.key())
				}
			}
		})
	}
	all.Wait()
	fmt.Fprintf(out, "%s, %v\n", s, time.Since(began).Round(time.Second))
	return s, failed
}

// prepare compiles the tests for a package and runs them without a mutation,
// unless that was done before.
func (r *runner) prepare(ctx context.Context, a area, pkg string) error {
	for _, s := range a.stages(pkg) {
		if r.binaries[[2]string{pkg, s.pkg}] != nil {
			continue
		}
		tests, err := loadTestBinary(ctx, r.root, pkg, s.pkg)
		if err != nil {
			return err
		}
		r.binaries[[2]string{pkg, s.pkg}] = tests
		if err := r.measureTests(ctx, tests); err != nil {
			return err
		}
	}
	return nil
}

// measureTests measures how long the tests of a package take without a mutation,
// unless that is already known.
func (r *runner) measureTests(ctx context.Context, tests *testBinary) error {
	if r.took[tests.pkg] > 0 {
		return nil
	}
	dir, err := os.MkdirTemp(r.dir, "baseline")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, err := tests.build(ctx, dir, "", "")
	if err != nil {
		return fmt.Errorf("the tests of %s cannot be built: %w", tests.pkg, err)
	}
	began := time.Now()
	if out, err := r.test(ctx, tests.pkg, binary, "", 20*time.Minute); err != nil {
		return fmt.Errorf("the tests of %s fail without a mutation: %w\n%s", tests.pkg, err, tail(out))
	}
	r.took[tests.pkg] = time.Since(began)
	return nil
}

// A stage is a part of the tests for a package.
type stage struct{ pkg, pattern string }

// withProxy contains the packages that are also tested by tests of package proxy,
// because the requests of these tests pass through them. Each value is a pattern
// that selects these tests.
var withProxy = map[string]string{
	"proxy/internal/autodiscover": "^TestRules$/^Autodiscover$",
	"proxy/internal/body":         ".",
	"internal/httpserver":         ".",
	"internal/upstream":           ".",
}

// stages returns the tests to run for a package, in order. For package proxy,
// the tests of the area's rules come first. For a package in withProxy, tests
// of package proxy follow its own.
func (a area) stages(pkg string) []stage {
	switch {
	case a.first != "" && pkg == "proxy":
		return []stage{{pkg, a.first}, {pkg, ""}}
	case withProxy[pkg] != "":
		return []stage{{pkg, ""}, {"proxy", withProxy[pkg]}}
	}
	return []stage{{pkg, ""}}
}

// The method "try" builds and runs the tests with the mutation m. It returns
// how the tests ended, and how long building and running took.
func (r *runner) try(ctx context.Context, a area, m mutation) (testResult, time.Duration, error) {
	began := time.Now()
	dir, err := os.MkdirTemp(r.dir, "m")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(dir)
	source, err := m.apply(r.root)
	if err != nil {
		return 0, 0, err
	}
	mutated := filepath.Join(dir, "mutated.go")
	if err := os.WriteFile(mutated, source, 0o600); err != nil {
		return 0, 0, err
	}
	pkg := path.Dir(m.file)
	var binary string
	var built *testBinary
	for _, stage := range a.stages(pkg) {
		if tests := r.binaries[[2]string{pkg, stage.pkg}]; tests != built {
			built = tests
			binary, err = tests.build(ctx, dir, filepath.Join(r.root, m.file), mutated)
		}
		switch {
		case ctx.Err() != nil:
			return 0, 0, ctx.Err()
		case errors.Is(err, errDoesNotCompile):
			return doesNotCompile, 0, nil
		case err != nil:
			return 0, 0, fmt.Errorf("%s: %w", m.key(), err)
		}
		timeout := r.timeout
		if timeout == 0 {
			timeout = max(time.Minute, 6*r.took[stage.pkg])
		}
		if out, err := r.test(ctx, stage.pkg, binary, stage.pattern, timeout); err != nil {
			if bytes.Contains(out, []byte("panic: test timed out")) {
				return timedOut, time.Since(began), ctx.Err()
			}
			return caught, time.Since(began), ctx.Err()
		}
	}
	return survived, time.Since(began), ctx.Err()
}

// test runs the tests that match a pattern, all if the pattern is empty. It
// returns their output.
func (r *runner) test(ctx context.Context, pkg, binary, pattern string, timeout time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout+10*time.Second)
	defer cancel()
	skip := needInlining
	if r.skip != "" {
		skip += "|" + r.skip
	}
	args := []string{"-test.failfast", "-test.skip", skip, "-test.timeout", timeout.String()}
	if pattern != "" {
		args = append(args, "-test.run", pattern)
	}
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", fmt.Sprintf(`ulimit -v %d; exec "$@"`, memoryLimit), "sh", binary}, args...)...)
	cmd.Dir = filepath.Join(r.root, pkg)
	cmd.WaitDelay = 5 * time.Second
	return cmd.CombinedOutput()
}

func tail(out []byte) []byte {
	return out[max(0, bytes.LastIndexByte(out[:max(0, len(out)-2000)], '\n')):]
}
