package proxy

import (
	"regexp"
	"testing"
)

// TestRequestID checks that an id is a random GUID: version 4 of RFC 9562, section
// 5.4.
func TestRequestID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := make(map[string]bool)
	digits := make(map[int]map[byte]bool) // the digits that occur at each place
	for range 1000 {
		id := newID()
		if !form.MatchString(id) || seen[id] {
			t.Fatalf("%q is not the form of a GUID, or occurs twice", id)
		}
		seen[id] = true
		for i := range len(id) {
			if digits[i] == nil {
				digits[i] = make(map[byte]bool)
			}
			digits[i][id[i]] = true
		}
	}
	for i, found := range digits {
		want := 16
		switch i {
		case 8, 13, 14, 18, 23:
			want = 1 // dashes and the version
		case 19:
			want = 4 // the variant
		}
		if len(found) != want {
			t.Errorf("%d digits occur at place %d, want %d", len(found), i, want)
		}
	}
}
