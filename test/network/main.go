//go:build linux

// Command network runs hmaproxy over an emulated network with faults. It checks
// that no request is lost, executed twice or given another request's response,
// and that no client waits longer than a limit.
//
//	go run ./test/network [-only dead-peer,slow-line] [-nginx=false] [-seed N] [-limit 10m] [-v]
//	go run ./test/network -soak 45m [-seed N]
//
// The first form runs each fault once. Groups of faults run at the same time, each
// over its own network. So do the faults with nginx as a plain reverse proxy, for
// comparison. After the time of -limit, ten minutes by default, the command ends
// with an error that names the faults that did not end. The second form applies
// random faults for the given time, and checks that hmaproxy's memory, open files
// and goroutines do not grow. The command prints the seed of all random choices.
//
// The command needs root on Linux. It makes two network namespaces and connects
// them by two TUN devices. It forwards the packets between these devices itself.
// The proxy, its clients, a DNS server, Entra ID and Key Vault are in one
// namespace, Exchange and a corporate proxy in the other. The command prints a
// line for each fault, then the waiting times of the clients of both proxies. It
// exits with 1 when a check of hmaproxy fails.
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
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var p plan
	flag.StringVar(&p.only, "only", "", "comma-separated names of faults; empty means all")
	flag.BoolVar(&p.nginx, "nginx", true, "run nginx through the same faults, too")
	flag.BoolVar(&p.verbose, "v", false, "print the log of the proxy")
	flag.Uint64Var(&p.seed, "seed", 0, "seed of lost packets and random faults; 0 draws one")
	flag.DurationVar(&p.limit, "limit", 10*time.Minute, "end with an error after that long; without effect on -soak")
	flag.DurationVar(&p.soak, "soak", 0, "mix random faults for that long")
	inside := flag.String("inside", "", "used by the program itself")
	exchange := flag.String("exchange", "", "used by the program itself")
	flag.Parse()
	var err error
	switch {
	case *exchange != "":
		err = serveExchange(*exchange)
	case *inside != "":
		err = runInside(ctx, *inside, p)
	default:
		if p.seed == 0 {
			p.seed = rand.Uint64()
		}
		err = runOutside(ctx, p)
	}
	if err != nil {
		if *inside == "" || ctx.Err() == nil { // the process that ended this one prints the reason
			fmt.Fprintln(os.Stderr, "network:", err)
		}
		os.Exit(1)
	}
}

// A plan says which faults to run.
type plan struct {
	only    string // names of faults, separated by commas; "": all
	nginx   bool   // in the plan of the whole run: test nginx too; in a result of plan.parts: test nginx instead of hmaproxy
	seed    uint64
	soak    time.Duration // 0: each fault once
	limit   time.Duration // longest time of a run without soak
	verbose bool
}

// flags returns the command-line flags for the plan.
func (p plan) flags() []string {
	return []string{"-only", p.only, "-nginx=" + strconv.FormatBool(p.nginx), "-seed", strconv.FormatUint(p.seed, 10),
		"-soak", p.soak.String(), "-v=" + strconv.FormatBool(p.verbose)}
}

// has reports whether the plan names a fault.
func (p plan) has(name string) bool { return slices.Contains(strings.Split(p.only, ","), name) }

// parts divides the plan into plans that run at the same time, one for each group
// of faults with hmaproxy and one for each group with nginx. Unless p is a soak
// plan, each of them names its faults. The soak is without nginx.
func (p plan) parts() (parts []plan) {
	if p.soak > 0 {
		p.nginx = false
		return []plan{p}
	}
	for _, nginx := range []bool{false, true} {
		part := map[string]int{} // index in parts, by group
		for _, f := range allFaults {
			if p.only != "" && !p.has(f.name) || nginx && !(p.nginx && f.nginx) {
				continue
			}
			if i, ok := part[f.group]; ok {
				parts[i].only += "," + f.name
				continue
			}
			part[f.group] = len(parts)
			parts = append(parts, plan{only: f.name, nginx: nginx, seed: p.seed, verbose: p.verbose})
		}
	}
	return parts
}

// runOutside builds hmaproxy, and runs this command again in network namespaces.
func runOutside(ctx context.Context, p plan) error {
	if os.Getuid() != 0 {
		return errors.New("run it as root: it makes network namespaces")
	}
	if p.soak == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.limit-endTime)
		defer cancel()
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
	if _, err := exec.LookPath("nginx"); err != nil && p.nginx && p.soak == 0 {
		fmt.Println("NOT COMPARED: nginx is not installed (Debian: apt-get install nginx-light)")
		p.nginx = false
	}
	parts := p.parts()
	if len(parts) == 0 {
		return fmt.Errorf("no fault is called %s", p.only)
	}
	report := newReport(p.soak > 0)
	failed := make([]error, len(parts))
	var all sync.WaitGroup
	for i, part := range parts {
		all.Go(func() { failed[i] = runPart(ctx, dir, fmt.Sprintf("%d-%d", os.Getpid(), i), part, report) })
	}
	all.Wait()
	report.compare()
	if ctx.Err() == context.DeadlineExceeded {
		return fmt.Errorf("the limit of %v has passed; these faults did not end: %s", p.limit, strings.Join(report.missing(parts), ", "))
	}
	return errors.Join(failed...)
}

// endTime is how long the program may take to end in a namespace after a signal.
const endTime = 10 * time.Second

// runPart makes the namespaces with the given id and runs the program in one of
// them. It adds the results to the report.
func runPart(ctx context.Context, binaries, id string, p plan, report *report) error {
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
		defer func() { _ = deleteNamespace(name) }()
		if err := ip("-n", name, "link", "set", "lo", "up"); err != nil {
			return err
		}
	}
	arguments := append([]string{"netns", "exec", client, os.Args[0], "-inside", dir + "," + id}, p.flags()...)
	cmd := exec.CommandContext(ctx, "ip", arguments...)
	cmd.Stdout, cmd.Stderr = report.writer(), os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = endTime
	return cmd.Run()
}

// deleteNamespace ends the processes in a namespace and deletes it.
func deleteNamespace(name string) error {
	pids, err := exec.Command("ip", "netns", "pids", name).Output()
	for _, field := range strings.Fields(string(pids)) {
		if pid, err := strconv.Atoi(field); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return errors.Join(err, ip("netns", "del", name))
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
