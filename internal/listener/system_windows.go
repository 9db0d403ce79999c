package listener

import "math"

// openFileLimit returns how many files the process may have open. Windows sets no
// limit.
func openFileLimit() int64 { return math.MaxInt32 }
