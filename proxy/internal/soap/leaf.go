package soap

import (
	"slices"
	"unicode/utf8"
)

// A leaf collects the text of an element whose value is needed.
type leaf struct {
	text  []byte
	long  bool // the text was longer than maxLeaf
	mixed bool // the element contained something other than text
}

func (l *leaf) reset() { *l = leaf{text: l.text[:0]} }

func (l *leaf) add(p []byte) {
	if len(l.text)+len(p) > maxLeaf {
		l.long = true
		return
	}
	l.text = append(l.text, p...)
}

// ascii reports whether all of the text is ASCII.
func (l *leaf) ascii() bool {
	return !slices.ContainsFunc(l.text, func(c byte) bool { return c >= utf8.RuneSelf })
}
