package sidecar

import (
	"fmt"
	"io"
	"os"

	"gopkg.in/natefinch/lumberjack.v2"

	"hmaproxy/internal/config"
)

const (
	logFileSize  = 20 // MiB, some 60,000 requests
	logFilesKept = 5  // beside the one in use
)

// OpenLog returns where the configuration wants the log: the file of
// HMA_LOG_FILE, or else stderr itself. The file is created with mode 0600 and
// opened for a trial; it is rotated by its size, and what cannot be written to
// it goes to stderr. Close the log at the end.
func OpenLog(c *config.Config, stderr io.Writer) (w io.Writer, closer func() error, err error) {
	if c.LogFile == "" {
		return stderr, func() error { return nil }, nil
	}
	trial, err := os.OpenFile(string(c.LogFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("HMA_LOG_FILE: %w", err)
	}
	if err := trial.Close(); err != nil {
		return nil, nil, fmt.Errorf("HMA_LOG_FILE: %w", err)
	}
	file := &lumberjack.Logger{Filename: string(c.LogFile), MaxSize: logFileSize, MaxBackups: logFilesKept}
	return logFile{file, stderr}, file.Close, nil
}

// A logFile is a log with somewhere to go when the disk is full.
type logFile struct{ file, stderr io.Writer }

func (l logFile) Write(b []byte) (int, error) {
	if n, err := l.file.Write(b); err == nil {
		return n, nil
	}
	return l.stderr.Write(b)
}
