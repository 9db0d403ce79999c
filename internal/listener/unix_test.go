//go:build unix

package listener

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// socketDir makes a directory with a short name, because the length of a
// socket's path is limited.
func socketDir(t *testing.T, mode fs.FileMode) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hma")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
	return dir
}

func mustListen(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := listenUnix(t.Context(), ListenNetwork, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestSocketMode(t *testing.T) {
	path := filepath.Join(socketDir(t, 0o755), "s")
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	bare, err := ListenNetwork(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path) // the mode at creation
	bare.Close()
	if err != nil || info.Mode() != 0o600|fs.ModeSocket {
		t.Errorf("the socket comes into being with mode %v (%v)", info.Mode(), err)
	}
	mustListen(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600|fs.ModeSocket {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
}

func TestSocketsDirectory(t *testing.T) {
	cases := []struct {
		name string
		mode fs.FileMode
		want string // "" when the directory is accepted
	}{
		{"its owner's", 0o700, ""},
		{"readable to all", 0o755, ""},
		{"writable to a group", 0o770, "others may write"},
		{"writable to all", 0o777, "others may write"},
		{"writable to all and sticky", 0o777 | fs.ModeSticky, "others may write"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			l, err := listenUnix(t.Context(), ListenNetwork, filepath.Join(socketDir(t, tc.mode), "s"))
			if err == nil {
				l.Close()
			}
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("listenUnix: %v, want %q", err, tc.want)
			}
		})
	}
	if _, err := listenUnix(t.Context(), ListenNetwork, "/nowhere/at/all/s"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(socketDir(t, 0o700), "s")
	old, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(t.Context(), ListenNetwork, path); err == nil || !strings.Contains(err.Error(), "another process listens") {
		t.Fatalf("next to a live listener: %v", err)
	}
	if c, err := net.Dial("unix", path); err != nil {
		t.Fatalf("the live socket is gone: %v", err)
	} else {
		c.Close()
	}
	old.(*net.UnixListener).SetUnlinkOnClose(false)
	old.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Fatalf("no stale socket to replace: %v", err)
	}
	l := mustListen(t, path)
	l.Close()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there after its end: %v", err)
	}
}

func TestOtherFilesAreLeftAlone(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"file":      func(path string) error { return os.WriteFile(path, []byte("precious"), 0o600) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"link": func(path string) error {
			return errors.Join(os.WriteFile(path+".there", []byte("precious"), 0o600), os.Symlink(path+".there", path))
		},
		"dangling link": func(path string) error { return os.Symlink("/nowhere", path) },
		"fifo":          func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(socketDir(t, 0o700), "s")
			if err := make(path); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Lstat(path)
			if _, err := listenUnix(t.Context(), ListenNetwork, path); err == nil || !strings.Contains(err.Error(), "is not a socket") {
				t.Errorf("listenUnix: %v", err)
			}
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
				t.Errorf("it is gone: %v", err)
			}
		})
	}
}

func TestSocketOfAnotherProcessIsNotRemoved(t *testing.T) {
	path := filepath.Join(socketDir(t, 0o700), "s")
	first := mustListen(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	mustListen(t, path)
	first.Close()
	if c, err := net.Dial("unix", path); err != nil {
		t.Errorf("the successor's socket is gone: %v", err)
	} else {
		c.Close()
	}
}

func TestPeerOfASocket(t *testing.T) {
	path := filepath.Join(socketDir(t, 0o700), "s")
	l := newLimited(mustListen(t, path), newSlots(1), Config{Log: slog.New(slog.DiscardHandler)})
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	want := "@"
	if runtime.GOOS == "linux" {
		want = fmt.Sprintf("@uid=%d", os.Getuid())
	}
	if got := in.RemoteAddr().String(); got != want {
		t.Errorf("peer %q, want %q", got, want)
	}
}

// connectVariable is an environment variable that holds the path of a socket. If it
// is set, this test binary runs no tests: it connects to the socket and prints the
// error.
const connectVariable = "TEST_CONNECT_TO"

func TestMain(m *testing.M) {
	if path := os.Getenv(connectVariable); path != "" {
		c, err := net.Dial("unix", path)
		if err == nil {
			_, err = io.WriteString(c, "hello\n")
		}
		fmt.Println(err)
		return
	}
	os.Exit(m.Run())
}

// TestAnotherUserCannotConnect checks that another user cannot connect to a
// socket, even in a directory that the other user may enter.
func TestAnotherUserCannotConnect(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("NOT CHECKED: only root can be another user")
		return
	}
	dir := socketDir(t, 0o755)
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "client")
	if err := os.WriteFile(program, self, 0o755); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, "open")
	for path, want := range map[string]string{filepath.Join(dir, "s"): "permission denied", open: "<nil>"} {
		l := mustListen(t, path)
		if path == open { // a control: with this mode the other user can connect
			if err := os.Chmod(path, 0o666); err != nil {
				t.Fatal(err)
			}
			go func() {
				if c, err := l.Accept(); err == nil {
					_, _ = bufio.NewReader(c).ReadString('\n')
					c.Close()
				}
			}()
		}
		cmd := exec.Command(program)
		cmd.Dir, cmd.Env = "/", []string{connectVariable + "=" + path}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("as nobody: %s (%v), want %q", out, err, want)
		}
	}
}

// TestSocketsWholePath checks the directories above the socket's own, because a
// user who can rename one of them can replace the socket.
func TestSocketsWholePath(t *testing.T) {
	for _, tc := range []struct {
		name  string
		build func(t *testing.T, root string) (path string)
		want  string // "" when the path is accepted
	}{
		{"private below private", func(t *testing.T, root string) string {
			return filepath.Join(mkdir(t, root, "a", 0o755), "s")
		}, ""},
		{"private below one that others may write to", func(t *testing.T, root string) string {
			open := mkdir(t, root, "open", 0o777)
			return filepath.Join(mkdir(t, open, "a", 0o700), "s")
		}, "others may write"},
		{"private below one of a group", func(t *testing.T, root string) string {
			open := mkdir(t, root, "open", 0o770)
			return filepath.Join(mkdir(t, open, "a", 0o700), "s")
		}, "others may write"},
		{"private below a sticky directory, as /tmp is", func(t *testing.T, root string) string {
			sticky := mkdir(t, root, "sticky", 0o777|fs.ModeSticky)
			return filepath.Join(mkdir(t, sticky, "a", 0o700), "s")
		}, ""},
		{"a symbolic link to a private directory", func(t *testing.T, root string) string {
			return filepath.Join(symlink(t, mkdir(t, root, "a", 0o700), root, "link"), "s")
		}, ""},
		{"a symbolic link to a directory below one that others may write to", func(t *testing.T, root string) string {
			open := mkdir(t, root, "open", 0o777)
			return filepath.Join(symlink(t, mkdir(t, open, "a", 0o700), root, "link"), "s")
		}, "others may write"},
		{"a symbolic link in a directory that others may write to", func(t *testing.T, root string) string {
			open := mkdir(t, root, "open", 0o777)
			return filepath.Join(symlink(t, mkdir(t, root, "a", 0o700), open, "link"), "s")
		}, "others may write"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := tc.build(t, socketDir(t, 0o755))
			l, err := listenUnix(t.Context(), ListenNetwork, path)
			if err == nil {
				l.Close()
			}
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("listenUnix: %v, want %q", err, tc.want)
			}
		})
	}
}

func mkdir(t *testing.T, parent, name string, mode fs.FileMode) string {
	t.Helper()
	dir := filepath.Join(parent, name)
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, mode)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func symlink(t *testing.T, target, parent, name string) string {
	t.Helper()
	link := filepath.Join(parent, name)
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	return link
}

// TestTwoStartsOverAStaleSocket opens the path of a stale socket four times at
// the same time. Exactly one attempt succeeds, and its socket works.
func TestTwoStartsOverAStaleSocket(t *testing.T) {
	for range 50 {
		path := filepath.Join(socketDir(t, 0o700), "s")
		old, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		old.(*net.UnixListener).SetUnlinkOnClose(false)
		old.Close()
		const starts = 4
		listeners, failures := make(chan net.Listener, starts), make(chan error, starts)
		var all sync.WaitGroup
		for range starts {
			all.Go(func() {
				l, err := listenUnix(t.Context(), ListenNetwork, path)
				if err != nil {
					failures <- err
					return
				}
				listeners <- l
			})
		}
		all.Wait()
		if len(listeners) != 1 {
			t.Fatalf("%d of %d starts have the socket; errors: %d", len(listeners), starts, len(failures))
		}
		l := <-listeners
		if c, err := net.Dial("unix", path); err != nil {
			t.Errorf("the socket of the start that succeeded: %v", err)
		} else {
			c.Close()
		}
		l.Close()
	}
}
