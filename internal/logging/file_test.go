package logging

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hmaproxy/internal/config"
)

func TestLogFileIsRotated(t *testing.T) {
	folder := t.TempDir()
	var stderr bytes.Buffer
	w, closeLog, err := Open(&config.Config{LogFile: config.Path(filepath.Join(folder, "hmaproxy.log"))}, &stderr)
	if err != nil {
		t.Fatal(err)
	}
	line := []byte(strings.Repeat("x", 1<<20-1) + "\n")
	for range 21 {
		if _, err := w.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	if err := closeLog(); err != nil {
		t.Fatal(err)
	}
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

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestLinesGoToStderrWhenTheFileFails(t *testing.T) {
	var stderr bytes.Buffer
	if n, err := io.WriteString(logFile{brokenWriter{}, &stderr}, "line\n"); n != 5 || err != nil || stderr.String() != "line\n" {
		t.Errorf("%d, %v, standard error %q", n, err, stderr.String())
	}
}

func TestLogWithoutFile(t *testing.T) {
	w, closeLog, err := Open(&config.Config{}, os.Stderr)
	if w != os.Stderr || err != nil || closeLog() != nil {
		t.Errorf("%v, %v; a terminal must be known as one", w, err)
	}
}
