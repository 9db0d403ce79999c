//go:build unix && !linux

package sidecar

func dumpable() int { return -1 }
