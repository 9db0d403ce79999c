package logging

import (
	"fmt"
	"io"
	"os"

	"gopkg.in/natefinch/lumberjack.v2"

	"hmaproxy/internal/config"
)

const (
	logFileSize  = 20 // MiB, some 60,000 requests
	logFilesKept = 5  // in addition to the one in use
)

// Open returns where the configuration wants the log: the file of HMA_LOG_FILE,
// or else stderr itself. It creates the file with mode 0600 and returns an error
// if the file cannot be opened. The file is rotated by its size; lines that
// cannot be written to it go to stderr. Call closer at the end.
func Open(c *config.Config, stderr io.Writer) (w io.Writer, closer func() error, err error) {
	if c.LogFile == "" {
		return stderr, func() error { return nil }, nil
	}
	f, err := os.OpenFile(string(c.LogFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("HMA_LOG_FILE: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, nil, fmt.Errorf("HMA_LOG_FILE: %w", err)
	}
	file := &lumberjack.Logger{Filename: string(c.LogFile), MaxSize: logFileSize, MaxBackups: logFilesKept}
	return logFile{file, stderr}, file.Close, nil
}

// A logFile writes to stderr when writing to the file fails, on a full disk for
// example.
type logFile struct{ file, stderr io.Writer }

func (l logFile) Write(b []byte) (int, error) {
	if n, err := l.file.Write(b); err == nil {
		return n, nil
	}
	return l.stderr.Write(b)
}
