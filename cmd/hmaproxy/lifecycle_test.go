//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/ewstest"
)

// A supervisor is systemd's end of the notify socket.
type supervisor struct {
	t    *testing.T
	name string // value of NOTIFY_SOCKET
	conn *net.UnixConn
}

func supervise(t *testing.T, name string) *supervisor {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &supervisor{t, name, conn}
}

// await returns the assignments of the next message that contains an assignment
// with this name.
func (s *supervisor) await(name string) map[string]string {
	s.t.Helper()
	_ = s.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		b := make([]byte, 4096)
		n, err := s.conn.Read(b)
		if err != nil {
			s.t.Fatalf("no message with %s: %v", name, err)
		}
		all := map[string]string{}
		for line := range strings.SplitSeq(string(b[:n]), "\n") {
			key, value, _ := strings.Cut(line, "=")
			all[key] = value
		}
		if _, ok := all[name]; ok {
			return all
		}
	}
}

func TestNotifyProtocol(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	names := map[string]string{"path": path}
	if runtime.GOOS == "linux" {
		names["abstract"] = "@hmaproxy-test-" + strconv.Itoa(os.Getpid())
	}
	for name, socket := range names {
		t.Run(name, func(t *testing.T) {
			e := newEmulator(t, emulator.Config{})
			s := supervise(t, socket)
			p := start(t, settings(t, e, "NOTIFY_SOCKET="+s.name, "HMA_ALLOWED_MAILBOXES=alice@contoso.com", "HMA_SHUTDOWN_TIMEOUT=7s"))
			if got := s.await("READY"); got["READY"] != "1" || got["STATUS"] != "ready" {
				t.Errorf("at start %v", got)
			}
			_ = p.cmd.Process.Signal(syscall.SIGHUP)
			got := s.await("RELOADING")
			if at, err := strconv.ParseInt(got["MONOTONIC_USEC"], 10, 64); runtime.GOOS == "linux" && (err != nil || at <= 0) {
				t.Errorf("at reload %v", got)
			}
			s.await("READY")
			_ = p.cmd.Process.Signal(syscall.SIGTERM)
			if got := s.await("STOPPING"); got["STOPPING"] != "1" || got["EXTEND_TIMEOUT_USEC"] != "17000000" {
				t.Errorf("at the end %v", got)
			}
			<-p.done
		})
	}
}

func TestNotifyStatusNamesTheCause(t *testing.T) {
	e := newEmulator(t, emulator.Config{})
	e.KeyVault().Stop()
	s := supervise(t, filepath.Join(t.TempDir(), "notify"))
	start(t, settings(t, e, "NOTIFY_SOCKET="+s.name))
	for got := ""; !strings.Contains(got, "get secret HMA-Cert"); {
		message := s.await("STATUS")
		if message["READY"] != "" {
			t.Fatalf("ready at once: %v", message)
		}
		got = message["STATUS"]
	}
}

// TestHangupReloadsFiles checks that SIGHUP does not end the process and that the
// changed allow-list comes into force. TestReloadsOnRequestAreLimited in internal/app
// checks with a fake clock that the reload follows the signal without a delay.
func TestHangupReloadsFiles(t *testing.T) {
	e := newEmulator(t, emulator.Config{})
	file := filepath.Join(t.TempDir(), "list")
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("alice@contoso.com\n")
	p := start(t, settings(t, e, "HMA_ALLOWED_MAILBOXES_FILE="+file))
	p.ready()
	write("bob@contoso.com\n")
	_ = p.cmd.Process.Signal(syscall.SIGHUP)
	for status := 0; status != 200; time.Sleep(10 * time.Millisecond) {
		resp, _ := p.post(ewstest.Envelope("bob@contoso.com", getFolder))
		status = resp.StatusCode
	}
	if resp, _ := p.post(ewstest.Envelope("alice@contoso.com", getFolder)); resp.StatusCode == 200 {
		t.Error("alice is still allowed")
	}
}

func TestHangupRefetchesTheCertificate(t *testing.T) {
	e := newEmulator(t, emulator.Config{})
	e.KeyVault().Stop()
	p := start(t, settings(t, e))
	for !strings.Contains(p.log(), `"level":"WARN"`) && !strings.Contains(p.log(), `"level":"ERROR"`) {
		time.Sleep(10 * time.Millisecond)
	}
	if err := e.KeyVault().Restart(); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Process.Signal(syscall.SIGHUP)
	p.ready()
}

func TestShutdownDelay(t *testing.T) {
	e := newEmulator(t, emulator.Config{})
	p := start(t, settings(t, e, "HMA_ALLOWED_MAILBOXES=alice@contoso.com", "HMA_SHUTDOWN_DELAY=5s"))
	p.ready()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	for {
		status, text := p.probe("ready")
		if status == http.StatusServiceUnavailable {
			if text != "not ready: stopping\n" {
				t.Errorf("ready: %q", text)
			}
			break
		}
		if status != http.StatusOK {
			t.Fatalf("ready: %d %q", status, text)
		}
	}
	if resp, text := p.post(ewstest.Envelope("alice@contoso.com", getFolder)); resp.StatusCode != 200 {
		t.Errorf("a request during the delay: %d %s", resp.StatusCode, text)
	}
	_ = p.cmd.Process.Signal(syscall.SIGHUP) // this signal must not change when and how the process ends
	<-p.done
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestSecondSignalEndsTheDelay checks that a second signal ends the process before
// the delay has passed. After the delay, the exit code would be 0.
func TestSecondSignalEndsTheDelay(t *testing.T) {
	e := newEmulator(t, emulator.Config{})
	p := start(t, settings(t, e, "HMA_SHUTDOWN_DELAY=60s"))
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	for !strings.Contains(p.log(), `"msg":"stopping"`) {
		time.Sleep(10 * time.Millisecond)
	}
	if code := p.stop(syscall.SIGTERM); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
}

func TestQuit(t *testing.T) {
	e := newEmulator(t, emulator.Config{})
	quit := func(p *testProcess) int {
		resp, err := http.Post("http://"+p.admin+"/quit", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if status := quit(start(t, settings(t, e))); status != http.StatusNotFound {
		t.Errorf("without leave: %d", status)
	}
	p := start(t, settings(t, e, "HMA_ADMIN_QUIT=true"))
	if status := quit(p); status != http.StatusOK {
		t.Errorf("with leave: %d", status)
	}
	<-p.done
	if code := p.cmd.ProcessState.ExitCode(); code != exitStopped {
		t.Errorf("exit code %d", code)
	}
}

func TestLogFileNowhere(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	e := newEmulator(t, emulator.Config{})
	code, output := runBinary(t, path, settings(t, e, "HMA_LOG_FILE="+t.TempDir()+"/none/log"))
	if code != exitSettings || !strings.Contains(output, "HMA_LOG_FILE") {
		t.Errorf("exit code %d: %s", code, output)
	}
}

func TestLogGoesToItsFile(t *testing.T) {
	e := newEmulator(t, emulator.Config{})
	file := filepath.Join(t.TempDir(), "hmaproxy.log")
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd := exec.Command(path)
	cmd.Env, cmd.Stderr = settings(t, e, "HMA_LOG_FILE="+file), &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	var data []byte
	for range 500 {
		if data, _ = os.ReadFile(file); strings.Contains(string(data), `"msg":"started"`) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	data, err = os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	last := ""
	for line := range strings.Lines(string(data)) {
		var entry struct{ Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		last = entry.Msg
	}
	if last != "stopped" {
		t.Errorf("the file ends with %q", last)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if stderr.Len() > 0 {
		t.Errorf("standard error got %q", stderr.String())
	}
}

// TestClosedLogPipe checks that the process continues when the reader of standard
// error ends. systemd would treat an end by SIGPIPE as a clean stop.
func TestClosedLogPipe(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	e := newEmulator(t, emulator.Config{})
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	p := &testProcess{t: t, cmd: exec.Command(path), done: make(chan struct{})}
	p.cmd.Env, p.cmd.Stderr = settings(t, e), write
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.cmd.Wait(); close(p.done) }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.done })
	lines := bufio.NewScanner(read)
	for lines.Scan() {
		var line struct{ Msg, Listen, Admin string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "started" {
			p.clients, p.admin = line.Listen, line.Admin
			break
		}
	}
	read.Close()
	p.ready()
	for range 3 { // each request writes a line to the log
		if resp, text := p.post(ewstest.Envelope("alice@contoso.com", getFolder)); resp.StatusCode != http.StatusOK {
			t.Fatalf("status %d: %s", resp.StatusCode, text)
		}
	}
	if code := p.stop(syscall.SIGTERM); code != exitStopped {
		t.Errorf("exit code %d, %v", code, p.cmd.ProcessState)
	}
}

// TestSecretInAReadableFile checks that the commands serve and doctor warn about a
// secret in a file that other users can read.
func TestSecretInAReadableFile(t *testing.T) {
	e := newEmulator(t, emulator.Config{})
	file := filepath.Join(t.TempDir(), "hmaproxy.env")
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o644: true} {
		if err := os.WriteFile(file, []byte(strings.Join(settings(t, e, "HMA_ALLOWED_MAILBOXES=alice@contoso.com"), "\n")), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		p := start(t, nil, "-env-file", file)
		p.ready() // the warnings are logged before the process is ready
		if got := strings.Contains(p.log(), "chmod 600"); got != want {
			t.Errorf("mode %v: serve warns: %v", mode, got)
		}
		p.stop(syscall.SIGTERM)
		if out, _ := runDoctorCommand(t, nil, "-env-file", file); strings.Contains(out, "chmod 600") != want {
			t.Errorf("mode %v: doctor says\n%s", mode, out)
		}
	}
}
