package certsource

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
)

// FileConfig says which file to read.
type FileConfig struct {
	Path string // PFX or PEM; required

	// Password returns the PFX's password and is called at each poll. It must be
	// safe for concurrent use, and its errors are logged: they must not hold the
	// password. nil means no password.
	Password func() (string, error)

	Log *slog.Logger // nil means none
}

// File reads a certificate and its private key from a file, again whenever its
// content changes. It is safe for concurrent use.
type File struct {
	cfg FileConfig

	mu   sync.Mutex
	good []*tls.Certificate // newest first
}

// NewFile checks cfg; the file is not read yet and need not exist yet.
func NewFile(cfg FileConfig) (*File, error) {
	if cfg.Path == "" {
		return nil, errors.New("certsource: the path of the certificate file is missing")
	}
	if cfg.Password == nil {
		cfg.Password = func() (string, error) { return "", nil }
	}
	cfg.Log = orDiscard(cfg.Log)
	return &File{cfg: cfg}, nil
}

// Certificates reads the file and returns its certificate, followed by the one
// that was there before the file last changed in this process's life. The
// package comment says how list and error go together: a file that has become
// unreadable or broken is an error beside the last good list. It only blocks for
// the file; ctx is not used.
func (f *File) Certificates(context.Context) ([]*tls.Certificate, error) {
	cert, problem := f.read()
	f.mu.Lock()
	defer f.mu.Unlock()
	if problem == nil {
		f.remember(cert)
	}
	list, dates := usable(f.good)
	if problem == nil && dates != nil {
		problem = dates.about("read file", f.cfg.Path, "")
	}
	if problem != nil {
		return list, problem
	}
	return list, nil
}

func (f *File) read() (*tls.Certificate, *Error) {
	password, err := f.cfg.Password()
	if err != nil {
		return nil, f.unreadable("read password of", err)
	}
	file, err := os.Open(f.cfg.Path)
	if err != nil {
		return nil, f.unreadable("read file", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	if err != nil {
		return nil, f.unreadable("read file", err)
	}
	b, problem := read(content, password)
	if problem != nil {
		return nil, problem.about("read file", f.cfg.Path, "")
	}
	cert, problem := b.assemble()
	if problem != nil {
		return nil, problem.about("read file", f.cfg.Path, "")
	}
	return cert, nil
}

func (f *File) unreadable(op string, err error) *Error {
	return &Error{Op: op, Name: f.cfg.Path, Code: CodeUnreadable, Err: err, Remedy: remedy(CodeUnreadable)}
}

// remember puts cert first. One that comes back keeps its identity.
func (f *File) remember(cert *tls.Certificate) {
	i := slices.IndexFunc(f.good, func(c *tls.Certificate) bool { return c.Leaf.Equal(cert.Leaf) })
	if i >= 0 {
		cert = f.good[i]
		f.good = slices.Delete(f.good, i, i+1)
	} else {
		f.cfg.Log.Info("certificate read from file", append(describe(cert.Leaf), "path", f.cfg.Path)...)
	}
	f.good = append([]*tls.Certificate{cert}, f.good...)
	f.good = f.good[:min(len(f.good), maxUsable)]
}
