package textcheck

import "testing"

func TestDifference(t *testing.T) {
	for _, c := range []struct{ name, got, want, says string }{
		{"a line", "a\nb\nc", "a\nx\nc", "got  b\nwant x"},
		{"a further line", "a\nb", "a", "one is longer"},
		{"a missing line", "a", "a\nb", "one is longer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := difference(c.got, c.want); got != c.says {
				t.Errorf("%q, want %q", got, c.says)
			}
		})
	}
}
