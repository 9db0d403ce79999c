//go:build unix

package sidecar

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
)

// helperVariable makes this test binary do something that a test process must
// not do to itself.
const helperVariable = "TEST_HELPER"

func helpers() map[string]func() {
	return map[string]func(){
		"harden": func() {
			err := Harden()
			var core syscall.Rlimit
			_ = syscall.Getrlimit(syscall.RLIMIT_CORE, &core)
			fmt.Println(err, core.Cur, core.Max, dumpable())
		},
	}
}

func TestHarden(t *testing.T) {
	want := "<nil> 0 0 0\n"
	if runtime.GOOS != "linux" {
		t.Log("NOT CHECKED: there is no hardening on " + runtime.GOOS)
		return
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperVariable+"=harden")
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != want {
		t.Errorf("%q (%v), want %q: error, soft and hard limit of core dumps, dumpable", out, err, want)
	}
}
