// Command streams measures the cost of thousands of notification streams.
//
//	go run ./test/streams [-n 5000] [-for 2m] [-beat 10s]
//
// The command runs three processes: an emulated Exchange (TLS with an ECDSA key),
// hmaproxy with an allow-list, and the clients. Each client holds one streaming
// response open, gets an event at every beat, and must receive all events and the
// proper end. The command prints how many streams were complete, how many events
// arrived, and how much memory hmaproxy used. The exit status is 1 if an event or
// the end of a stream was lost. hmaproxy needs about 2n open files, and each of
// the other two processes about n.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"hmaproxy/internal/procstatus"
)

// A plan is the configuration that the three processes share.
type plan struct {
	streams  int
	duration time.Duration
	beat     time.Duration
}

// events returns the number of events of a stream, including the last one.
func (p plan) events() int { return int(p.duration / p.beat) }

func main() {
	var p plan
	flag.IntVar(&p.streams, "n", 5000, "streams at once")
	flag.DurationVar(&p.duration, "for", 2*time.Minute, "how long each stream lasts")
	flag.DurationVar(&p.beat, "beat", 10*time.Second, "time between two events")
	flag.Parse()
	if flag.NArg() > 0 {
		go endWithParent()
	}
	var err error
	switch flag.Arg(0) {
	case "exchange":
		err = p.serve(os.Stdout, flag.Arg(1))
	case "clients":
		err = p.watch(flag.Arg(1))
	default:
		err = p.run(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "streams:", err)
		os.Exit(1)
	}
}

// endWithParent ends this process when its parent has ended. Standard input is
// a pipe from the parent, which writes nothing to it.
func endWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(1)
}

// The method "part" returns the command for one of the other processes.
func (p plan) part(ctx context.Context, args ...string) (*exec.Cmd, error) {
	flags := []string{"-n", strconv.Itoa(p.streams), "-for", p.duration.String(), "-beat", p.beat.String()}
	cmd := exec.CommandContext(ctx, os.Args[0], append(flags, args...)...)
	cmd.Stderr = os.Stderr
	_, err := cmd.StdinPipe()
	return cmd, err
}

func (p plan) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dir, err := os.MkdirTemp("", "streams")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	exchange, err := p.part(ctx, "exchange", dir)
	if err != nil {
		return err
	}
	settings, err := exchange.StdoutPipe()
	if err != nil {
		return err
	}
	if err := exchange.Start(); err != nil {
		return err
	}
	proxy, address, err := startProxy(ctx, dir, settings)
	if err != nil {
		return err
	}
	defer func() {
		_ = proxy.Process.Signal(syscall.SIGTERM)
		_ = proxy.Wait()
	}()
	before := memory(proxy.Process.Pid)
	clients, err := p.part(ctx, "clients", address)
	if err != nil {
		return err
	}
	clients.Stdout = os.Stdout
	if err := clients.Start(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- clients.Wait() }()
	var most int64
	for {
		select {
		case err := <-done:
			fmt.Printf("hmaproxy's resident memory: %.1f MiB before, %.1f MiB at most, %.1f KiB for each of %d streams; %.1f MiB after\n",
				mib(before), mib(most), float64(most-before)/float64(p.streams), p.streams, mib(memory(proxy.Process.Pid)))
			return err
		case <-time.After(time.Second):
			most = max(most, memory(proxy.Process.Pid))
		}
	}
}

func mib(kib int64) float64 { return float64(kib) / 1024 }

// startProxy builds and starts hmaproxy with the settings that the emulated
// Exchange prints, and returns the address where it listens.
func startProxy(ctx context.Context, dir string, settings io.Reader) (*exec.Cmd, string, error) {
	var env []string
	if err := json.NewDecoder(settings).Decode(&env); err != nil {
		return nil, "", fmt.Errorf("settings: %w", err)
	}
	binary := filepath.Join(dir, "hmaproxy")
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", binary, "hmaproxy/cmd/hmaproxy")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, "", fmt.Errorf("build: %w: %s", err, out)
	}
	cmd := exec.CommandContext(ctx, binary)
	cmd.Env = append(env, "HMA_LISTEN=127.0.0.1:0", "HMA_ADMIN_LISTEN=127.0.0.1:0", "HMA_LOG_FORMAT=json",
		"HMA_ALLOWED_MAILBOXES=*@contoso.com", "HMA_SHUTDOWN_TIMEOUT=1s")
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, "", err
	}
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var line struct{ Msg, Listen string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "started" {
			go io.Copy(io.Discard, log)
			time.Sleep(2 * time.Second) // wait until there is a token and the use of memory is stable
			return cmd, line.Listen, nil
		}
	}
	return nil, "", errors.New("hmaproxy did not start")
}

// memory returns a process's resident memory in KiB, 0 when it has ended.
func memory(pid int) int64 {
	resident, _ := procstatus.Memory(pid, "VmRSS")
	return resident >> 10
}
