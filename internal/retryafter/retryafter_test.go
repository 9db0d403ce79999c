package retryafter

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	const limit = 15 * time.Minute
	for _, c := range []struct {
		value string
		want  time.Duration
	}{
		{"", 0}, {"0", 0}, {"7", 7 * time.Second}, {" 120 ", 2 * time.Minute},
		{"900", limit}, {"901", limit}, {"899", limit - time.Second}, {"4294967295", limit},
		{"-5", 0}, {"1.5", 0}, {"99999999999999999999", 0}, {"soon", 0},
		{"Sun, 01 Nov 2026 12:01:30 GMT", 90 * time.Second},
		{"Sun, 01 Nov 2026 11:00:00 GMT", 0},
		{"Mon, 02 Nov 2026 12:00:00 GMT", limit},
	} {
		if got := Parse(c.value, now, limit); got != c.want {
			t.Errorf("%q: %v, want %v", c.value, got, c.want)
		}
	}
}
