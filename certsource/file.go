package certsource

import (
	"context"
	"crypto/tls"
	"log/slog"
)

// FileConfig says which file to read.
type FileConfig struct {
	Path string // PFX or PEM; required

	// Password returns the PFX's password and is called at each poll. Its errors
	// are logged: they must not hold the password. nil means no password.
	Password func() (string, error)

	Log *slog.Logger // nil means none
}

// File reads a certificate and its private key from a file, again whenever its
// content changes. It is safe for concurrent use.
type File struct{ cfg FileConfig }

// NewFile checks cfg; the file is not read yet and need not exist yet.
func NewFile(cfg FileConfig) (*File, error) { return &File{cfg}, nil }

// Certificates reads the file.
func (f *File) Certificates(ctx context.Context) ([]*tls.Certificate, error) {
	return nil, problem(CodeEmpty)
}
