package traffic

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"hmaproxy/internal/outcome"
)

// A timeline counts outcomes in parts of equal length. When there are too many
// parts, neighbouring parts are merged in pairs.
type timeline struct {
	limit int
	width int64 // length of a part in seconds
	parts map[int64]*Moment
}

// A Moment is a part of the timeline.
type Moment struct {
	Counts      [outcome.Count]uint32
	First, Last int64 // times of the part's first and last request, in nanoseconds since 1970
}

func newTimeline(limit int) timeline {
	return timeline{limit: limit, width: 60, parts: make(map[int64]*Moment)}
}

func (l *timeline) add(at time.Time, o outcome.Outcome) {
	if l.limit == 0 {
		return
	}
	m := l.part(floorDiv(at.Unix(), l.width))
	if p := &m.Counts[position(o)]; *p < 1<<32-1 {
		*p++
	}
	m.extend(at.UnixNano(), at.UnixNano())
	for len(l.parts) > l.limit {
		l.widen()
	}
}

func (m *Moment) extend(first, last int64) {
	if m.First == 0 || first < m.First {
		m.First = first
	}
	m.Last = max(m.Last, last)
}

func (l *timeline) part(number int64) *Moment {
	m := l.parts[number]
	if m == nil {
		m = new(Moment)
		l.parts[number] = m
	}
	return m
}

func (l *timeline) widen() {
	old := l.parts
	l.width *= 2
	l.parts = make(map[int64]*Moment, len(old))
	for number, m := range old {
		wide := l.part(floorDiv(number, 2))
		for i, n := range m.Counts {
			wide.Counts[i] += min(n, 1<<32-1-wide.Counts[i])
		}
		wide.extend(m.First, m.Last)
	}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// sorted returns the parts in the order of time.
func (l *timeline) sorted() []Moment {
	list := make([]Moment, 0, len(l.parts))
	for _, number := range slices.Sorted(maps.Keys(l.parts)) {
		list = append(list, *l.parts[number])
	}
	return list
}

// A Gap is a time without requests that is longer than usual.
type Gap struct{ From, To time.Time }

// Length returns how long the gap is.
func (g Gap) Length() time.Duration { return g.To.Sub(g.From) }

const (
	// leastGap is the length of the shortest pause that counts as a gap.
	leastGap = time.Hour
	// unusual is the factor by which a gap must be longer than the longest pause
	// of a usual day.
	unusual = 3
	// usualDays is the number of days that a log must cover before a usual day is
	// determined. In a shorter log every pause of at least leastGap is a gap.
	usualDays = 3
	day       = 24 * time.Hour
)

// gaps returns the gaps between the moments in list, and the minimum length of a
// gap. The list must be in the order of time.
func gaps(list []Moment, width time.Duration) (all []Gap, threshold time.Duration) {
	if len(list) == 0 {
		return nil, leastGap
	}
	var pauses []Gap
	for i := 1; i < len(list); i++ {
		g := Gap{time.Unix(0, list[i-1].Last), time.Unix(0, list[i].First)}
		if g.Length() >= width {
			pauses = append(pauses, g)
		}
	}
	threshold = max(leastGap, unusual*usualPause(pauses, list[0].First, list[len(list)-1].Last))
	for _, g := range pauses {
		if g.Length() >= threshold {
			all = append(all, g)
		}
	}
	return all, threshold
}

// usualPause returns the median of the longest pauses of all days, or 0 if there
// are fewer days than usualDays. Days are periods of 24 hours, which begin with the
// first request. A pause belongs to the day in which it begins.
func usualPause(pauses []Gap, first, last int64) time.Duration {
	days := int((last-first)/int64(day)) + 1
	if days < usualDays {
		return 0
	}
	longest := make(map[int64]time.Duration)
	for _, g := range pauses {
		number := (g.From.UnixNano() - first) / int64(day)
		longest[number] = max(longest[number], g.Length())
	}
	list := slices.Collect(maps.Values(longest))
	for len(list) < days { // days in which no pause begins
		list = append(list, 0)
	}
	slices.SortFunc(list, cmp.Compare[time.Duration])
	return list[len(list)/2]
}
