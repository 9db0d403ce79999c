package certsource

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"

	"hmaproxy/internal/lazyregexp"
)

// StoreConfig says which certificate of a Windows certificate store to use.
type StoreConfig struct {
	// Location is LocalMachine or CurrentUser; empty means LocalMachine. For a
	// service, CurrentUser is the store of the service's account.
	Location string
	Name     string // name of the store; empty means "My", which consoles show as Personal

	// Exactly one of Thumbprint and Subject must be set. Thumbprint is the
	// SHA-1 of a certificate, in 40 hexadecimal digits. Subject is a
	// distinguished name such as "CN=HMA-Cert" and selects the newest valid
	// certificate of that subject, so a renewed certificate is used
	// automatically. A Subject that has only a common name matches certificates
	// whose subject has further attributes.
	Thumbprint string
	Subject    string

	Log *slog.Logger // nil: no log
}

// The values of StoreConfig.Location.
const (
	StoreLocalMachine = "LocalMachine"
	StoreCurrentUser  = "CurrentUser"
)

// ErrNoStore is returned by [NewStore] on systems other than Windows.
var ErrNoStore = errors.New("certsource: certificate stores exist on Windows alone")

var thumbprintForm = lazyregexp.New(`^[0-9A-Fa-f]{40}$`)

// check returns an error that lists everything that is wrong with c.
func (c *StoreConfig) check() error {
	var errs []error
	if c.Location != StoreLocalMachine && c.Location != StoreCurrentUser {
		errs = append(errs, errors.New("the location must be LocalMachine or CurrentUser"))
	}
	if strings.ContainsAny(c.Name, `\/`) {
		errs = append(errs, errors.New(`a store's name is one word, such as "My"`))
	}
	switch {
	case c.Thumbprint == "" && c.Subject == "":
		errs = append(errs, errors.New("thumbprint or subject is required"))
	case c.Thumbprint != "" && c.Subject != "":
		errs = append(errs, errors.New("thumbprint and subject exclude each other"))
	case c.Thumbprint != "" && !thumbprintForm().MatchString(c.Thumbprint):
		errs = append(errs, errors.New("a thumbprint has 40 hexadecimal digits"))
	case c.Subject != "":
		if _, err := parseName(c.Subject); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Store reads certificates from a Windows certificate store. The private keys
// stay in their provider, which may be a TPM. The provider makes the
// signatures. A Store is safe for concurrent use.
type Store struct {
	cfg     StoreConfig
	subject []nameAttribute // cfg.Subject, parsed
	content blockingCall[[]storeEntry]

	mu   sync.Mutex
	good []*tls.Certificate // newest first; from the latest poll that found a usable certificate
}

// These types are the interface to the operating system. Tests replace them.
type (
	// A storeReader lists a store.
	storeReader interface {
		// entries returns the certificates of the store. Its errors are *storeError.
		entries() ([]storeEntry, error)
	}
	// A storeEntry is a certificate in a store.
	storeEntry interface {
		der() []byte
		// key returns a handle of the private key. Its errors are *storeError.
		key() (storeKey, error)
	}
	// A storeKey is a handle of a private key. It is safe for concurrent use.
	storeKey interface {
		// sign signs a SHA-256 digest by RSASSA-PSS with a salt of 32 bytes, or by
		// PKCS #1 v1.5. Its errors are *storeError.
		sign(digest []byte, pss bool) ([]byte, error)
	}
)

// storeError is a failed call of the operating system.
type storeError struct {
	call     string // "CertOpenStore"
	status   uint32 // a Win32 error or an HRESULT
	provider string // name of the key's provider, "" when unknown
	legacy   bool   // the key is in a CryptoAPI provider, which has no RSASSA-PSS
}

func (e *storeError) Error() string {
	s := fmt.Sprintf("%s: 0x%08X", e.call, e.status)
	if e.provider != "" {
		s += fmt.Sprintf(", provider %q", e.provider)
	}
	return s
}

// Status codes of Windows, from winerror.h, that have a more exact Code than
// CodeStoreFailed.
const (
	statusFileNotFound  = 2          // ERROR_FILE_NOT_FOUND
	statusAccessDenied  = 5          // ERROR_ACCESS_DENIED
	statusEAccessDenied = 0x80070005 // E_ACCESSDENIED
	statusBadFlags      = 0x80090009 // NTE_BAD_FLAGS
	statusBadType       = 0x8009000A // NTE_BAD_TYPE
	statusNoKey         = 0x8009000D // NTE_NO_KEY
	statusPerm          = 0x80090010 // NTE_PERM
	statusBadKeyset     = 0x80090016 // NTE_BAD_KEYSET
	statusSilent        = 0x80090022 // NTE_SILENT_CONTEXT
	statusNotSupported  = 0x80090029 // NTE_NOT_SUPPORTED
	statusNoKeyProperty = 0x8009200B // CRYPT_E_NO_KEY_PROPERTY
)

// code returns the value of Error.Code for a failed call.
func (e *storeError) code() string {
	switch e.status {
	case statusFileNotFound:
		return CodeNoStore
	case statusNoKeyProperty, statusNoKey:
		return CodeNoPrivateKey
	case statusPerm, statusBadKeyset, statusAccessDenied, statusEAccessDenied:
		return CodeKeyAccess
	case statusSilent:
		return CodeKeyPrompts
	case statusBadFlags, statusBadType, statusNotSupported:
		return CodeLegacyKey
	}
	if e.legacy {
		return CodeLegacyKey
	}
	return CodeStoreFailed
}

// NewStore checks cfg. It does not open the store yet. On systems other than
// Windows it returns [ErrNoStore].
func NewStore(cfg StoreConfig) (*Store, error) {
	s, err := newStore(cfg)
	if err != nil {
		return nil, err
	}
	reader, err := newStoreReader(s.cfg.Location, s.cfg.Name)
	if err != nil {
		return nil, err
	}
	s.content.run = func() ([]storeEntry, *Error) { return s.load(reader) }
	return s, nil
}

func newStore(cfg StoreConfig) (*Store, error) {
	if cfg.Location == "" {
		cfg.Location = StoreLocalMachine
	}
	if cfg.Name == "" {
		cfg.Name = "My"
	}
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("certsource: %w", err)
	}
	cfg.Log = orDiscard(cfg.Log)
	s := &Store{cfg: cfg}
	if cfg.Subject != "" {
		s.subject, _ = parseName(cfg.Subject) // cannot fail: cfg.check has parsed the same text
	}
	return s, nil
}

// Certificates reads the store and returns the selected certificate or, with a subject,
// the newest valid certificates, at most two. The package comment explains how the
// returned list and error are related. Certificates returns when ctx ends, and after at
// most 10 seconds.
func (s *Store) Certificates(ctx context.Context) ([]*tls.Certificate, error) {
	entries, failure, ok := s.content.do(ctx)
	switch {
	case !ok && ctx.Err() != nil:
		failure = s.error("read store", CodeCanceled, ctx.Err())
	case !ok:
		failure = s.error("read store", CodeBlocked, nil)
		failure.Remedy = "Windows does not respond: restart the service Cryptographic Services (CryptSvc)"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if failure == nil {
		failure = s.take(entries)
	}
	var list []*tls.Certificate
	for _, c := range s.good {
		if dateError(c.Leaf) == nil && len(list) < maxUsable {
			list = append(list, c)
		}
	}
	if failure != nil {
		return list, failure
	}
	return list, nil
}

func (s *Store) load(reader storeReader) ([]storeEntry, *Error) {
	entries, err := reader.entries()
	if err != nil {
		return nil, s.failed("open store", err)
	}
	return entries, nil
}

// take selects certificates from the content of the store and puts the usable ones in
// s.good. If none is usable, it does not change s.good. The error is about the newest
// of the selected certificates, or says that no certificate was selected.
func (s *Store) take(entries []storeEntry) *Error {
	found := s.selected(entries)
	if len(found) == 0 {
		return s.error("read store", CodeNotInStore, whatIsThere(entries))
	}
	var good []*tls.Certificate
	var first *Error
	for i, f := range found {
		c, failure := s.open(f)
		if failure != nil && i == 0 {
			first = failure
		}
		if failure == nil {
			good = append(good, c)
		}
		if len(good) == maxUsable {
			break
		}
	}
	if len(good) > 0 || first == nil {
		s.good = good
	}
	return first
}

// whatIsThere returns an error that describes the content of a store without a
// matching certificate. It names the subjects of at most three certificates.
func whatIsThere(entries []storeEntry) error {
	var subjects []string
	for _, entry := range entries {
		if leaf, err := x509.ParseCertificate(entry.der()); err == nil && len(subjects) < 3 {
			subjects = append(subjects, strconv.Quote(leaf.Subject.String()))
		}
	}
	if len(subjects) == 0 {
		return errors.New("it holds no certificate that this account can see")
	}
	return fmt.Errorf("it holds %d, with subjects such as %s", len(entries), strings.Join(subjects, ", "))
}

type foundEntry struct {
	entry storeEntry
	leaf  *x509.Certificate
}

// selected returns the certificates that the configuration selects, newest
// first.
func (s *Store) selected(entries []storeEntry) []foundEntry {
	var found []foundEntry
	for _, entry := range entries {
		leaf, err := x509.ParseCertificate(entry.der())
		if err != nil || !s.matches(leaf) {
			continue // certificates that this package cannot parse belong to other programs
		}
		found = append(found, foundEntry{entry, leaf})
	}
	slices.SortStableFunc(found, func(a, b foundEntry) int { return b.leaf.NotBefore.Compare(a.leaf.NotBefore) })
	return found
}

func (s *Store) matches(leaf *x509.Certificate) bool {
	if s.cfg.Thumbprint != "" {
		thumbprint, _ := Thumbprints(leaf)
		return strings.EqualFold(thumbprint, s.cfg.Thumbprint)
	}
	subject := nameAttributes(leaf.Subject)
	if len(s.subject) == 1 && s.subject[0].oid == attributeOIDs["CN"] {
		subject = slices.DeleteFunc(subject, func(a nameAttribute) bool { return a.oid != s.subject[0].oid })
	}
	return sameName(s.subject, subject)
}

// open returns the certificate with a signer. For a certificate that is in s.good it
// returns the pointer from s.good, so the key handle stays the same.
func (s *Store) open(f foundEntry) (*tls.Certificate, *Error) {
	if e := dateError(f.leaf); e != nil {
		return nil, e.about("read store", s.name(), "")
	}
	for _, known := range s.good {
		if known.Leaf.Equal(f.leaf) {
			return known, nil
		}
	}
	public, ok := f.leaf.PublicKey.(*rsa.PublicKey)
	switch {
	case !ok:
		return nil, s.error("read store", CodeNotRSA, nil)
	case public.N.BitLen() < minKeyBits:
		return nil, s.error("read store", CodeWeakKey, nil)
	}
	key, err := f.entry.key()
	if err != nil {
		return nil, s.failed("open private key", err)
	}
	c := &tls.Certificate{
		Certificate: [][]byte{f.leaf.Raw},
		PrivateKey:  &storeSigner{store: s, key: key, public: public},
		Leaf:        f.leaf,
	}
	s.cfg.Log.Info("certificate read from store", append(describe(f.leaf), "store", s.name())...)
	return c, nil
}

// name returns the text that identifies the certificate in errors:
// "LocalMachine/My CN=HMA-Cert".
func (s *Store) name() string {
	return s.cfg.Location + "/" + s.cfg.Name + " " + s.cfg.Thumbprint + s.cfg.Subject
}

func (s *Store) error(op, code string, err error) *Error {
	return &Error{Op: op, Name: s.name(), Code: code, Err: err, Remedy: storeRemedy(code, s.cfg.Location)}
}

// failed returns the Error for a failed call of the operating system.
func (s *Store) failed(op string, err error) *Error {
	var failed *storeError
	if errors.As(err, &failed) {
		return s.error(op, failed.code(), failed)
	}
	return s.error(op, CodeStoreFailed, err)
}
