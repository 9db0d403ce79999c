package statuspage

import (
	"bytes"
	"html"
	"strconv"
)

// markup is HTML that is written as it is. Only constants and the embedded style
// sheet are markup. No other string is converted to it: data is written by text,
// number and attribute.
type markup string

// An htmlWriter collects a page. Its zero value is empty and ready for use.
type htmlWriter struct{ b bytes.Buffer }

// markup writes m.
func (w *htmlWriter) markup(m markup) { w.b.WriteString(string(m)) }

// text writes s as the content of an element. The element is not a script or a
// style sheet, where HTML's escapes have no meaning.
func (w *htmlWriter) text(s string) { w.b.WriteString(html.EscapeString(s)) }

// number writes n as the content of an element.
func (w *htmlWriter) number(n int) { w.b.WriteString(strconv.Itoa(n)) }

// attribute writes a space, name and the quoted value. It does not check URLs: name
// is not that of a link, a style or an event.
func (w *htmlWriter) attribute(name markup, value string) {
	w.markup(" ")
	w.markup(name)
	w.markup(`="`)
	w.text(value)
	w.markup(`"`)
}

// code writes a code element.
func (w *htmlWriter) code(s string) {
	w.markup("<code>")
	w.text(s)
	w.markup("</code>")
}

// choose returns yes if ok, and no otherwise.
func choose(ok bool, yes, no markup) markup {
	if ok {
		return yes
	}
	return no
}
