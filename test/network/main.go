//go:build linux

// Command network runs hmaproxy over an emulated network with faults. It checks
// that no request is lost, executed twice or given another request's response,
// and that no client waits longer than a limit.
//
//	go run ./test/network [-only dead-peer,slow-line] [-seed N] [-v]
//	go run ./test/network -soak 45m [-seed N]
//
// The first form runs each fault once, in ten minutes at most; the uploads over a
// slow line run at the same time as the others, over a network of their own. The
// second form mixes random faults for that long. The seed of what is random is
// printed.
//
// It needs root on Linux: it makes two network namespaces and connects them by
// two TUN devices, between which it forwards the packets itself. hmaproxy, its
// clients and a DNS server are in one namespace, Exchange in the other. It
// prints a line for each fault and exits with 1 when a check fails.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	only := flag.String("only", "", "comma-separated names of faults; empty means all")
	verbose := flag.Bool("v", false, "print hmaproxy's log")
	seed := flag.Uint64("seed", 0, "seed of lost packets and random faults; 0 draws one")
	soak := flag.Duration("soak", 0, "mix random faults for that long")
	inside := flag.String("inside", "", "used by the program itself")
	exchange := flag.String("exchange", "", "used by the program itself")
	flag.Parse()
	var err error
	switch {
	case *exchange != "":
		err = serveExchange(*exchange)
	case *inside != "":
		err = runInside(ctx, *inside, plan{*only, *seed, *soak, *verbose})
	default:
		if *seed == 0 {
			*seed = rand.Uint64()
		}
		err = runOutside(ctx, plan{*only, *seed, *soak, *verbose})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "network:", err)
		os.Exit(1)
	}
}

// A plan says which faults to run.
type plan struct {
	only    string // names of faults; "": all
	seed    uint64
	soak    time.Duration // 0: each fault once
	verbose bool
}

// flags returns the command-line flags for the plan.
func (p plan) flags() []string {
	return []string{"-only", p.only, "-seed", strconv.FormatUint(p.seed, 10), "-soak", p.soak.String(), "-v=" + strconv.FormatBool(p.verbose)}
}

// slowLine is the fault that takes nearly as long as all others together.
const slowLine = "slow-line"

// parts returns the plans that run at the same time.
func (p plan) parts() []plan {
	if p.soak > 0 || p.only != "" {
		return []plan{p}
	}
	var others []string
	for _, f := range allFaults {
		if f.name != slowLine {
			others = append(others, f.name)
		}
	}
	first, second := p, p
	first.only, second.only = strings.Join(others, ","), slowLine
	return []plan{first, second}
}

// runOutside builds hmaproxy, and runs the program again in network namespaces.
func runOutside(ctx context.Context, p plan) error {
	if os.Getuid() != 0 {
		return errors.New("run it as root: it makes network namespaces")
	}
	dir, err := os.MkdirTemp("", "hmaproxy-network")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, "hmaproxy"), "./cmd/hmaproxy")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building hmaproxy: %w", err)
	}
	fmt.Printf("-seed %d repeats what is random\n", p.seed)
	parts := p.parts()
	failed := make([]error, len(parts))
	var all sync.WaitGroup
	for i, part := range parts {
		all.Go(func() { failed[i] = runPart(ctx, dir, fmt.Sprintf("%d-%d", os.Getpid(), i), part) })
	}
	all.Wait()
	return errors.Join(failed...)
}

// runPart makes the namespaces with the given id and runs the program in one of
// them.
func runPart(ctx context.Context, binaries, id string, p plan) error {
	dir := filepath.Join(binaries, id)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := os.Symlink(filepath.Join(binaries, "hmaproxy"), filepath.Join(dir, "hmaproxy")); err != nil {
		return err
	}
	client, server := namespaces(id)
	resolver := filepath.Join("/etc/netns", client)
	defer os.RemoveAll(resolver)
	if err := os.MkdirAll(resolver, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(resolver, "resolv.conf"), []byte("nameserver 127.0.0.1\n"), 0o644); err != nil {
		return err
	}
	for _, name := range []string{client, server} {
		if err := ip("netns", "add", name); err != nil {
			return fmt.Errorf("%w (network namespaces need the capability SYS_ADMIN)", err)
		}
		defer func() { _ = ip("netns", "del", name) }()
		if err := ip("-n", name, "link", "set", "lo", "up"); err != nil {
			return err
		}
	}
	arguments := append([]string{"netns", "exec", client, os.Args[0], "-inside", dir + "," + id}, p.flags()...)
	cmd := exec.CommandContext(ctx, "ip", arguments...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd.Run()
}

// namespaces returns the names of the two namespaces of a run.
func namespaces(id string) (client, server string) {
	return "hma-client-" + id, "hma-server-" + id
}

func ip(arguments ...string) error {
	out, err := exec.Command("ip", arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(arguments, " "), err, out)
	}
	return nil
}
