package process

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

func harden() error {
	var problems []error
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		problems = append(problems, fmt.Errorf("forbid core dumps: %w", err))
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		problems = append(problems, fmt.Errorf("forbid tracing: %w", err))
	}
	return errors.Join(problems...)
}
