//go:build unix

package process

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
)

// hardenVariable is an environment variable. If it is set, this test binary runs no
// tests: it calls Harden and prints the result. A test starts it as a process of its
// own, because Harden would change the process that runs the tests.
const hardenVariable = "TEST_HARDEN"

func TestMain(m *testing.M) {
	if os.Getenv(hardenVariable) != "" {
		err := Harden()
		var core syscall.Rlimit
		_ = syscall.Getrlimit(syscall.RLIMIT_CORE, &core)
		fmt.Println(err, core.Cur, core.Max, dumpable())
		return
	}
	os.Exit(m.Run())
}

func TestHarden(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("NOT CHECKED: there is no hardening on " + runtime.GOOS)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), hardenVariable+"=1")
	out, err := cmd.CombinedOutput()
	// The output contains the error, the soft and the hard limit of core dumps,
	// and PR_GET_DUMPABLE.
	if want := "<nil> 0 0 0\n"; err != nil || string(out) != want {
		t.Errorf("%q (%v), want %q", out, err, want)
	}
}
