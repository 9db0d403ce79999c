//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

// A metric is one measured quantity.
type metric struct{ name, unit string }

// results are the samples of a run: for each metric and peer, in the order of
// the rounds.
type results struct {
	peers   []string
	metrics []metric // metrics in the order of their first sample
	samples map[metric]map[string][]float64
	goals   []goal
}

func newResults(o options) *results {
	peers := append([]string{product, "other"}, peerNames()...)
	return &results{peers: append(peers, direct), samples: make(map[metric]map[string][]float64), goals: goals(o)}
}

func (r *results) add(m metric, peer string, value float64) {
	if r.samples[m] == nil {
		r.samples[m] = make(map[string][]float64)
		r.metrics = append(r.metrics, m)
	}
	r.samples[m][peer] = append(r.samples[m][peer], value)
}

// ratios divides each sample of the product by the peer's sample in the same
// round.
func (r *results) ratios(m metric, peer string) []float64 {
	ours, theirs := r.samples[m][product], r.samples[m][peer]
	var all []float64
	for i := range min(len(ours), len(theirs)) {
		if theirs[i] > 0 {
			all = append(all, ours[i]/theirs[i])
		}
	}
	return all
}

// median returns the median of a list that is not empty.
func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// spread formats the median and, if there is more than one sample, the extremes.
func spread(list []float64, digits int) string {
	if len(list) == 0 {
		return "–"
	}
	text := fmt.Sprintf("%.*f", digits, median(list))
	if len(list) > 1 {
		text += fmt.Sprintf(" (%.*f–%.*f)", digits, slices.Min(list), digits, slices.Max(list))
	}
	return text
}

// digits returns the number of decimals with which the median of list is
// printed. A median of at least 1 has at least three significant digits then.
func digits(list []float64) int {
	switch m := median(list); {
	case m >= 100 || m <= -100:
		return 0
	case m >= 10:
		return 1
	}
	return 2
}

// print writes a table for each metric: medians with their spread, and the
// medians of the ratios within a round.
func (r *results) print(w io.Writer) {
	fmt.Fprintf(w, "%d processors, %s, %s\n", runtime.NumCPU(), runtime.Version(), time.Now().UTC().Format(time.DateOnly))
	for _, m := range r.metrics {
		fmt.Fprintf(w, "\n%s, %s\n", m.name, m.unit)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, peer := range r.peers {
			list := r.samples[m][peer]
			if len(list) == 0 {
				continue
			}
			row := fmt.Sprintf("  %s\t%s", peer, spread(list, digits(list)))
			if ratios := r.ratios(m, peer); peer != product && len(ratios) > 0 {
				row += "\t" + product + " ÷ it: " + spread(ratios, 2)
			}
			fmt.Fprintln(t, row)
		}
		t.Flush()
	}
}

// save writes every sample to a file.
func (r *results) save(path string) error {
	type row struct {
		Metric, Unit string
		Samples      map[string][]float64
	}
	var rows []row
	for _, m := range r.metrics {
		rows = append(rows, row{m.name, m.unit, r.samples[m]})
	}
	text, err := json.MarshalIndent(rows, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
