//go:build linux

// Command network runs hmaproxy over an emulated network that fails, and checks
// that no request is lost, executed twice or given another one's response, and
// that no client waits longer than a bound.
//
//	go run ./test/network [-only dead-peer,slow-line] [-v]
//
// It needs root on Linux: it makes two network namespaces and connects them by
// two TUN devices, between which it forwards the packets itself. hmaproxy, its
// clients and a DNS server are in one namespace, Exchange in the other. It prints
// a line for each fault and exits with 1 when a check fails.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	only := flag.String("only", "", "comma-separated names of faults; empty means all")
	verbose := flag.Bool("v", false, "print hmaproxy's log")
	inside := flag.String("inside", "", "used by the program itself")
	exchange := flag.String("exchange", "", "used by the program itself")
	flag.Parse()
	var err error
	switch {
	case *exchange != "":
		err = serveExchange(*exchange)
	case *inside != "":
		err = runInside(ctx, *inside, *only, *verbose)
	default:
		err = runOutside(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "network:", err)
		os.Exit(1)
	}
}

// runOutside makes the namespaces and runs the program again in one of them.
func runOutside(ctx context.Context) error {
	if os.Getuid() != 0 {
		return errors.New("run it as root: it makes network namespaces")
	}
	dir, err := os.MkdirTemp("", "hmaproxy-network")
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
	client, server := namespaces(os.Getpid())
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
	arguments := append([]string{"netns", "exec", client, os.Args[0], "-inside", fmt.Sprintf("%s,%d", dir, os.Getpid())}, os.Args[1:]...)
	cmd := exec.CommandContext(ctx, "ip", arguments...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd.Run()
}

// namespaces returns the names of the two namespaces of a run.
func namespaces(id int) (client, server string) {
	return fmt.Sprintf("hma-client-%d", id), fmt.Sprintf("hma-server-%d", id)
}

func ip(arguments ...string) error {
	out, err := exec.Command("ip", arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(arguments, " "), err, out)
	}
	return nil
}
