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

// Limits for the wait while another process opens a socket in the same directory.
// Opening takes milliseconds. It takes longer if the existing socket belongs to a
// process that does not accept the test connection of removeStale.
const (
	lockWait  = 5 * time.Second
	lockPause = 10 * time.Millisecond
)

// lockDirectory locks the directory, so that two processes do not replace a
// stale socket in it at the same time. A file system without locks is not an
// error.
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
			return func() { f.Close() }, nil // locked, or locks are not supported
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
