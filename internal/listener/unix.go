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
	"strings"
	"sync"
	"syscall"
	"time"
)

// socketMode lets only root and the user of this process connect.
const socketMode fs.FileMode = 0o600

// listenUnix opens a Unix socket to which only root and the user of this
// process can connect. The directory must exist. It and the directories above
// it must belong to one of these two users and must not be writable by others.
// A sticky directory such as /tmp is refused too: while hmaproxy is down, any
// user could create a socket of that name there, and clients would send their
// mail and passwords to it.
//
// An existing socket is replaced if no process listens on it. Any other
// existing file is left unchanged and is an error. Closing the listener removes
// its socket, unless the name belongs to another socket by then.
func listenUnix(ctx context.Context, listen Listen, path string) (net.Listener, error) {
	if runtime.GOOS == "windows" {
		return listen(ctx, "unix", path) // listen fails with an error that explains the reason
	}
	if err := checkSocketDirectory(filepath.Dir(path)); err != nil {
		return nil, err
	}
	unlock, err := lockDirectory(ctx, filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("directory of the socket: %w", err)
	}
	defer unlock() // until then, no other process may replace a stale socket in the directory
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	l, err := listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // the automatic removal might remove the socket of another process
	}
	s := &unixListener{Listener: l, path: path}
	if s.own, err = restrict(path); err != nil {
		l.Close()
		return nil, err
	}
	return s, nil
}

// maxLinks limits the symbolic links on a socket's path, as the kernel does.
const maxLinks = 40

// checkSocketDirectory returns an error if another user could replace the socket,
// or rename a directory or a symbolic link on the way to it.
func checkSocketDirectory(dir string) error {
	at, rest, links := "/", components(dir), 0
	for {
		info, err := os.Stat(at)
		if err != nil {
			return fmt.Errorf("directory of the socket: %w", err)
		}
		if err := checkDirectory(at, info, len(rest) == 0); err != nil {
			return fmt.Errorf("directory of the socket: %w", err)
		}
		if len(rest) == 0 {
			return nil
		}
		next := filepath.Join(at, rest[0])
		rest = rest[1:]
		if info, err = os.Lstat(next); err != nil {
			return fmt.Errorf("directory of the socket: %w", err)
		}
		if info.Mode().Type() != fs.ModeSymlink {
			at = next
			continue
		}
		target, err := os.Readlink(next)
		if links++; err == nil && links > maxLinks {
			err = fmt.Errorf("too many symbolic links on the way to %s", dir)
		}
		if err == nil && !ownedByUs(info) {
			err = fmt.Errorf("the symbolic link %s belongs neither to this user nor to root", next)
		}
		if err != nil {
			return fmt.Errorf("directory of the socket: %w", err)
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(components(target), rest...)
	}
}

// components returns the parts of a path. It keeps "..", which filepath.Join
// resolves later, when the path before it contains no symbolic link.
func components(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// checkDirectory returns an error if another user could replace an entry of the
// directory. In a sticky directory only the owner of an entry can replace it.
// That is not enough for the socket's own directory (last), because the socket
// does not exist at all times.
func checkDirectory(dir string, info fs.FileInfo, last bool) error {
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	case !ownedByUs(info):
		return fmt.Errorf("%s belongs neither to this user nor to root", dir)
	case info.Mode().Perm()&0o022 != 0 && (last || info.Mode()&fs.ModeSticky == 0):
		return fmt.Errorf("others may write to %s (mode %#o), and could put a socket of theirs there; chmod go-w, or use another directory", dir, info.Mode().Perm())
	}
	return nil
}

// removeStale removes an existing socket at path if no process listens on it.
// Any other existing file is an error.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s exists and is not a socket; it is left alone", path)
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

// restrict sets the mode of a new socket, for systems where ListenNetwork does
// not set it. It returns the file's FileInfo, with which Close recognises the
// file.
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

// A peerAddr is the address of the process that connected to a Unix socket.
type peerAddr string

func (peerAddr) Network() string  { return "unix" }
func (p peerAddr) String() string { return string(p) }
