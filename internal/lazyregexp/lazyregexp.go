// Package lazyregexp compiles regular expressions when they are first used.
// Package variables that are compiled at the start cost every command of the
// program, and few of them are used by any one command.
package lazyregexp

import (
	"regexp"
	"sync"
)

// New returns a function that returns the compiled expr. Its first call compiles
// expr and panics if expr is not a valid regular expression. The function is safe
// for concurrent use.
func New(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
