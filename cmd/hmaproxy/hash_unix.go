//go:build unix

package main

import "golang.org/x/sys/unix"

// echoOff makes the terminal fd stop showing what is typed, until restore is
// called. It reports false when fd is no terminal.
func echoOff(fd uintptr) (terminal bool, restore func()) {
	before, err := unix.IoctlGetTermios(int(fd), getTermios)
	if err != nil {
		return false, nil
	}
	silent := *before
	silent.Lflag &^= unix.ECHO
	silent.Lflag |= unix.ICANON | unix.ISIG
	if unix.IoctlSetTermios(int(fd), setTermios, &silent) != nil {
		return false, nil
	}
	return true, func() { _ = unix.IoctlSetTermios(int(fd), setTermios, before) }
}
