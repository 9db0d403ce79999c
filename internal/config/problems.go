package config

import "strings"

// A Problem is one mistake in the configuration.
type Problem struct {
	Variable string // the variable to change
	Text     string // what is wrong and what is expected; never a value
	Needless bool   // the variable has no place in this configuration
}

// Problems is the error of [Load]: every mistake that it found, in the order of
// the documentation. Its text has one line for each and holds no value.
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

// A flaw says what is wrong with a value without repeating it. The parsers of
// this package return no other error, and no other error's text is shown:
// those of the standard library quote their input.
type flaw string

func (f flaw) Error() string { return string(f) }
