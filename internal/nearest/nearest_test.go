package nearest

import (
	"slices"
	"strings"
	"testing"
)

func TestDistance(t *testing.T) {
	cases := []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"URL", "ULR", 1}, {"ca", "abc", 3}, {"flaw", "lawn", 2},
		{strings.Repeat("a", 64), strings.Repeat("a", 63) + "b", 1}, {strings.Repeat("ab", 50), strings.Repeat("ab", 49) + "ba", 1},
	}
	for _, tc := range cases {
		if got := Distance(tc.a, tc.b); got != tc.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}

func TestOf(t *testing.T) {
	names := []string{"serve", "doctor", "health", "heath"}
	for s, want := range map[string]string{"docter": "doctor", "srve": "serve", "health": "health", "healt": "health"} {
		if got, _ := Of(s, slices.Values(names)); got != want {
			t.Errorf("Of(%q) = %q, want %q", s, got, want)
		}
	}
	if name, distance := Of("x", slices.Values([]string(nil))); name != "" || distance < 1<<30 {
		t.Errorf("Of without names = %q, %d", name, distance)
	}
}
