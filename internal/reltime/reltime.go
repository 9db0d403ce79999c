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

// About returns d as text, in seconds, minutes, hours or days, rounded down. It
// uses the largest unit that fits into d at least twice: "119 min" for 119
// minutes, "2 h" for 120. Below two seconds it returns "a moment".
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
