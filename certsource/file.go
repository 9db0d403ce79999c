package certsource

import (
	"context"
	"crypto/sha256"
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

	mu      sync.Mutex
	seen    [sha256.Size]byte // of password and content, when last parsed
	problem *Error            // of that content
	good    []*tls.Certificate
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
	content, password, problem := f.read()
	f.mu.Lock()
	defer f.mu.Unlock()
	if problem == nil {
		problem = f.take(content, password)
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

func (f *File) read() (content []byte, password string, problem *Error) {
	password, err := f.cfg.Password()
	if err != nil {
		return nil, "", f.unreadable("read password of", err)
	}
	file, err := os.Open(f.cfg.Path)
	if err != nil {
		return nil, "", f.unreadable("read file", err)
	}
	defer file.Close()
	content, err = io.ReadAll(io.LimitReader(file, maxSize+1))
	if err != nil {
		return nil, "", f.unreadable("read file", err)
	}
	return content, password, nil
}

func (f *File) unreadable(op string, err error) *Error {
	return &Error{Op: op, Name: f.cfg.Path, Code: CodeUnreadable, Err: err, Remedy: remedy(CodeUnreadable)}
}

// take parses the file's content unless it is the one parsed last.
func (f *File) take(content []byte, password string) *Error {
	sum := sha256.Sum256(append(append([]byte(password), 0), content...))
	if sum == f.seen {
		return f.problem
	}
	f.seen, f.problem = sum, nil
	b, e := read(content, password)
	var cert *tls.Certificate
	if e == nil {
		cert, e = b.assemble()
	}
	if e != nil {
		f.problem = e.about("read file", f.cfg.Path, "")
		return f.problem
	}
	f.remember(cert)
	return nil
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
