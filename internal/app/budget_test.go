package app

import (
	"math"
	"testing"
)

func TestBufferBudgetFollowsTheMemoryLimit(t *testing.T) {
	for _, c := range []struct{ limit, budget int64 }{
		{128 << 20, 32 << 20},
		{1 << 30, 256 << 20},
		{math.MaxInt64, 128 << 20},
	} {
		if got := bufferBudget(c.limit); got != c.budget {
			t.Errorf("limit %d: budget %d, want %d", c.limit, got, c.budget)
		}
	}
}
