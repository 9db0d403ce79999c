// Command mutate measures whether the tests notice a changed rule. It makes small
// changes to the code that decides about requests, one at a time. It builds and
// runs the tests of the package with each change, and they must fail.
//
//	go run ./test/mutate                        200 mutations over all areas
//	go run ./test/mutate -n 40 guard policy     20 each of two areas
//	go run ./test/mutate -seed 17 -n 10 proxy/checks.go
//	go run ./test/mutate -list proxy/checks.go  print the mutations, run nothing
//
// The source tree is not changed: the compiler gets a changed copy of one file. A
// mutation that the tests do not notice is a survivor. survivors.txt explains the
// survivors that cannot or need not be caught. The command fails when the tests
// of an area notice less than the required share of the mutations: 95 % in the
// areas that decide about access, 80 or 85 % in the others. It also fails when
// survivors.txt does not explain a survivor in an area that decides about access.
//
// Not mutated are messages, the capacity of a slice, the size of a map, and a
// text or truth value that a function returns together with an error: callers do
// not read them, or their change cannot be observed.
//
// A seed selects the same mutations in every run. After a change of the code it
// selects the mutations among them that still exist. -list prints them in the
// order of the file.
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// An area is a part of the request path.
type area struct {
	name  string
	files []string // files with the deciding code, as patterns below the module's root
	first string   // pattern of the tests of package proxy that run first, because they notice most mutations; "": none
	floor float64  // share of mutations that the tests must notice
}

// Shares of the mutations that the tests must notice.
const (
	access = 0.95 // in the areas that decide about access
	other  = 0.85 // in the HTTP server and the HTTP client of Exchange
	least  = 0.80 // in the area forwarding
)

// areas are the parts of the request path. Every Go file below proxy that is not a
// test is in one of them.
var areas = []area{
	{"guard", []string{"proxy/checks.go", "proxy/routes.go"}, "^TestRules$/^Guard$", access},
	{"headers", []string{"proxy/headers.go", "proxy/cookies.go"}, "^TestRules$/^(Headers|Response)$", access},
	{"client-authentication", []string{
		"proxy/basicauth.go", "proxy/ntlm.go", "internal/clientauth/*.go",
	}, "^TestRules$/^Authenticate$", access},
	{"inspection", []string{"proxy/inspect.go", "proxy/internal/soap/*.go"}, "^TestRules$/^(Inspect|Authorise|Rewrite)$", access},
	{"autodiscover", []string{
		"proxy/autodiscover.go", "proxy/internal/autodiscover/*.go",
	}, "^TestRules$/^Autodiscover$", access},
	{"policy", []string{"proxy/policy/*.go", "proxy/ews/*.go", "internal/ascii/*.go"}, "", access},
	{"forwarding", []string{
		"proxy/handler.go", "proxy/settings.go", "proxy/call.go", "proxy/admission.go", "proxy/busy.go", "proxy/streams.go",
		"proxy/roundtrip.go", "proxy/transport.go", "proxy/asked.go", "proxy/expect.go", "proxy/connection.go", "proxy/timeout.go",
		"proxy/response.go", "proxy/notews.go", "proxy/exchange_fault.go", "proxy/faults.go", "proxy/diagnosis.go",
		"proxy/reasons.go", "proxy/record.go", "proxy/limits.go", "proxy/doc.go", "proxy/internal/body/*.go",
	}, "^TestRules$/^(Forward|Upstream401|Response|Errors)$", least},
	{"server", []string{"internal/httpserver/*.go"}, "", other},
	{"upstream", []string{"internal/upstream/*.go"}, "", other},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	n := flags.Int("n", 200, "`number` of mutations, spread evenly over the areas")
	seed := flags.Uint64("seed", 0, "`seed` of the random choice; 0: a new one")
	workers := flags.Int("p", 2, "`number` of mutations at the same time")
	timeout := flags.Duration("timeout", 0, "for the tests with one mutation; 0: six times what they take without, at least 1m")
	skip := flags.String("skip", "", "`pattern` of tests to leave out, as in go test -skip")
	list := flags.Bool("list", false, "print the mutations and run nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	explained, err := readSurvivors(filepath.Join(root, "test/mutate/survivors.txt"))
	if err != nil {
		return err
	}
	chosen, err := choose(flags.Args())
	if err != nil {
		return err
	}
	var all [][]mutation
	for _, a := range chosen {
		ms, err := a.mutations(root)
		if err != nil {
			return err
		}
		all = append(all, ms)
	}
	if *list {
		for _, ms := range all {
			for _, m := range ms {
				fmt.Fprintln(out, m.key())
			}
		}
		return nil
	}
	if err := errors.Join(explained.stale(root), withoutArea(root)); err != nil {
		return err
	}
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano() % 1e6)
	}
	fmt.Fprintf(out, "seed %d\n", *seed)
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := &runner{root: root, dir: dir, skip: *skip, timeout: *timeout,
		binaries: make(map[[2]string]*testBinary), took: make(map[string]time.Duration)}
	var problems []error
	var scores []score
	for i, a := range chosen {
		ms := slices.DeleteFunc(all[i], explained.equivalent)
		slices.SortFunc(ms, func(a, b mutation) int { return bytes.Compare(a.rank(*seed), b.rank(*seed)) })
		s, err := r.measure(ctx, a, ms, share(*n, len(chosen), i), *workers, out)
		if err != nil {
			return err
		}
		scores = append(scores, s)
		problems = append(problems, s.problems(explained))
	}
	fmt.Fprintln(out)
	for _, s := range scores {
		fmt.Fprintln(out, s)
	}
	return errors.Join(problems...)
}

// share returns the part of n for the ith of several areas.
func share(n, areas, i int) int {
	part := n / areas
	if i < n%areas {
		part++
	}
	return part
}

// choose returns the named areas, or all if no name is given. The name of a file
// selects an area that contains only that file.
func choose(names []string) (chosen []area, err error) {
	if len(names) == 0 {
		return areas, nil
	}
	for _, name := range names {
		i := slices.IndexFunc(areas, func(a area) bool { return a.name == name })
		switch {
		case i >= 0:
			chosen = append(chosen, areas[i])
		case strings.HasSuffix(name, ".go"):
			chosen = append(chosen, fileArea(filepath.ToSlash(filepath.Clean(name))))
		default:
			return nil, fmt.Errorf("no area %q: name a .go file, or one of %s", name, areaNames())
		}
	}
	return chosen, nil
}

// fileArea returns an area of one file, with the settings of the area that
// contains it.
func fileArea(file string) area {
	for _, a := range areas {
		if a.contains(file) {
			return area{file, []string{file}, a.first, a.floor}
		}
	}
	return area{name: file, files: []string{file}, floor: areas[0].floor}
}

func areaNames() string {
	var names []string
	for _, a := range areas {
		names = append(names, a.name)
	}
	return strings.Join(names, ", ")
}

// withoutArea reports files below proxy that are in no area.
func withoutArea(root string) error {
	var problems []error
	err := fs.WalkDir(os.DirFS(root), "proxy", func(file string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go") && !slices.ContainsFunc(areas, func(a area) bool { return a.contains(file) }) {
			problems = append(problems, fmt.Errorf("%s is in no area: add it to one", file))
		}
		return err
	})
	return errors.Join(append(problems, err)...)
}

func (a area) contains(file string) bool {
	return slices.ContainsFunc(a.files, func(pattern string) bool {
		ok, _ := path.Match(pattern, file)
		return ok
	})
}

// mutations returns the mutations of all files of an area.
func (a area) mutations(root string) (ms []mutation, err error) {
	for _, pattern := range a.files {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		found := false
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			found = true
			of, err := mutationsOf(root, file)
			if err != nil {
				return nil, err
			}
			ms = append(ms, of...)
		}
		if !found {
			return nil, fmt.Errorf("area %s: there is no file %s; where did its code go?", a.name, pattern)
		}
	}
	return ms, nil
}

// A score is the result for an area.
type score struct {
	area      area
	caught    int
	timedOut  int // number of caught mutations with which the tests did not end
	survivors []mutation
	broken    int // mutations that did not compile
}

func (s score) share() float64 {
	return float64(s.caught) / float64(max(1, s.caught+len(s.survivors)))
}

func (s score) String() string {
	return fmt.Sprintf("%-22s %5.1f %%  %d of %d caught (%d by the timeout), %d did not compile",
		s.area.name, 100*s.share(), s.caught, s.caught+len(s.survivors), s.timedOut, s.broken)
}

// decides reports whether the area decides about access.
func (a area) decides() bool { return a.floor >= access }

// problems returns the reasons why the run fails.
func (s score) problems(explained survivors) error {
	var problems []error
	for _, m := range s.survivors {
		if _, ok := explained[m.key()]; !ok && s.area.decides() {
			problems = append(problems, fmt.Errorf("survivor without an explanation: %s:%d: %s", m.file, m.line, m.key()))
		}
	}
	if s.share() < s.area.floor {
		problems = append(problems, fmt.Errorf("area %s: %.1f %% of the mutations were caught, %.0f %% are needed", s.area.name, 100*s.share(), 100*s.area.floor))
	}
	slices.SortFunc(problems, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(problems...)
}
