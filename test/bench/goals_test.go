//go:build linux

package main

import "testing"

// TestGoalCheck tests both sides of each bound of a goal.
func TestGoalCheck(t *testing.T) {
	upper := goal{aim: 0.5, limit: 0.6}
	lower := goal{aim: 1.6, limit: 1.4, least: true}
	for _, c := range []struct {
		name  string
		goal  goal
		value float64
		want  string
	}{
		{"upper bound, at the aim", upper, 0.5, "met"},
		{"upper bound, over the aim", upper, 0.51, "within the limit"},
		{"upper bound, at the limit", upper, 0.6, "within the limit"},
		{"upper bound, over the limit", upper, 0.61, "MISSED"},
		{"upper bound without a limit", goal{aim: 0.5}, 0.51, "MISSED"},
		{"lower bound, at the aim", lower, 1.6, "met"},
		{"lower bound, under the aim", lower, 1.59, "within the limit"},
		{"lower bound, at the limit", lower, 1.4, "within the limit"},
		{"lower bound, under the limit", lower, 1.39, "MISSED"},
		{"lower bound without a limit", goal{aim: 1.6, least: true}, 1.59, "MISSED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.goal.check(c.value); got != c.want {
				t.Errorf("check(%g) is %q, want %q", c.value, got, c.want)
			}
		})
	}
}

func TestGoalBounds(t *testing.T) {
	for want, g := range map[string]goal{
		"≤ 0.5, at most 0.6":  {aim: 0.5, limit: 0.6},
		"≥ 1.6, at least 1.4": {aim: 1.6, limit: 1.4, least: true},
		"≥ 1.6":               {aim: 1.6, least: true},
	} {
		if got := g.bounds(); got != want {
			t.Errorf("bounds are %q, want %q", got, want)
		}
	}
}
