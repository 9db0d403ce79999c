package reltime_test

import (
	"testing"
	"time"

	"hmaproxy/internal/reltime"
)

func TestUntil(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0: "in a moment", 1999 * time.Millisecond: "in a moment", 2 * time.Second: "in 2 s", 119 * time.Second: "in 119 s",
		2 * time.Minute: "in 2 min", 119 * time.Minute: "in 119 min", 2 * time.Hour: "in 2 h", 47 * time.Hour: "in 47 h",
		48 * time.Hour: "in 2 days", -3 * time.Minute: "3 min ago",
	} {
		if got := reltime.Until(now, now.Add(d)); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
