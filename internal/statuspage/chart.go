package statuspage

import (
	"math"
	"slices"
	"strconv"
	"time"

	"hmaproxy/internal/outcome"
	"hmaproxy/internal/webpage"
)

// The size of the coordinate system of charts, which are stretched to the
// page's width.
const (
	chartWidth  = 600.0
	chartHeight = 100.0
)

// latencyChart shows the duration of each request in the history, the newest at
// the right. Its scale is logarithmic from 100 µs to 100 s, so that both
// refusals and long requests are visible.
type latencyChart struct {
	Bars             []webpage.Bar
	Median, Slowest5 seconds // median and 95th percentile of the durations of requests with a response of Exchange, without streams
	Timed            int
}

const decades = 6

func newLatencyChart(list []request) latencyChart {
	var c latencyChart
	var timed []seconds
	step := chartWidth / historySize
	for i, r := range list {
		h := chartHeight * min(max(math.Log10(time.Duration(r.Duration).Seconds()*1e4)/decades, .02), 1)
		c.Bars = append(c.Bars, webpage.Bar{
			X: chartWidth - float64(i+1)*step, Y: chartHeight - h, W: step * .7, H: h, Class: string(r.Outcome),
			Title: clock(r.Time) + " " + r.Operation + ": " + took(r.Duration) + ", " + string(r.Outcome),
		})
		if r.Upstream != 0 && !r.streaming {
			timed = append(timed, r.Duration)
		}
	}
	slices.Sort(timed)
	if c.Timed = len(timed); c.Timed > 0 {
		c.Median, c.Slowest5 = timed[(len(timed)-1)/2], timed[(len(timed)-1)*95/100]
	}
	return c
}

// hourChart shows the outcomes of each minute of the last hour.
type hourChart struct {
	Bars   []webpage.Bar
	Top    int // number of requests at the full height
	Legend []legend
}

type legend struct {
	Kind  outcome.Outcome
	Count int
}

func newHourChart(minutes []minuteStatus) hourChart {
	var c hourChart
	var sums [outcome.Count]int
	most := 0
	for _, m := range minutes {
		all := 0
		for i, n := range m.minute.counts {
			sums[i] += n
			all += n
		}
		most = max(most, all)
	}
	c.Top = roundUp(most)
	for i, m := range minutes {
		c.Bars = append(c.Bars, m.stack(i, c.Top)...)
	}
	for i, o := range outcome.All() {
		if sums[i] > 0 || o == outcome.Served || o == outcome.Refused || o == outcome.Failed {
			c.Legend = append(c.Legend, legend{o, sums[i]})
		}
	}
	return c
}

// stack returns the bars of one minute, one for each outcome that occurred. Each
// bar has a visible height, so that one refusal among a thousand requests can be
// seen. at is the index of the minute, and top is the number of requests at the
// top of the chart.
func (m minuteStatus) stack(at, top int) []webpage.Bar {
	var bars []webpage.Bar
	step := chartWidth / historyMinutes
	y := chartHeight
	for i, o := range outcome.All() {
		n := m.minute.counts[i]
		if n == 0 {
			continue
		}
		h := max(chartHeight*float64(n)/float64(top), 3)
		y = max(y-h, 0)
		bars = append(bars, webpage.Bar{X: float64(at) * step, Y: y, W: step * .8, H: h, Class: string(o), Title: clock(m.Time) + ": " + plural(n) + " " + string(o)})
	}
	return bars
}

// roundUp rounds up to a number that is easy to read: 10, 20, 50, 100 and so
// on.
func roundUp(n int) int {
	for unit := 10; ; unit *= 10 {
		for _, f := range [...]int{1, 2, 5} {
			if n <= f*unit {
				return f * unit
			}
		}
	}
}

func plural(n int) string {
	if n == 1 {
		return "1 request"
	}
	return strconv.Itoa(n) + " requests"
}
