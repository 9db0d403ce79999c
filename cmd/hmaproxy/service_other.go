//go:build !windows

package main

import (
	"context"
	"errors"
)

func runServiceCommand(context.Context, *invocation) error {
	return usageError{errors.New("service: Windows only; elsewhere let the service manager run hmaproxy -env-file FILE (deploy/systemd has a unit)")}
}
