// Package retryafter reads the header Retry-After.
package retryafter

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Parse returns the wait in a Retry-After header (RFC 9110 section 10.2.3), at
// most limit; 0 if there is none. now is the time at which the header was sent,
// by the sender's clock.
func Parse(value string, now time.Time, limit time.Duration) time.Duration {
	value = strings.TrimSpace(value)
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, limit)
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(date.Sub(now), 0), limit)
}
