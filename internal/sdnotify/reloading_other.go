//go:build !linux

package sdnotify

// Reloading returns the assignments that announce a reload.
func Reloading() []string { return []string{"RELOADING=1"} }
