package main

import "golang.org/x/sys/windows"

// echoOff makes the console fd stop showing what is typed, until restore is
// called. It reports false when fd is no console.
func echoOff(fd uintptr) (terminal bool, restore func()) {
	console := windows.Handle(fd)
	var before uint32
	if windows.GetConsoleMode(console, &before) != nil {
		return false, nil
	}
	silent := before&^windows.ENABLE_ECHO_INPUT | windows.ENABLE_LINE_INPUT | windows.ENABLE_PROCESSED_INPUT
	if windows.SetConsoleMode(console, silent) != nil {
		return false, nil
	}
	return true, func() { _ = windows.SetConsoleMode(console, before) }
}
