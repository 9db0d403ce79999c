// Command interop tests the product with client software of other projects. It
// starts the emulated services and the real binary, installs the clients from
// their registries, runs them, and checks the traffic on both sides of the
// product. README.md says how to run it.
//
// A scenario is a client, its task, and the settings of the product. The function
// scenarios in scenarios.go returns all scenarios. Each scenario has its own
// services and its own product.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"sync"
	"time"

	"hmaproxy/internal/printable"
)

const (
	totalTime    = time.Hour       // time limit for all scenarios on a busy machine, without installation
	scenarioTime = 8 * time.Minute // the programs of clients use shorter limits
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options are the flags of the command line.
type options struct {
	only    *regexp.Regexp
	verbose bool
	workers int
	install bool
	slow    bool
}

func parse(args []string, stderr io.Writer) (options, error) {
	flags := flag.NewFlagSet("interop", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", "", "run the scenarios whose name matches this regular expression")
	o := options{}
	flags.BoolVar(&o.verbose, "v", false, "show what clients and product say in a scenario that fails")
	flags.IntVar(&o.workers, "parallel", 3, "scenarios at the same time")
	flags.BoolVar(&o.install, "install", true, "install the clients that are missing")
	flags.BoolVar(&o.slow, "slow", false, "run the scenarios that take a minute or more too")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	var err error
	o.only, err = regexp.Compile(*only)
	return o, err
}

// run returns the exit code: 0 if every scenario passed, 1 if one failed, 2 if no
// scenario could run.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if err != nil {
		return 2
	}
	tools, err := prepare(ctx, o, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "interop:", err)
		return 2
	}
	defer tools.close()
	var chosen []scenario
	for _, s := range scenarios() {
		switch {
		case !o.only.MatchString(s.name):
		case s.lacks != "":
			fmt.Fprintf(stdout, "NOT CHECKED: %s: this machine lacks %s\n", s.name, s.lacks)
		case s.slow && !o.slow:
			fmt.Fprintln(stdout, "NOT CHECKED without -slow:", s.name)
		default:
			chosen = append(chosen, s)
		}
	}
	limit := totalTime
	if o.slow {
		limit *= 2
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	passed, failed := runAll(ctx, chosen, tools, o, stdout, stderr)
	fmt.Fprintf(stdout, "%d passed, %d failed\n", passed, failed)
	switch {
	case len(chosen) == 0:
		return 2
	case failed > 0:
		return 1
	}
	return 0
}

// runAll runs the scenarios, a few at a time, and prints a line for
// each. It returns how many passed and how many failed.
func runAll(ctx context.Context, list []scenario, tools *tools, o options, stdout, stderr io.Writer) (passed, failed int) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	queue := make(chan scenario)
	for range max(o.workers, 1) {
		wg.Go(func() {
			for s := range queue {
				output, err := runOne(ctx, s, tools)
				mu.Lock()
				if err == nil {
					passed++
					fmt.Fprintln(stdout, "PASS", s.name)
				} else {
					failed++
					fmt.Fprintln(stdout, "FAIL", s.name, oneLine(err.Error()))
					if o.verbose {
						fmt.Fprintln(stderr, output)
					}
				}
				mu.Unlock()
			}
		})
	}
	for _, s := range list {
		queue <- s
	}
	close(queue)
	wg.Wait()
	return passed, failed
}

// runOne runs a scenario in its own environment. It checks the client's
// result first, then the traffic, then the services' records.
func runOne(ctx context.Context, s scenario, tools *tools) (output string, err error) {
	ctx, cancel := context.WithTimeout(ctx, scenarioTime)
	defer cancel()
	w, err := newEnvironment(ctx, s, tools)
	if err != nil {
		return "", err
	}
	defer w.close()
	output, err = s.client(ctx, w)
	if err == nil {
		err = w.compare()
	}
	return output + "\n" + w.product.said() + w.wire(), err
}

var lineEnds = regexp.MustCompile(`\s+`)

// oneLine returns the reason of a failure as one line, cut off after 300 bytes.
func oneLine(s string) string {
	return printable.Truncate(lineEnds.ReplaceAllString(s, " "), 300)
}

// wire returns the traffic between client and product as text, for the report.
func (w *environment) wire() string {
	var b strings.Builder
	for _, m := range w.relay.messages() {
		fmt.Fprintf(&b, "> %s %s %.300q\n> %.4000s\n< %d %.300q\n< %.4000s\n", m.method, m.target, m.header, m.body, m.status, m.responseHeader, m.content)
	}
	return b.String()
}
