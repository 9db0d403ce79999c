// Package webpage writes HTML without html/template, because a binary with that
// package keeps every exported method, which adds more than 2 MB.
package webpage

import (
	"bytes"
	_ "embed" // for the style sheet
	"html"
	"strconv"
)

// Markup is HTML that is written unchanged. Only constants and embedded style
// sheets may be Markup. Other strings must not be converted to it; Text, Number
// and Attribute write data.
type Markup string

//go:embed base.css
var baseCSS Markup

// CSS returns the common style sheet of all pages: the colours for light and dark
// mode and for outcomes, and the styles of charts, cards and tables.
func CSS() Markup { return baseCSS }

// A Writer collects a page. Its zero value is empty and ready for use.
type Writer struct{ b bytes.Buffer }

// Bytes returns the page so far.
func (w *Writer) Bytes() []byte { return w.b.Bytes() }

// Markup writes m.
func (w *Writer) Markup(m Markup) { w.b.WriteString(string(m)) }

// Text writes s as the content of an element. The element must not be a script
// or a style sheet, in which HTML's escapes have no meaning.
func (w *Writer) Text(s string) { w.b.WriteString(html.EscapeString(s)) }

// Number writes n as the content of an element.
func (w *Writer) Number(n int) { w.b.WriteString(strconv.Itoa(n)) }

// Attribute writes a space, name and the quoted value. It does not check URLs:
// name must not be the attribute of a link, a style or an event.
func (w *Writer) Attribute(name Markup, value string) {
	w.Markup(" ")
	w.Markup(name)
	w.Markup(`="`)
	w.Text(value)
	w.Markup(`"`)
}

// Code writes a code element.
func (w *Writer) Code(s string) {
	w.Markup("<code>")
	w.Text(s)
	w.Markup("</code>")
}

// Choose returns its second argument if ok is true, and its third argument if ok
// is false.
func Choose(ok bool, yes, no Markup) Markup {
	if ok {
		return yes
	}
	return no
}
