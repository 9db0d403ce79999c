//go:build unix && !linux

package socket

import "syscall"

func peek(fd uintptr) (n int, err error) {
	var b [1]byte
	n, _, err = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return n, err
}

func readNow(fd uintptr, p []byte) (n int, err error) { return syscall.Read(int(fd), p) }
