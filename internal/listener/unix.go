package listener

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// socketMode lets only the user that runs hmaproxy, and root, connect.
const socketMode fs.FileMode = 0o600

// listenUnix opens a Unix socket that only the user of this process and root can
// connect to. The directory must exist, belong to one of them, and be writable
// by no other user. A sticky directory such as /tmp is refused too: while
// hmaproxy is down, any user could create a socket of that name there, and
// clients would send it their mail and passwords.
//
// An existing socket is replaced if no process listens on it. Any other existing
// file is left alone and is an error. Closing the listener removes its socket,
// unless another one has the name by then.
func listenUnix(ctx context.Context, listen Listen, path string) (net.Listener, error) {
	if runtime.GOOS == "windows" {
		return listen(ctx, "unix", path) // returns an error that explains why not
	}
	if err := checkSocketDirectory(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	l, err := listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // it would remove another process's socket
	}
	s := &unixListener{Listener: l, path: path}
	if s.own, err = restrict(path); err != nil {
		l.Close()
		return nil, err
	}
	return s, nil
}

// checkSocketDirectory returns an error if another user could replace the socket.
func checkSocketDirectory(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("directory of the socket: %w", err)
	case !info.IsDir():
		return fmt.Errorf("directory of the socket: %s is no directory", dir)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("directory of the socket: others may write to %s (mode %#o), and could put a socket of theirs there; chmod go-w, or a directory of its own", dir, info.Mode().Perm())
	case !ownedByUs(info):
		return fmt.Errorf("directory of the socket: %s belongs neither to this user nor to root", dir)
	}
	return nil
}

// removeStale removes a socket that no process listens on.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s exists and is no socket; it is left alone", path)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err == nil {
		c.Close()
		return fmt.Errorf("another process listens on %s", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("socket %s exists, and connecting to it does not show whether a process listens on it: %w", path, err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("stale socket: %w", err)
	}
	return nil
}

// restrict sets a new socket's mode, for systems where opening it did not, and
// returns its identity.
func restrict(path string) (fs.FileInfo, error) {
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	info, err := os.Lstat(path)
	if err == nil && info.Mode() != socketMode|fs.ModeSocket {
		err = fmt.Errorf("%s has mode %v", path, info.Mode())
	}
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	return info, nil
}

// A unixListener removes its socket when it is closed.
type unixListener struct {
	net.Listener
	path string
	own  fs.FileInfo
	once sync.Once
}

func (l *unixListener) Close() error {
	l.once.Do(func() {
		if info, err := os.Lstat(l.path); err == nil && os.SameFile(info, l.own) {
			_ = os.Remove(l.path)
		}
	})
	return l.Listener.Close()
}

// A peerAddr names the process at the other end of a Unix socket.
type peerAddr string

func (peerAddr) Network() string  { return "unix" }
func (p peerAddr) String() string { return string(p) }
