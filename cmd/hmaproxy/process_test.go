package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"hmaproxy/internal/emulator"
)

// binary builds the product as it is shipped, once, and returns its path.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "hmaproxy-test")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "hmaproxy")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.stamp=v0.0.0-test", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// A testProcess is a running instance of the real binary.
type testProcess struct {
	t       *testing.T
	cmd     *exec.Cmd
	clients string // address for EWS clients
	admin   string // address of the admin listener
	done    chan struct{}
	mu      sync.Mutex
	output  bytes.Buffer // standard output and standard error
	err     error        // result of Wait, valid once done is closed
}

// newEmulator starts the services that a process uses.
func newEmulator(t *testing.T, config emulator.Config) *emulator.Emulator {
	t.Helper()
	e, err := emulator.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// settings returns an environment with only the variables that the binary
// needs: the emulator's values, the certificate of its authority, and the
// extras.
func settings(t *testing.T, e *emulator.Emulator, extra ...string) []string {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, e.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{
		"HMA_CA_FILE=" + ca, "HMA_LISTEN=127.0.0.1:0", "HMA_ADMIN_LISTEN=127.0.0.1:0",
		"HMA_LOG_LEVEL=debug", "PATH=/nonexistent",
	}
	for name, value := range e.Env() {
		env = append(env, name+"="+value)
	}
	return append(env, extra...)
}

// start starts the binary and waits until its listeners are open.
func start(t *testing.T, env []string, args ...string) *testProcess {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = env
	return startCommand(t, cmd)
}

// startCommand starts a command that runs the binary.
func startCommand(t *testing.T, cmd *exec.Cmd) *testProcess {
	t.Helper()
	p := &testProcess{t: t, cmd: cmd, done: make(chan struct{})}
	out, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout = lockedWriter{p}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	started := make(chan bool, 1)
	go p.read(out, started)
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("output:\n%s", p.log())
		}
	})
	select {
	case <-started:
	case <-p.done:
		t.Fatalf("it ended: %v\n%s", p.err, p.log())
	case <-time.After(20 * time.Second):
		t.Fatalf("it did not start\n%s", p.log())
	}
	return p
}

// read collects the log and takes the addresses of the listeners from it. It
// ends when the process has ended.
func (p *testProcess) read(out io.Reader, started chan<- bool) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.mu.Lock()
		p.output.Write(append(lines.Bytes(), '\n'))
		p.mu.Unlock()
		var line struct{ Msg, Listen, Admin string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "started" {
			p.clients, p.admin = line.Listen, line.Admin
			started <- true
		}
	}
	p.err = p.cmd.Wait()
	close(p.done)
}

type lockedWriter struct{ p *testProcess }

func (w lockedWriter) Write(b []byte) (int, error) {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	return w.p.output.Write(b)
}

func (p *testProcess) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// probe requests an admin endpoint and returns the status and the text of the
// response. Without a response it returns 0 and the text of the error.
func (p *testProcess) probe(what string) (int, string) {
	resp, err := http.Get("http://" + p.admin + "/" + what)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// ready waits until the process is ready.
func (p *testProcess) ready() {
	p.t.Helper()
	for range 400 {
		if status, _ := p.probe("ready"); status == http.StatusOK {
			return
		}
		select {
		case <-p.done:
			p.t.Fatalf("it ended: %v\n%s", p.err, p.log())
		case <-time.After(25 * time.Millisecond):
		}
	}
	_, why := p.probe("ready")
	p.t.Fatalf("never ready: %s\n%s", why, p.log())
}

// stop sends a signal and returns the exit code.
func (p *testProcess) stop(sig syscall.Signal) int {
	p.t.Helper()
	_ = p.cmd.Process.Signal(sig)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.t.Fatalf("it did not end\n%s", p.log())
	}
	return p.cmd.ProcessState.ExitCode()
}

// post sends an EWS request and returns status, header and text.
func (p *testProcess) post(body string, header ...string) (*http.Response, string) {
	p.t.Helper()
	return p.postReader(strings.NewReader(body), header...)
}

func (p *testProcess) postReader(body io.Reader, header ...string) (*http.Response, string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 60*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.clients+"/EWS/Exchange.asmx", body)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp, string(text)
}

const getFolder = `<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>` +
	`<m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>`

// runBinary runs a command to its end and returns exit code and output.
func runBinary(t *testing.T, path string, env []string, args ...string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append([]string{"PATH=/nonexistent"}, env...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}
