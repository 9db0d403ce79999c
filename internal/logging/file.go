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
	logFileSize  = 20 // MiB, about 60,000 requests
	logFilesKept = 5  // number of old files in addition to the current one
)

// A file is a log file that is rotated by size. Lines that cannot be written,
// for example because the disk is full, go to stderr. Write must not be called
// concurrently.
type file struct {
	rotated io.WriteCloser
	stderr  io.Writer
	cut     bool                   // the last line of the file is incomplete
	err     atomic.Pointer[string] // error of the latest write; nil: it succeeded
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

// Write writes complete lines to the file, or to stderr if the file cannot be written.
func (f *file) Write(lines []byte) (int, error) {
	written, err := f.append(lines)
	if err == nil {
		f.err.Store(nil)
		return len(lines), nil
	}
	text := err.Error()
	f.err.Store(&text)
	// The complete line goes to stderr, although a part of it is in the file.
	rest := lines[bytes.LastIndexByte(lines[:written], '\n')+1:]
	if _, err := f.stderr.Write(rest); err != nil {
		return written, err
	}
	return len(lines), nil
}

// append writes to the file. If an earlier write left an incomplete line, it
// ends that line first.
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
