// Package reltime formats spans of time for people: "38 min", "in 3 days".
package reltime

import (
	"fmt"
	"time"
)

// Until returns how far t is from now: "in 38 min", "2 days ago".
func Until(now, t time.Time) string {
	if d := t.Sub(now); d >= 0 {
		return "in " + About(d)
	}
	return About(now.Sub(t)) + " ago"
}

// About returns a span in the largest unit of which it has at least two,
// rounded down. A span below two seconds is "a moment".
func About(d time.Duration) string {
	switch {
	case d < 2*time.Second:
		return "a moment"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}
