// Package textwrap breaks texts for people into lines that fit a terminal.
package textwrap

import (
	"strings"
	"unicode/utf8"
)

// Width is the greatest number of columns of a line. All characters that this
// program prints are one column wide.
const Width = 100

// Fill returns text as lines of at most [Width] columns, each with a newline at
// its end. The argument "first" is the beginning of the first line, "rest" the
// beginning of every other line. Lines break at white space only, so a word
// that is longer than a line, such as a URL, remains whole. White space between
// two words of a line becomes one space.
func Fill(text, first, rest string) string {
	var b strings.Builder
	b.WriteString(first)
	column, empty := utf8.RuneCountInString(first), true
	for word := range strings.FieldsSeq(text) {
		length := utf8.RuneCountInString(word)
		switch {
		case empty:
		case column+1+length <= Width:
			b.WriteByte(' ')
			column++
		default:
			b.WriteString("\n" + rest)
			column = utf8.RuneCountInString(rest)
		}
		b.WriteString(word)
		column += length
		empty = false
	}
	b.WriteByte('\n')
	return b.String()
}

// Lines breaks those lines of text that are longer than [Width] columns, as Fill
// does. The other lines are unchanged. Each part of a broken line begins with the
// line's indentation, and each part after the first with two more spaces.
func Lines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		body := strings.TrimSuffix(line, "\n")
		if utf8.RuneCountInString(body) <= Width {
			b.WriteString(line)
			continue
		}
		indent := body[:len(body)-len(strings.TrimLeft(body, " "))]
		filled := Fill(body, indent, indent+"  ")
		if body == line {
			filled = strings.TrimSuffix(filled, "\n")
		}
		b.WriteString(filled)
	}
	return b.String()
}
