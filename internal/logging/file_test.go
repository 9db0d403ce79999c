package logging

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hmaproxy/internal/config"
)

func TestLogFileIsRotated(t *testing.T) {
	folder := t.TempDir()
	var stderr bytes.Buffer
	f, err := openFile(filepath.Join(folder, "hmaproxy.log"), &stderr)
	if err != nil {
		t.Fatal(err)
	}
	line := []byte(strings.Repeat("x", 1<<20-1) + "\n")
	for range 21 {
		if _, err := f.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	f.close()
	files, err := os.ReadDir(folder)
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v; want the file and one old one", files, err)
	}
	total := int64(0)
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v", f.Name(), info.Mode())
		}
		total += info.Size()
	}
	if total != 21<<20 || stderr.Len() > 0 {
		t.Errorf("%d bytes in the files, %d on standard error", total, stderr.Len())
	}
}

// A fullDisk is a disk that becomes full.
type fullDisk struct {
	bytes.Buffer
	room int // number of bytes that can still be written
}

func (d *fullDisk) Write(p []byte) (int, error) {
	n := min(len(p), d.room)
	d.room -= n
	d.Buffer.Write(p[:n])
	if n < len(p) {
		return n, errors.New("no space left on device")
	}
	return n, nil
}

func (*fullDisk) Close() error { return nil }

func TestFullDisk(t *testing.T) {
	var stderr bytes.Buffer
	disk := &fullDisk{room: 9}
	f := &file{rotated: disk, stderr: &stderr}
	write := func(lines string) {
		t.Helper()
		if n, err := f.Write([]byte(lines)); n != len(lines) || err != nil {
			t.Errorf("Write: %d, %v", n, err)
		}
	}
	write("first\n")
	if f.lastError() != nil {
		t.Errorf("before the disk is full: %v", f.lastError())
	}
	write("second\nthird\n")
	write("fourth\n")
	if err := f.lastError(); err == nil || !strings.Contains(err.Error(), "HMA_LOG_FILE: no space") {
		t.Errorf("on a full disk: %v", err)
	}
	if got := stderr.String(); got != "second\nthird\nfourth\n" {
		t.Errorf("standard error has %q", got)
	}
	disk.room = 100
	write("fifth\n")
	if got := disk.String(); got != "first\nsec\nfifth\n" {
		t.Errorf("the file has %q; want the cut line ended before the next one", got)
	}
	if f.lastError() != nil {
		t.Errorf("with room again: %v", f.lastError())
	}
}

func TestLogFileThatCannotBeOpened(t *testing.T) {
	_, err := Open(&config.Config{LogFile: config.Path(t.TempDir())}, os.Stderr)
	if err == nil || !strings.HasPrefix(err.Error(), "HMA_LOG_FILE: ") {
		t.Errorf("Open: %v", err)
	}
}
