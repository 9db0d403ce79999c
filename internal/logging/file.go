package logging

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"gopkg.in/natefinch/lumberjack.v2"
)

const (
	logFileSize  = 20 // MiB, some 60,000 requests
	logFilesKept = 5  // in addition to the one in use
)

// A file writes to a file that is rotated by its size. Lines that cannot be
// written to it, on a full disk for example, go to stderr. One goroutine at a
// time may call Write.
type file struct {
	rotated io.WriteCloser
	stderr  io.Writer
	cut     bool                   // the file ends within a line
	err     atomic.Pointer[string] // of the last write; nil: it succeeded
}

func openFile(path string, stderr io.Writer) (*file, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("HMA_LOG_FILE: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("HMA_LOG_FILE: %w", err)
	}
	return &file{rotated: &lumberjack.Logger{Filename: path, MaxSize: logFileSize, MaxBackups: logFilesKept}, stderr: stderr}, nil
}

// Write writes whole lines.
func (f *file) Write(lines []byte) (int, error) {
	written, err := f.append(lines)
	if err == nil {
		f.err.Store(nil)
		return len(lines), nil
	}
	text := err.Error()
	f.err.Store(&text)
	// The line that was cut goes to stderr as a whole.
	rest := lines[bytes.LastIndexByte(lines[:written], '\n')+1:]
	if _, err := f.stderr.Write(rest); err != nil {
		return written, err
	}
	return len(lines), nil
}

// append writes to the file. It first ends a line that an earlier write cut, so
// that the next line does not begin within it.
func (f *file) append(lines []byte) (written int, err error) {
	if f.cut {
		if _, err := f.rotated.Write([]byte("\n")); err != nil {
			return 0, err
		}
		f.cut = false
	}
	written, err = f.rotated.Write(lines)
	f.cut = err != nil && written > 0 && lines[written-1] != '\n'
	return written, err
}

func (f *file) lastError() error {
	if text := f.err.Load(); text != nil {
		return fmt.Errorf("HMA_LOG_FILE: %s", *text)
	}
	return nil
}

func (f *file) close() { _ = f.rotated.Close() }
