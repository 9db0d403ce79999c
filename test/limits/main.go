//go:build linux

// Command limits checks that hmaproxy stays within its memory limit under load,
// and that mail is still served. It also checks that requests that cannot be
// served get ErrorServerBusy in time.
//
//	go run ./test/limits [-only uploads,unfinished-heads] [-pin] [-v]
//
// The command runs hmaproxy in a control group with the memory limit of
// deploy/kubernetes. This needs root on Linux with version 1 or 2 of the memory
// controller. If the control group cannot be made, the command reports that and
// measures only the resident memory of the process. It prints the results of each
// load, and exits with 1 when a check fails. With -pin, hmaproxy and the process
// that probes it share one processor, and the clients and the emulated services
// use another one. The measured times then depend on hmaproxy only.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

// memoryLimit and goMemoryLimit are the memory limit and the GOMEMLIMIT of
// deploy/kubernetes.
const (
	mib           = 1 << 20
	memoryLimit   = 128 * mib
	goMemoryLimit = "96MiB"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	only := flag.String("only", "", "comma-separated names of loads; empty means all")
	verbose := flag.Bool("v", false, "print hmaproxy's log")
	pin := flag.Bool("pin", false, "run hmaproxy on one processor and its clients on another")
	probing := flag.Duration("probe", 0, "used by the program itself")
	flag.Parse()
	if *probing > 0 {
		probeFor(*probing)
		return
	}
	if *pin {
		if err := onProcessor(clientProcessor); err != nil {
			fmt.Fprintln(os.Stderr, "limits:", err)
			os.Exit(1)
		}
	}
	if err := run(ctx, *only, *pin, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "limits:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string, pinned, verbose bool) error {
	dir, err := os.MkdirTemp("", "hmaproxy-limits")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "hmaproxy")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/hmaproxy")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building hmaproxy: %w", err)
	}
	w := &environment{ctx: ctx, dir: dir, binary: binary, pinned: pinned, verbose: verbose}
	if err := w.startServices(); err != nil {
		return err
	}
	failed := 0
	for _, l := range loads {
		if only != "" && !slices.Contains(strings.Split(only, ","), l.name) {
			continue
		}
		problems, err := w.run(l)
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		for _, p := range problems {
			fmt.Println("  FAILED:", p)
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d checks failed", failed)
	}
	return nil
}
