package traffic

import (
	"math/bits"
	"time"
)

// durations is a histogram. Its zero value is empty. Each range from one power
// of two to the next, in microseconds, is divided into four parts. Therefore a
// quantile is at most a quarter too high.
type durations struct {
	parts [maxPart + 1]uint32
	most  time.Duration
}

// maxPart is the index of the last part, which has no upper bound. It begins at
// 2^37 µs, which are 38 hours.
const maxPart = 4 * 36

func (d *durations) add(t time.Duration) {
	if p := &d.parts[partOf(t)]; *p < 1<<32-1 {
		*p++
	}
	d.most = max(d.most, t)
}

// partOf returns the index in durations.parts at which a duration is counted.
func partOf(t time.Duration) int {
	us := uint64(max(t.Microseconds(), 0))
	if us < 4 {
		return int(us)
	}
	exponent := bits.Len64(us) - 3 // number of bits after the first three
	return min(4*exponent+int(us>>exponent), maxPart)
}

// upperBound returns the largest duration of the part with the given index.
func upperBound(part int) time.Duration {
	if part < 8 {
		return time.Duration(part) * time.Microsecond
	}
	exponent := part/4 - 1
	return (time.Duration(part%4+5)<<exponent - 1) * time.Microsecond
}

// merge adds the durations in other to d.
func (d *durations) merge(other *durations) {
	for i, n := range other.parts {
		d.parts[i] += min(n, 1<<32-1-d.parts[i])
	}
	d.most = max(d.most, other.most)
}

// quantile returns a duration that the given share of all durations does not
// exceed. It returns 0 if no duration was added.
func (d *durations) quantile(share float64) time.Duration {
	var all uint64
	for _, n := range d.parts {
		all += uint64(n)
	}
	if all == 0 {
		return 0
	}
	rank := uint64(share*float64(all-1)) + 1
	for i, n := range d.parts {
		if uint64(n) >= rank && i < maxPart { // the last part has no upper bound
			return min(upperBound(i), d.most)
		}
		rank -= min(rank, uint64(n))
	}
	return d.most
}
