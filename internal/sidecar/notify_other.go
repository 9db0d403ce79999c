//go:build !linux

package sidecar

// reloading announces a reload.
func reloading() []string { return []string{"RELOADING=1"} }
