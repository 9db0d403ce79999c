package sidecar

import "math"

// openFiles is how many files the process may have open: Windows sets no limit.
func openFiles() int64 { return math.MaxInt32 }
