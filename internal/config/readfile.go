package config

import (
	"errors"
	"os"
	"time"
)

// readTimeout bounds how long the start waits for a file. A network file system that
// hangs, or a pipe without a writer, would block it for ever.
const readTimeout = 10 * time.Second

var (
	errNotRegular = errors.New("not a regular file")
	errBlocked    = errors.New("reading it has not ended within 10 seconds")
)

// ReadFile reads a file that a setting names, as [Load] wants it. What is not a
// regular file is an error: it could not be read a second time, when its content may
// have changed. ReadFile returns after 10 seconds at the latest.
func ReadFile(name string) ([]byte, error) {
	return within(readTimeout, func() ([]byte, error) {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() && !info.IsDir() { // of a directory, the read says so
			return nil, errNotRegular
		}
		return os.ReadFile(name)
	})
}

// ReadOnce reads a file that is not read a second time, which may be a pipe:
// -env-file <(sops decrypt env). It returns after 10 seconds at the latest.
func ReadOnce(name string) ([]byte, error) {
	return within(readTimeout, func() ([]byte, error) { return os.ReadFile(name) })
}

// within returns what read returns, or an error after a time; read goes on then.
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
