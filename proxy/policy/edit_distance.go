package policy

// nearest returns the name whose key differs from s in the fewest edits, and how
// many these are; of several names, the first in alphabetical order.
func nearest(s string, names map[string]string) (name string, distance int) {
	s = s[:min(len(s), maxOperation)]
	distance = int(^uint(0) >> 1)
	for key, candidate := range names {
		d := editDistance(s, key)
		if d < distance || d == distance && candidate < name {
			name, distance = candidate, d
		}
	}
	return name, distance
}

// editDistance returns the Levenshtein distance of a and b in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
