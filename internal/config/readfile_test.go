package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
)

func TestBlockedReadEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		_, err := within(readTimeout, func() ([]byte, error) { <-release; return nil, nil })
		if !errors.Is(err, errBlocked) {
			t.Errorf("error %v, want %v", err, errBlocked)
		}
		close(release)
	})
	blocked := func(string) ([]byte, error) { return nil, errBlocked }
	if _, err := Load(fromVault().with(vars{"HMA_ALLOWED_MAILBOXES_FILE": "/nfs/list", "HMA_ALLOWED_MAILBOXES": "-"}).environ(), blocked); err == nil || !strings.Contains(err.Error(), "does not respond") {
		t.Errorf("error %v", err)
	}
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, []byte("alice@contoso.com"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := path + ".link" // secrets that Kubernetes mounts are symbolic links too
	if err := os.Symlink(path, link); err != nil {
		t.Skipf("NOT CHECKED: no symbolic links here: %v", err)
	}
	for _, name := range []string{path, link} {
		if data, err := ReadFile(name); err != nil || string(data) != "alice@contoso.com" {
			t.Errorf("ReadFile(%s) = %q, %v", name, data, err)
		}
	}
	if _, err := ReadFile(path + ".missing"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := ReadFile(t.TempDir()); err == nil || !strings.Contains(flawOf(must(readContent(ReadFile, Path(t.TempDir())))), "directory") {
		t.Errorf("directory: %v", err)
	}
}

func must(_ []byte, err error) error { return err }
