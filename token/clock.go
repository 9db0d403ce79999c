package token

import (
	"log/slog"
	"time"
)

// aadstsTimeRange is Entra's code for an assertion outside its valid time range.
const aadstsTimeRange = 700024

// clock compares this machine's clock with Entra's.
type clock struct {
	skew       time.Duration // local clock minus Entra's, at the last response
	correction time.Duration // added to the local clock for the times of assertions
	warned     time.Duration // the skew of the last warning; 0: none
}

// adjust corrects the time of further assertions by the Date of a response in
// which Entra refused an assertion's times. It reports whether another request
// is worth making. A working clock is never corrected: a Date may be wrong too.
func (c *clock) adjust(refusal *Error) bool {
	if refusal.date.IsZero() || (refusal.skew+c.correction).Abs() < minCorrection {
		return false
	}
	c.correction = -refusal.skew
	return true
}

// observe records the skew of a response and logs when the two clocks come to
// differ or to agree.
func (c *clock) observe(skew time.Duration, log *slog.Logger) {
	c.skew = skew
	if c.correction != 0 {
		c.correction = -skew
		if skew.Abs() < minCorrection {
			c.correction = 0
		}
	}
	if !skewChanged(skew, c.warned) {
		return
	}
	if skew.Abs() <= skewWarning {
		c.warned = 0
		log.Info("clock agrees with Entra's again", "skew_ms", skew.Milliseconds())
		return
	}
	c.warned = skew
	log.Warn("this machine's clock differs from Entra's; set it, or Entra and Exchange will refuse assertions and tokens", "skew_ms", skew.Milliseconds())
}

// skewChanged reports whether a skew needs a log line, given the one of the last
// warning (0: none).
func skewChanged(skew, warned time.Duration) bool {
	if skew.Abs() <= skewWarning {
		return warned != 0
	}
	return warned == 0 || (skew-warned).Abs() > skewWarning
}
