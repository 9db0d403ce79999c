package token

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds a mistaken header, which must not keep a healthy Entra
// unused for a day.
const maxRetryAfter = 15 * time.Minute

// retryAfter returns the wait that a Retry-After header asks for (RFC 9110
// section 10.2.3), within bounds; 0 for none. now is the time at which the
// sender of the header made it, by its own clock.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(date.Sub(now), 0), maxRetryAfter)
}
