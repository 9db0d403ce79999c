//go:build unix

package certsource

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestPipeAsFile checks that a named pipe, which can block and is readable only
// once, is refused with an error that says so.
func TestPipeAsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := NewFile(FileConfig{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Certificates(t.Context())
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeNotAFile || !strings.Contains(err.Error(), "it is a pipe") {
		t.Errorf("error %v", err)
	}
}
