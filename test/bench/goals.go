//go:build linux

package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// A goal is a bound for a metric of hmaproxy, or for the ratio of that metric
// to a peer's.
type goal struct {
	metric metric
	peer   string  // empty: the bound is for the metric itself
	aim    float64 // the value to reach
	limit  float64 // the worst acceptable value; 0: aim is the only bound
	least  bool    // aim and limit are lower bounds
}

func goals(o options) []goal {
	_, many := o.streams()
	return []goal{
		{metric: cpuAt(16), peer: "nginx-expat", aim: 0.5, limit: 0.6},
		{metric: throughputAt(16), peer: "nginx-expat", aim: 1.6, least: true},
		{metric: addedAt(1), peer: "nginx-expat", aim: 0.8},
		{metric: cpuAt(256), peer: "nginx-expat", aim: 0.6},
		{metric: cpuAt(16), peer: "nginx-lua", aim: 1.25, limit: 1.5},
		{metric: speedOf("download"), peer: "nginx", aim: 1, least: true},
		{metric: speedOf("upload"), peer: "nginx", aim: 1, least: true},
		{metric: growthOf("download"), aim: 2},
		{metric: growthOf("upload"), aim: 2},
		{metric: perStreamAt(many), aim: 40},
		{metric: idleMemory, aim: 18},
		{metric: binarySize, aim: 16},
		{metric: startTime, aim: 50},
		{metric: scaleMeasured, aim: 1.6, least: true},
		{metric: scaleComputed, aim: 1.6, least: true},
	}
}

func (g goal) String() string {
	text := g.metric.name + ", " + g.metric.unit
	if g.peer != "" {
		text = g.metric.name + " ÷ " + g.peer + "'s"
	}
	return text
}

// bounds formats the bounds of a goal.
func (g goal) bounds() string {
	sign, limit := "≤", "at most"
	if g.least {
		sign, limit = "≥", "at least"
	}
	text := fmt.Sprintf("%s %g", sign, g.aim)
	if g.limit != 0 {
		text += fmt.Sprintf(", %s %g", limit, g.limit)
	}
	return text
}

// check compares a value with the bounds and returns the result as text.
func (g goal) check(value float64) string {
	switch {
	case g.reaches(value, g.aim):
		return "met"
	case g.limit != 0 && g.reaches(value, g.limit):
		return "within the limit"
	}
	return "MISSED"
}

// reaches reports whether a value is on the acceptable side of a bound.
func (g goal) reaches(value, bound float64) bool {
	if g.least {
		return value >= bound
	}
	return value <= bound
}

// printGoals writes the measured values next to their goals.
func (r *results) printGoals(w io.Writer) {
	fmt.Fprintln(w, "\nGoals")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer t.Flush()
	for _, g := range r.goals {
		list := r.samples[g.metric][product]
		if g.peer != "" {
			list = r.ratios(g.metric, g.peer)
		}
		result := "not measured"
		if len(list) > 0 {
			result = g.check(median(list))
		}
		fmt.Fprintf(t, "  %s\t%s\tgoal %s\t%s\n", g, spread(list, 2), g.bounds(), result)
	}
}
