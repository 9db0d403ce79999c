package sidecar

import (
	"context"
	"runtime/debug"
	"time"
)

// settled is when a start is over: certificates parsed, roots read, the first
// token there or the first attempts behind.
const settled = 5 * time.Second

// giveBack returns the memory that only the start needed to the system, once.
// A sidecar idles most of its life beside software that could use it.
func giveBack(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(settled):
		debug.FreeOSMemory()
	}
}
