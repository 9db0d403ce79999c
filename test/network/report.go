//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// A result says how the requests during one fault ended.
type result struct {
	Fault                          string
	Nginx                          bool // the proxy was nginx
	Requests, Lost, Doubled, Wrong int
	Longest                        time.Duration // longest wait of a client, without Exchange's working time
	Recovery                       time.Duration // see environment.recovery; 0 if the fault interrupts nothing
	Bounds                         []bound
	Problems                       []string
}

// good reports whether all checks have passed.
func (r result) good() bool {
	late := slices.ContainsFunc(r.Bounds, func(b bound) bool { return b.Took > b.Limit })
	return r.Lost+r.Doubled+r.Wrong+len(r.Problems) == 0 && !late && r.Recovery != never
}

const resultHeader = "fault                      requests  lost  doubled  wrong  longest wait  recovery  limits"

// String returns the result as a line of a table.
func (r result) String() string {
	var times []string
	for _, b := range r.Bounds {
		text := fmt.Sprintf("%s %s (at most %v)", b.What, b.time(), b.Limit)
		if b.Took > b.Limit {
			text += " TOO LONG"
		}
		times = append(times, text)
	}
	return fmt.Sprintf("%-25s %9d %5d %8d %6d %13s %9s  %s", r.Fault, r.Requests, r.Lost, r.Doubled, r.Wrong, seconds(r.Longest), r.recovery(), strings.Join(times, "; "))
}

func (r result) recovery() string {
	if r.Recovery == 0 {
		return "-"
	}
	return seconds(r.Recovery)
}

func (b bound) time() string { return seconds(b.Took) }

func seconds(d time.Duration) string {
	if d == never {
		return "failed"
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// A report collects the results of all parts of the run (see plan.parts). It
// prints the results of hmaproxy immediately.
type report struct {
	plain bool // the parts write text instead of JSON

	mu      sync.Mutex
	results []result
}

func newReport(plain bool) *report {
	if !plain {
		fmt.Println(resultHeader)
	}
	return &report{plain: plain}
}

// writer returns the writer for the standard output of the process that runs one
// part of the run.
func (r *report) writer() io.Writer {
	if r.plain {
		return os.Stdout
	}
	return &resultWriter{report: r}
}

// A resultWriter receives results as lines of JSON.
type resultWriter struct {
	report *report
	rest   []byte
}

func (w *resultWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		n, line, _ := bufio.ScanLines(w.rest, false)
		if n == 0 {
			return len(p), nil
		}
		var result result
		if err := json.Unmarshal(line, &result); err != nil {
			return 0, fmt.Errorf("%q is not a result: %w", line, err)
		}
		w.rest = w.rest[n:]
		w.report.add(result)
	}
}

func (r *report) add(result result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results = append(r.results, result)
	if result.Nginx {
		return
	}
	fmt.Println(result)
	for _, p := range result.Problems {
		fmt.Println("  FAILED:", p)
	}
}

// missing returns the faults of the parts that have no result.
func (r *report) missing(parts []plan) (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, part := range parts {
		for name := range strings.SplitSeq(part.only, ",") {
			if slices.ContainsFunc(r.results, func(result result) bool { return result.Fault == name && result.Nginx == part.nginx }) {
				continue
			}
			if part.nginx {
				name += " with nginx"
			}
			names = append(names, name)
		}
	}
	return names
}

// compare prints a table: how long clients waited with hmaproxy and with nginx,
// what nginx lost, doubled or confused, and other problems with nginx. It prints
// nothing if nginx did not run.
func (r *report) compare() {
	with := map[bool]map[string]result{false: {}, true: {}}
	for _, result := range r.results {
		with[result.Nginx][result.Fault] = result
	}
	if len(with[true]) == 0 {
		return
	}
	fmt.Println()
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "fault\twhat takes time\tat most\thmaproxy\tnginx\tnginx lost, doubled, wrong\tother problems with nginx")
	for _, f := range allFaults {
		own, ran := with[false][f.name]
		nginx, compared := with[true][f.name]
		if !ran || !compared {
			continue
		}
		fmt.Fprintf(table, "%s\tlongest wait\t\t%s\t%s\t%d, %d, %d\t%s\n", f.name, seconds(own.Longest), seconds(nginx.Longest),
			nginx.Lost, nginx.Doubled, nginx.Wrong, strings.Join(nginx.Problems, "; "))
		if own.Recovery > 0 || nginx.Recovery > 0 {
			fmt.Fprintf(table, "\trecovery\t\t%s\t%s\t\t\n", own.recovery(), nginx.recovery())
		}
		for i := range max(len(own.Bounds), len(nginx.Bounds)) {
			line := []string{"", "", "", "-", "-", "", ""}
			for column, bounds := range [][]bound{own.Bounds, nginx.Bounds} {
				if i < len(bounds) {
					b := bounds[i]
					line[1], line[2], line[3+column] = b.What, b.Limit.Round(time.Second).String(), b.time()
				}
			}
			fmt.Fprintln(table, strings.Join(line, "\t"))
		}
	}
	_ = table.Flush()
}
