//go:build unix && !linux

package process

func dumpable() int { return -1 }
