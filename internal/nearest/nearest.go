// Package nearest finds the known name that was most likely meant by a misspelt
// one.
package nearest

import "iter"

// The function Of returns the name closest to s and its distance; see Distance. If
// several names are equally close, it returns the first. If names is empty, it
// returns "" and the largest int.
func Of(s string, names iter.Seq[string]) (name string, distance int) {
	distance = int(^uint(0) >> 1)
	for candidate := range names {
		// The distance is at least the difference of the lengths, because each
		// change alters the length by at most one.
		if length := len(s) - len(candidate); max(length, -length) >= distance {
			continue
		}
		if d := Distance(s, candidate); d < distance {
			name, distance = candidate, d
		}
	}
	return name, distance
}

// Distance returns the optimal string alignment distance of a and b: the smallest
// number of insertions, deletions, substitutions and swaps of neighbouring bytes
// that turn a into b.
func Distance(a, b string) int {
	const short = 64 // names up to this length need no allocation
	var room [3 * (short + 1)]int
	rows, n := room[:], len(b)+1
	if len(rows) < 3*n {
		rows = make([]int, 3*n)
	}
	before, last, row := rows[:n], rows[n:2*n], rows[2*n:3*n]
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
