package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The check "socket" tests that another local user cannot use a Unix socket in
// a readable folder.
func socket(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: only root can be another user", errMissing)
	}
	runuser, err := need(ctx, "runuser", "util-linux")
	if err != nil {
		return err
	}
	curl, err := need(ctx, "curl", "curl")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "door")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	path := filepath.Join(dir, "s")
	s, err := newProduct(ctx, "HMA_LISTEN=unix:"+path)
	if err != nil {
		return err
	}
	defer s.close()
	request := []string{curl, "-sS", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", path,
		"-H", "Content-Type: text/xml", "-d", envelope, "http://localhost/EWS/Exchange.asmx"}
	mine, err := exec.CommandContext(ctx, request[0], request[1:]...).CombinedOutput()
	if string(mine) != "200" {
		return fmt.Errorf("the socket's own user is refused: %s, %v", mine, err)
	}
	before := len(s.arrived())
	theirs, err := exec.CommandContext(ctx, runuser, append([]string{"-u", "nobody", "--"}, request...)...).CombinedOutput()
	fmt.Printf("   as root %s, as nobody: %s\n", mine, strings.Join(strings.Fields(string(theirs)), " "))
	if err == nil || strings.HasSuffix(string(theirs), "200") || len(s.arrived()) != before {
		return errors.New("another user can use the socket")
	}
	return nil
}
