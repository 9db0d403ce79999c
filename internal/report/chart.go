package report

import (
	"time"

	"hmaproxy/internal/outcome"
	"hmaproxy/internal/printable"
	"hmaproxy/internal/webpage"
)

// The coordinate system of charts, which are stretched to the width of the page.
const (
	chartWidth  = 600.0
	chartHeight = 100.0
	leastHeight = 2.5 // minimum height of the part of a column for an outcome with at least one request, so that a single refusal is visible
	mostColumns = 96
)

// A chart has stacked columns. Gaps in the log are marked behind the columns.
type chart struct {
	bars   []webpage.Bar
	gaps   []webpage.Bar
	sums   [outcome.Count]int64 // in the order of outcome.All
	top    int64                // number of requests that a column of the full height shows
	first  string
	last   string
	column string // period that one column covers, in words
}

// columnLengths returns the periods that a column may cover.
func columnLengths() []time.Duration {
	const h, day = time.Hour, 24 * time.Hour
	return []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, h, 3 * h, 6 * h, 12 * h, day, 7 * day, 28 * day, 91 * day, 365 * day}
}

// timeChart shows the number of requests over time, by outcome.
func timeChart(r *Report) chart {
	if len(r.timeline) == 0 {
		return chart{}
	}
	_, offset := r.Span.First.In(r.location).Zone()
	local := func(nanoseconds int64) int64 { return nanoseconds + int64(offset)*int64(time.Second) }
	length := columnLengths()[0]
	for _, length = range columnLengths() {
		if (local(r.Span.Last.UnixNano())/int64(length) - local(r.Span.First.UnixNano())/int64(length)) < mostColumns {
			break
		}
	}
	first := local(r.Span.First.UnixNano()) / int64(length)
	columns := make([][outcome.Count]int64, local(r.Span.Last.UnixNano())/int64(length)-first+1)
	for _, m := range r.timeline {
		column := &columns[local(m.First)/int64(length)-first]
		for i, n := range m.Counts {
			column[i] += int64(n)
		}
	}
	c := stack(columns, func(i int) string {
		return time.Unix(0, (first+int64(i))*int64(length)-int64(offset)*int64(time.Second)).In(r.location).Format("2006-01-02 15:04")
	})
	c.column, c.first, c.last = printable.Span(length), r.instant(r.Span.First), r.instant(r.Span.Last)
	for _, gap := range r.Span.Gaps {
		from := float64(local(gap.From.UnixNano()))/float64(length) - float64(first)
		to := float64(local(gap.To.UnixNano()))/float64(length) - float64(first)
		step := chartWidth / float64(len(columns))
		c.gaps = append(c.gaps, webpage.Bar{X: from * step, W: (to - from) * step, H: chartHeight, Class: "gap", Title: "no request for " + printable.Span(gap.length())})
	}
	return c
}

// hourChart shows the number of requests by hour of the day.
func hourChart(r *Report) chart {
	columns := make([][outcome.Count]int64, 24)
	for _, m := range r.timeline {
		column := &columns[time.Unix(0, m.First).In(r.location).Hour()]
		for i, n := range m.Counts {
			column[i] += int64(n)
		}
	}
	return stack(columns, func(i int) string { return time.Date(2026, 1, 1, i, 0, 0, 0, time.UTC).Format("15:04") })
}

// stack returns a chart with a column for each element of columns. An element
// contains the number of requests of each outcome, in the order of outcome.All.
// title returns the period of column i as text.
func stack(columns [][outcome.Count]int64, title func(int) string) chart {
	var c chart
	for _, column := range columns {
		var all int64
		for i, n := range column {
			c.sums[i] += n
			all += n
		}
		c.top = max(c.top, all)
	}
	c.top = roundUp(c.top)
	step := chartWidth / float64(len(columns))
	for i, column := range columns {
		y := chartHeight
		for j, o := range outcome.All() {
			if column[j] == 0 {
				continue
			}
			h := max(chartHeight*float64(column[j])/float64(c.top), leastHeight)
			y = max(y-h, 0)
			c.bars = append(c.bars, webpage.Bar{X: float64(i) * step, Y: y, W: step * .85, H: h, Class: string(o), Title: title(i) + ": " + printable.Count(column[j], "request", "requests") + " " + string(o)})
		}
	}
	return c
}

// roundUp rounds up to a number that is easy to read: 10, 20, 50, 100 and so
// on.
func roundUp(n int64) int64 {
	for unit := int64(10); ; unit *= 10 {
		for _, f := range [...]int64{1, 2, 5} {
			if n <= f*unit {
				return f * unit
			}
		}
	}
}
