package token

import (
	"log/slog"
	"time"
)

// aadstsTimeRange is Entra's code for an assertion outside its valid time range.
const aadstsTimeRange = 700024

// clock tracks the skew between this machine's clock and Entra's.
type clock struct {
	skew       time.Duration // local clock minus Entra's, at the last response
	correction time.Duration // correction that is added to the local clock for the times in assertions
	warned     time.Duration // the skew of the latest warning; 0: no warning
}

// adjust is called when Entra has refused an assertion's times. It corrects the
// times of further assertions by the Date header of the refusal, and reports
// whether to make another request. The Date of other responses does not begin a
// correction, because a Date may be wrong.
func (c *clock) adjust(refusal *Error) bool {
	if refusal.date.IsZero() || (refusal.skew+c.correction).Abs() < minCorrection {
		return false
	}
	c.correction = -refusal.skew
	return true
}

// observe records the skew of a response. If a correction is in effect, observe
// updates it or ends it. It logs when the skew becomes large, changes much while
// it is large, or becomes small again.
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

// skewChanged reports whether a skew must be logged, given the skew of the
// latest warning (0: no warning).
func skewChanged(skew, warned time.Duration) bool {
	if skew.Abs() <= skewWarning {
		return warned != 0
	}
	return warned == 0 || (skew-warned).Abs() > skewWarning
}
