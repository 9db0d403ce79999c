package certsource

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
)

// FileConfig says which file to read.
type FileConfig struct {
	Path string // PFX or PEM; required

	// Password returns the PFX's password. It is called at each poll, one call
	// at a time. It may block, for example while reading a file; a call that
	// does not return within 10 seconds is reported as an error. Its errors are
	// logged and must not hold the password. nil means no password.
	Password func() (string, error)

	Log *slog.Logger // nil: no log
}

// File reads a certificate and its private key from a file, at each poll. It is
// safe for concurrent use.
type File struct {
	cfg     FileConfig
	content blockingCall[fileContent]

	mu   sync.Mutex
	good []*tls.Certificate // newest first
}

type fileContent struct {
	data     []byte
	password string
}

// NewFile checks cfg. It does not read the file, which need not exist yet.
func NewFile(cfg FileConfig) (*File, error) {
	if cfg.Path == "" {
		return nil, errors.New("certsource: the path of the certificate file is missing")
	}
	if cfg.Password == nil {
		cfg.Password = func() (string, error) { return "", nil }
	}
	cfg.Log = orDiscard(cfg.Log)
	f := &File{cfg: cfg}
	f.content.run = f.load
	return f, nil
}

// Certificates reads the file and returns its certificate. If an earlier call has
// read another certificate, the previous certificate follows. When the file has
// become unreadable or broken, Certificates returns the last good list with the
// error; see the package comment. Certificates returns when ctx ends, and after
// at most 10 seconds, even if the file system does not respond.
func (f *File) Certificates(ctx context.Context) ([]*tls.Certificate, error) {
	cert, failure := f.read(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	if failure == nil {
		f.remember(cert)
	}
	list, dates := usable(f.good)
	if failure == nil && dates != nil {
		failure = dates.about("read file", f.cfg.Path, "")
	}
	if failure != nil {
		return list, failure
	}
	return list, nil
}

func (f *File) read(ctx context.Context) (*tls.Certificate, *Error) {
	content, failure, ok := f.content.do(ctx)
	switch {
	case !ok && ctx.Err() != nil:
		return nil, &Error{Op: "read file", Name: f.cfg.Path, Code: CodeCanceled, Err: ctx.Err()}
	case !ok:
		return nil, &Error{Op: "read file", Name: f.cfg.Path, Code: CodeBlocked, Remedy: remedy(CodeBlocked)}
	case failure != nil:
		return nil, failure
	}
	b, failure := read(content.data, content.password)
	if failure != nil {
		return nil, failure.about("read file", f.cfg.Path, "")
	}
	cert, failure := b.assemble()
	if failure != nil {
		return nil, failure.about("read file", f.cfg.Path, "")
	}
	return cert, nil
}

// load reads the file and the password. It may block.
func (f *File) load() (fileContent, *Error) {
	password, err := f.cfg.Password()
	if err != nil {
		return fileContent{}, f.unreadable("read password of", err)
	}
	data, code, err := readRegular(f.cfg.Path)
	switch {
	case code == CodeNotAFile:
		return fileContent{}, &Error{Op: "read file", Name: f.cfg.Path, Code: code, Err: err, Remedy: remedy(code)}
	case err != nil:
		return fileContent{}, f.unreadable("read file", err)
	}
	return fileContent{data, password}, nil
}

// readRegular returns up to maxSize+1 bytes of a regular file. Other files are
// refused with [CodeNotAFile], because a pipe would block, or return its
// content only once.
func readRegular(path string) (data []byte, code string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, CodeUnreadable, err
	}
	if !info.Mode().IsRegular() {
		return nil, CodeNotAFile, errors.New(kindOf(info.Mode()))
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, CodeUnreadable, err
	}
	defer file.Close()
	if data, err = io.ReadAll(io.LimitReader(file, maxSize+1)); err != nil {
		return nil, CodeUnreadable, err
	}
	return data, "", nil
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "it is a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "it is a pipe"
	case mode&fs.ModeSocket != 0:
		return "it is a socket"
	case mode&fs.ModeDevice != 0:
		return "it is a device"
	}
	return fmt.Sprintf("it is of the type %v", mode.Type())
}

func (f *File) unreadable(op string, err error) *Error {
	return &Error{Op: op, Name: f.cfg.Path, Code: CodeUnreadable, Err: err, Remedy: remedy(CodeUnreadable)}
}

// remember makes cert the newest certificate. If f.good already contains this
// certificate, remember keeps the existing pointer.
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
