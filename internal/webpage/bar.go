package webpage

import "strconv"

// A Bar is one bar of a chart, in units of the chart's viewBox.
type Bar struct {
	X, Y, W, H float64
	Class      string // an outcome, or "gap"
	Title      string
}

// Bar writes b as an SVG rectangle.
func (w *Writer) Bar(b Bar) {
	w.Markup("        <rect")
	w.Attribute("class", b.Class)
	w.Attribute("x", Decimal(b.X))
	w.Attribute("y", Decimal(b.Y))
	w.Attribute("width", Decimal(b.W))
	w.Attribute("height", Decimal(b.H))
	w.Markup("><title>")
	w.Text(b.Title)
	w.Markup("</title></rect>\n")
}

// Decimal returns f with one digit after the point.
func Decimal(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }
