//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/ewstest"
)

// A socketUnit does the part of systemd in socket activation: it keeps a
// listening socket and passes it to each process that it starts.
type socketUnit struct {
	address string
	file    *os.File
}

func newSocketUnit(t *testing.T) *socketUnit {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // u.file is a duplicate of the descriptor, so it stays open
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return &socketUnit{address: l.Addr().String(), file: file}
}

// start starts the binary with the socket as its file descriptor 3.
func (u *socketUnit) start(t *testing.T, env []string) *testProcess {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	// LISTEN_PID must be the id of the process that receives the socket.
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0"`, path)
	cmd.Env, cmd.ExtraFiles = env, []*os.File{u.file}
	return startCommand(t, cmd)
}

// TestRestartUnderLoadLosesNoRequest restarts the product several times while
// clients connect and send requests. Every request must succeed, because each
// process gets the same listening socket.
func TestRestartUnderLoadLosesNoRequest(t *testing.T) {
	e := newEmulator(t, emulator.Config{})
	unit := newSocketUnit(t)
	env := settings(t, e, "HMA_ALLOWED_MAILBOXES=alice@contoso.com", "HMA_LISTEN="+unit.address, "HMA_ADMIN_LISTEN=off")
	p := unit.start(t, env)
	if p.clients != unit.address {
		t.Fatalf("it listens on %s, want %s", p.clients, unit.address)
	}
	var sent atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i := range 8 {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 0}, Timeout: time.Minute}
		clients.Go(func() {
			defer client.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := askOnce(client, unit.address); err != nil {
					t.Errorf("request %d: %v", sent.Load(), err)
					return
				}
				sent.Add(1)
			}
		})
	}
	for range 3 {
		for before := sent.Load(); sent.Load() < before+20 && !t.Failed(); {
			time.Sleep(10 * time.Millisecond)
		}
		if code := p.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d", code)
		}
		p = unit.start(t, env)
	}
	for before := sent.Load(); sent.Load() < before+20 && !t.Failed(); {
		time.Sleep(10 * time.Millisecond)
	}
	close(stop)
	clients.Wait()
	t.Logf("%d requests", sent.Load())
}

// askOnce sends a request and returns an error unless Exchange has served it.
func askOnce(client *http.Client, address string) error {
	body := ewstest.Envelope("alice@contoso.com", getFolder)
	resp, err := client.Post("http://"+address+"/EWS/Exchange.asmx", "text/xml; charset=utf-8", bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d, %v: %.300q", resp.StatusCode, err, text)
	}
	return nil
}

func TestSocketThatNoSettingNames(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	e := newEmulator(t, emulator.Config{})
	unit := newSocketUnit(t)
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0"`, path)
	cmd.Env, cmd.ExtraFiles = settings(t, e, "HMA_ALLOWED_MAILBOXES=alice@contoso.com"), []*os.File{unit.file}
	out, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 78 || !strings.Contains(string(out), unit.address) {
		t.Errorf("exit code %d, want 78: %s", code, out)
	}
}
