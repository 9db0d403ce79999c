// Command door attacks the clients' listener of a real hmaproxy with attackers'
// tools and real browsers, and reports the attacks that succeeded.
//
//	go run ./test/door [all | NAME...]
//
// The names are slow-headers, slow-body, slow-read (slowhttptest), paths (ffuf
// with dirb's lists), http2 (h2spec), browser (Chromium), firefox and socket
// (another local user by runuser). The command builds hmaproxy, runs it with
// emulated services and checks the requests that these services received. As root
// it installs missing tools from Debian's packages. A tool that cannot be
// installed is reported, and the exit status is 3. After a failed check the exit
// status is 1.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"time"
)

// A check is one kind of attack. Its error describes the attack that succeeded.
type check struct {
	name string
	run  func(context.Context) error
}

func checks() []check {
	return []check{
		{"slow-headers", slowHeaders}, {"slow-body", slowBody}, {"slow-read", slowRead},
		{"paths", paths}, {"http2", http2}, {"browser", chromium}, {"firefox", firefox}, {"socket", socket},
	}
}

// errMissing is the error of a check that cannot run here, because a tool cannot
// be installed or the user is not root.
var errMissing = errors.New("NOT CHECKED")

// limit is the time limit of one check.
const limit = 20 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}

func run(ctx context.Context, names []string) (status int) {
	all := len(names) == 0 || slices.Equal(names, []string{"all"})
	known := 0
	for _, c := range checks() {
		if !all && !slices.Contains(names, c.name) {
			continue
		}
		known++
		started := time.Now()
		ctx, cancel := context.WithTimeout(ctx, limit)
		err := c.run(ctx)
		cancel()
		switch {
		case errors.Is(err, errMissing):
			fmt.Printf("?? %s: %v\n", c.name, err)
			status = max(status, 3)
		case err != nil:
			fmt.Printf("NO %s: %v\n", c.name, err)
			return 1
		default:
			fmt.Printf("ok %s (%.0f s)\n", c.name, time.Since(started).Seconds())
		}
	}
	if !all && known != len(names) {
		fmt.Fprintln(os.Stderr, "door: there is no check of such a name; see go doc ./test/door")
		return 2
	}
	return status
}

// The function "need" finds a program, and installs its Debian package if it is
// missing.
func need(ctx context.Context, program, pkg string) (path string, err error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	if os.Geteuid() == 0 {
		cmd := exec.CommandContext(ctx, "sh", "-c", "apt-get update -q && apt-get -o DPkg::Lock::Timeout=300 install -q -y --no-install-recommends "+pkg)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w: apt-get cannot install %s: %v: %.300s", errMissing, pkg, err, out)
		}
	}
	path, err = exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("%w: %s is not on this machine (Debian's package %s)", errMissing, program, pkg)
	}
	return path, nil
}
