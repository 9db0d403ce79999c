package config

import (
	"errors"
	"os"
	"time"
)

// readTimeout limits how long the start waits for a file. Otherwise a network
// file system that hangs, or a pipe without a writer, would block the start for
// ever.
const readTimeout = 10 * time.Second

var (
	errNotRegular = errors.New("not a regular file")
	errBlocked    = errors.New("reading it has not ended within 10 seconds")
)

// ReadFile reads a file that a setting names. Only regular files are accepted,
// because other files, such as pipes, cannot be read again. ReadFile blocks for
// as long as the file system does. A caller that reads repeatedly must not
// start a second read while a read is in progress.
func ReadFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() && !info.IsDir() { // for a directory, the read below returns an error
		return nil, errNotRegular
	}
	return os.ReadFile(name)
}

// ReadAtStart is ReadFile for the readFile argument of [Load]. It returns after
// at most 10 seconds; a read that takes longer continues in the background.
func ReadAtStart(name string) ([]byte, error) {
	return within(readTimeout, func() ([]byte, error) { return ReadFile(name) })
}

// ReadOnce reads a file that is read only once and may be a pipe: -env-file
// <(sops decrypt env). It returns after at most 10 seconds.
func ReadOnce(name string) ([]byte, error) {
	return within(readTimeout, func() ([]byte, error) { return os.ReadFile(name) })
}

// The function "within" calls read and returns its result. It returns an error
// if read takes longer than the time limit; read continues in the background.
func within(timeout time.Duration, read func() ([]byte, error)) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := read()
		done <- result{data, err}
	}()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.data, r.err
	case <-timer.C:
		return nil, errBlocked
	}
}
