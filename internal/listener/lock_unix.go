//go:build unix

package listener

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// How long the start waits for another one that opens a socket in the same
// directory. That takes milliseconds, or the time of a connection that is not
// accepted.
const (
	lockWait  = 5 * time.Second
	lockPause = 10 * time.Millisecond
)

// lockDirectory keeps other processes that call it from replacing a stale socket
// in the directory at the same time. A file system without locks is no error.
func lockDirectory(ctx context.Context, dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	timeout := time.NewTimer(lockWait)
	defer timeout.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return func() { f.Close() }, nil // locked, or there are no locks
		}
		select {
		case <-time.After(lockPause):
		case <-timeout.C:
			f.Close()
			return nil, fmt.Errorf("%s is locked by another process that starts", dir)
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		}
	}
}
