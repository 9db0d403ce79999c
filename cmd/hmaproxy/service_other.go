//go:build !windows

package main

// platformCommands are those that only one platform has.
func platformCommands() []command { return nil }
