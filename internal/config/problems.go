package config

import (
	"cmp"
	"slices"
	"strings"
)

// A Problem is one mistake in the configuration.
type Problem struct {
	Variable string // the variable to change
	Text     string // what is wrong and what is expected; never a value
	Repair   string // what to do instead of the correction in Text; "" if only the correction helps
}

// Problems is the error of [Load]: every mistake that it found, in the order of
// the documentation. Its text has one line for each mistake and shows no value.
type Problems struct {
	All []Problem
}

// Error returns one line for each problem, without a final line break.
func (p *Problems) Error() string {
	lines := make([]string, len(p.All))
	for i, problem := range p.All {
		lines[i] = problem.Variable + ": " + problem.Text
	}
	return strings.Join(lines, "\n")
}

// A problemList collects the problems of one configuration.
type problemList struct {
	all    []Problem
	faulty map[string]bool // variables with a problem
}

// add reports a problem. Only the first problem of a variable is kept, because
// later problems may result from the first problem.
func (l *problemList) add(p Problem) {
	if l.faulty[p.Variable] {
		return
	}
	if l.faulty == nil {
		l.faulty = map[string]bool{}
	}
	l.faulty[p.Variable] = true
	l.all = append(l.all, p)
}

// fault reports what is wrong with a variable.
func (l *problemList) fault(name, text string) { l.add(Problem{Variable: name, Text: text}) }

// addUnnamed reports a problem with a variable whose name is not shown. All
// problems of this kind are kept.
func (l *problemList) addUnnamed(text string) {
	l.all = append(l.all, Problem{Variable: "environment", Text: text})
}

// The method "none" reports whether all of the variables are without problems.
func (l *problemList) none(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return l.faulty[name] })
}

// sorted returns the problems of known variables in the order of the
// documentation. The problems of other variables follow, ordered by name.
func (l *problemList) sorted() []Problem {
	known := variables()
	position := func(p Problem) int {
		i := slices.IndexFunc(known, func(v variable) bool { return v.name == p.Variable })
		if i < 0 {
			return len(known)
		}
		return i
	}
	slices.SortFunc(l.all, func(a, b Problem) int {
		return cmp.Or(position(a)-position(b), strings.Compare(a.Variable, b.Variable))
	})
	return l.all
}

// A flaw says what is wrong with a value without repeating it. The parsers of
// this package return no other error. Texts of other errors are not shown,
// because errors of the standard library quote the input.
type flaw string

func (f flaw) Error() string { return string(f) }
