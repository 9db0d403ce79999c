package certsource

import (
	"bytes"
	"context"
	"crypto"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// storeDouble is a double of a Windows certificate store.
type storeDouble struct {
	list  []storeEntry
	err   error
	block chan struct{}
}

func (d *storeDouble) entries() ([]storeEntry, error) {
	if d.block != nil {
		<-d.block
	}
	return d.list, d.err
}

// entryDouble is a certificate with a private key. If err is set, the private key
// cannot be opened.
type entryDouble struct {
	encoded []byte
	private *rsa.PrivateKey
	salt    int
	err     error // error that the method key returns
	signErr error
	opened  int
}

func (e *entryDouble) der() []byte { return e.encoded }

func (e *entryDouble) key() (storeKey, error) {
	if e.err != nil {
		return nil, e.err
	}
	e.opened++
	return e, nil
}

func (e *entryDouble) sign(digest []byte, pss bool) ([]byte, error) {
	if e.signErr != nil {
		return nil, e.signErr
	}
	if pss {
		var signature []byte
		var err error
		fips140.WithoutEnforcement(func() { // the test's salt may be longer than FIPS 140-3 permits
			signature, err = rsa.SignPSS(rand.Reader, e.private, crypto.SHA256, digest, &rsa.PSSOptions{SaltLength: e.salt})
		})
		return signature, err
	}
	return rsa.SignPKCS1v15(nil, e.private, crypto.SHA256, digest)
}

func newEntry(t *testing.T, subject pkix.Name, from, to time.Time) *entryDouble {
	t.Helper()
	key := testKey(t, "good/key-first.pem")
	template := &x509.Certificate{SerialNumber: big.NewInt(from.Unix()), Subject: subject, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &entryDouble{encoded: der, private: key, salt: 32}
}

func newTestStore(t *testing.T, cfg StoreConfig, reader storeReader) (*Store, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	s, err := newStore(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.content.run = func() ([]storeEntry, *Error) { return s.load(reader) }
	return s, &log
}

// wantStore polls s and checks the certificates and the error's code. It returns
// the error.
func wantStore(t *testing.T, s *Store, list []*entryDouble, code string) *Error {
	t.Helper()
	got, err := s.Certificates(t.Context())
	var e *Error
	if err != nil && (!errors.As(err, &e) || e.Remedy == "" || !strings.Contains(err.Error(), s.name())) {
		t.Fatalf("error %v", err)
	}
	if e == nil && code != "" || e != nil && e.Code != code {
		t.Errorf("error %v, want %q", err, code)
	}
	same := len(got) == len(list)
	for i := range list {
		same = same && bytes.Equal(got[i].Certificate[0], list[i].encoded)
	}
	if !same {
		t.Errorf("%d certificates, want %d others", len(got), len(list))
	}
	return e
}

var hmaCert = pkix.Name{CommonName: "HMA-Cert"}

// TestStoreBySubject checks the order of the list after automatic enrolment has
// added a renewed certificate of the same subject: the newest certificate
// first, then the previous one. Unusable certificates are left out.
func TestStoreBySubject(t *testing.T) {
	now := time.Now()
	year := 365 * day
	oldest := newEntry(t, hmaCert, now.Add(-300*day), now.Add(year-300*day))
	old := newEntry(t, pkix.Name{CommonName: "hma-cert", Organization: []string{"Contoso"}}, now.Add(-200*day), now.Add(year-200*day))
	fresh := newEntry(t, hmaCert, now.Add(-day), now.Add(year))
	other := newEntry(t, pkix.Name{CommonName: "HMA-Cert2"}, now.Add(-time.Hour), now.Add(year))
	garbage := &entryDouble{encoded: []byte("garbage")}
	reader := &storeDouble{list: []storeEntry{other, old, garbage, oldest}}
	s, log := newTestStore(t, StoreConfig{Subject: "CN=HMA-Cert"}, reader)
	wantStore(t, s, []*entryDouble{old, oldest}, "")
	first, _ := s.Certificates(t.Context())
	reader.list = []storeEntry{old, fresh, oldest}
	wantStore(t, s, []*entryDouble{fresh, old}, "")
	if second, _ := s.Certificates(t.Context()); second[1] != first[0] || old.opened != 1 {
		t.Errorf("the certificate changed its pointer; its key was opened %d times", old.opened)
	}

	expired := newEntry(t, hmaCert, now.Add(-time.Hour), now.Add(-time.Minute))
	reader.list = append(reader.list, expired)
	wantStore(t, s, []*entryDouble{fresh, old}, CodeExpired)

	locked := newEntry(t, hmaCert, now.Add(-time.Minute), now.Add(year))
	locked.err = &storeError{call: "CryptAcquireCertificatePrivateKey", status: statusBadKeyset}
	reader.list = []storeEntry{old, fresh, locked}
	wantStore(t, s, []*entryDouble{fresh, old}, CodeKeyAccess)

	reader.list = nil // the certificates were removed by mistake; s must keep the working certificates
	wantStore(t, s, []*entryDouble{fresh, old}, CodeNotInStore)
	reader.list, reader.err = nil, &storeError{call: "CertOpenStore", status: statusFileNotFound}
	wantStore(t, s, []*entryDouble{fresh, old}, CodeNoStore)
	if n := strings.Count(log.String(), "certificate read from store"); n != 3 {
		t.Errorf("%d certificates logged, want 3:\n%s", n, log)
	}
}

// TestStoreSubjects tests subjects in the forms in which certutil, PowerShell,
// the certificate console and OpenSSL print them.
func TestStoreSubjects(t *testing.T) {
	simple := newEntry(t, pkix.Name{CommonName: "HMA-Cert", Organization: []string{"Contoso"}, Country: []string{"DE"}}, time.Now(), time.Now().Add(time.Hour))
	domain := newEntry(t, pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{ // attributes in the order in which they are encoded
		{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, Value: "com"},
		{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, Value: "contoso"},
		{Type: asn1.ObjectIdentifier{2, 5, 4, 8}, Value: "Washington"},
		{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: `Contoso, "Ltd."`},
		{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "pki@contoso.com"},
		{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "HMA Cert"},
	}}, time.Now(), time.Now().Add(time.Hour))
	for _, tt := range []struct {
		subject        string
		simple, domain bool
	}{
		{"CN=HMA-Cert", true, false},
		{"cn=hma-cert", true, false},
		{"CN=HMA-Cert,O=Contoso,C=DE", true, false},
		{"CN=HMA-Cert, O=Contoso,C=DE", true, false},
		{"C = DE, O = Contoso, CN = HMA-Cert", true, false}, // the form of OpenSSL
		{"CN=HMA", false, false},
		{"CN=HMA-Cert,O=Contoso", false, false},
		{"O=Contoso", false, false},
		{"CN=HMA Cert", false, true},
		{`CN=HMA Cert, E=pki@contoso.com, O="Contoso, ""Ltd.""", S=Washington, DC=contoso, DC=com`, false, true},
		{`DC=com, DC=contoso, S=Washington, O="Contoso, ""Ltd.""", E=pki@contoso.com, CN=HMA Cert`, false, true},
		{`CN=HMA Cert,emailAddress=pki@contoso.com,O=Contoso\, \"Ltd.\",ST=Washington,DC=contoso,DC=com`, false, true},
		{`OID.2.5.4.3=HMA Cert;1.2.840.113549.1.9.1=pki@contoso.com;O="Contoso, ""Ltd.""";ST=Washington;DC=contoso;DC=com`, false, true},
		{`CN=HMA Cert, E=pki@contoso.com, O="Contoso, ""Ltd.""", S=Washington, DC=com, DC=contoso`, false, false},
		{`CN=HMA Cert, DC=contoso, DC=com`, false, false},
	} {
		s, err := newStore(StoreConfig{Subject: tt.subject})
		if err != nil {
			t.Errorf("%q: %v", tt.subject, err)
			continue
		}
		for entry, want := range map[*entryDouble]bool{simple: tt.simple, domain: tt.domain} {
			if leaf, _ := x509.ParseCertificate(entry.der()); s.matches(leaf) != want {
				t.Errorf("%q: %v for %v", tt.subject, !want, leaf.Subject)
			}
		}
	}
	for subject, problem := range map[string]string{
		"CN=":              "has no value",
		"CN=x,O=":          "has no value",
		"CN=x, Contoso":    "distinguished name",
		"CN=x, Ltd=Y":      `not "LTD"`,
		`CN=x, O="Contoso`: "quotation mark",
	} {
		if _, err := newStore(StoreConfig{Subject: subject}); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%q: error %v, want %s", subject, err, problem)
		}
	}
}

func FuzzSubject(f *testing.F) {
	f.Add(`CN=HMA Cert, E=pki@contoso.com, O="Contoso, ""Ltd.""", S=Washington, DC=contoso, DC=com`)
	f.Fuzz(func(t *testing.T, s string) {
		name, err := parseName(s)
		if (err == nil) != (len(name) > 0) {
			t.Errorf("%d attributes and %v", len(name), err)
		}
	})
}

func TestStoreByThumbprint(t *testing.T) {
	now := time.Now()
	wanted := newEntry(t, hmaCert, now.Add(-200*day), now.Add(day))
	newer := newEntry(t, hmaCert, now.Add(-day), now.Add(day))
	leaf, err := x509.ParseCertificate(wanted.encoded)
	if err != nil {
		t.Fatal(err)
	}
	thumbprint, _ := Thumbprints(leaf)
	s, _ := newTestStore(t, StoreConfig{Thumbprint: strings.ToLower(thumbprint)}, &storeDouble{list: []storeEntry{newer, wanted}})
	wantStore(t, s, []*entryDouble{wanted}, "")
}

// TestStoreFailures checks the code and the remedy for each error of Windows.
func TestStoreFailures(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		code   string
		remedy string
	}{
		{"key set not found, as a virtual account sees it", &storeError{call: "c", status: statusBadKeyset}, CodeKeyAccess, "Manage Private Keys"},
		{"no permission on the key", &storeError{call: "c", status: statusPerm}, CodeKeyAccess, `NT SERVICE\`},
		{"access denied", &storeError{call: "c", status: statusEAccessDenied}, CodeKeyAccess, "Read"},
		{"no private key", &storeError{call: "c", status: statusNoKeyProperty}, CodeNoPrivateKey, "import the PFX"},
		{"key with strong protection", &storeError{call: "c", status: statusSilent}, CodeKeyPrompts, "strong private key protection"},
		{"CryptoAPI provider, refused by type", &storeError{call: "c", status: statusBadType, provider: "Microsoft Enhanced Cryptographic Provider v1.0", legacy: true}, CodeLegacyKey, "Microsoft Software Key Storage Provider"},
		{"CryptoAPI provider, refused otherwise", &storeError{call: "c", status: 0x80090014, legacy: true}, CodeLegacyKey, "Key Storage Provider"},
		{"another status", &storeError{call: "c", status: 0x8009002D}, CodeStoreFailed, "com-error-codes"},
		{"an error of another type", errors.New("x"), CodeStoreFailed, "com-error-codes"},
	}
	now := time.Now()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			entry := newEntry(t, hmaCert, now.Add(-day), now.Add(day))
			entry.err = tt.err
			s, _ := newTestStore(t, StoreConfig{Subject: "CN=HMA-Cert"}, &storeDouble{list: []storeEntry{entry}})
			e := wantStore(t, s, nil, tt.code)
			if !strings.Contains(e.Remedy, tt.remedy) || e.Op != "open private key" || !strings.Contains(e.Error(), tt.err.Error()) {
				t.Errorf("error %v", e)
			}
		})
	}
	t.Run("not in CurrentUser", func(t *testing.T) {
		s, _ := newTestStore(t, StoreConfig{Location: StoreCurrentUser, Subject: "CN=HMA-Cert"}, &storeDouble{})
		if e := wantStore(t, s, nil, CodeNotInStore); !strings.Contains(e.Remedy, "account that this program runs as") {
			t.Errorf("error %v", e)
		}
	})
	t.Run("not yet valid", func(t *testing.T) {
		s, _ := newTestStore(t, StoreConfig{Subject: "CN=HMA-Cert"}, &storeDouble{list: []storeEntry{newEntry(t, hmaCert, now.Add(day), now.Add(2*day))}})
		if e := wantStore(t, s, nil, CodeNotYetValid); e.NotBefore.IsZero() {
			t.Error("NotBefore is zero")
		}
	})
	t.Run("elliptic curve and short RSA", func(t *testing.T) {
		for path, code := range map[string]string{"bad/ec.pem": CodeNotRSA, "bad/rsa1024.pem": CodeWeakKey} {
			var der []byte
			for rest := fixture(t, path); der == nil; {
				var block *pem.Block
				if block, rest = pem.Decode(rest); block.Type == "CERTIFICATE" {
					der = block.Bytes
				}
			}
			leaf, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			s, _ := newTestStore(t, StoreConfig{Subject: "CN=" + leaf.Subject.CommonName}, &storeDouble{list: []storeEntry{&entryDouble{encoded: der}}})
			wantStore(t, s, nil, code)
		}
	})
}

func TestStoreSigner(t *testing.T) {
	now := time.Now()
	digest := sha256.Sum256([]byte("x"))
	pss := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	open := func(t *testing.T, change func(*entryDouble)) crypto.Signer {
		entry := newEntry(t, hmaCert, now.Add(-day), now.Add(day))
		change(entry)
		s, _ := newTestStore(t, StoreConfig{Subject: "CN=HMA-Cert"}, &storeDouble{list: []storeEntry{entry}})
		list, err := s.Certificates(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return list[0].PrivateKey.(crypto.Signer)
	}
	good := open(t, func(*entryDouble) {})
	signature, err := good.Sign(rand.Reader, digest[:], pss)
	if err != nil || rsa.VerifyPSS(good.Public().(*rsa.PublicKey), crypto.SHA256, digest[:], signature, pss) != nil {
		t.Errorf("PS256: %v", err)
	}
	signature, err = good.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil || rsa.VerifyPKCS1v15(good.Public().(*rsa.PublicKey), crypto.SHA256, digest[:], signature) != nil {
		t.Errorf("RS256: %v", err)
	}
	wrong := testKey(t, "good/negative-serial.pem")
	tests := []struct {
		name   string
		change func(*entryDouble)
		digest []byte
		opts   crypto.SignerOpts
		code   string
	}{
		{"SHA-1", func(*entryDouble) {}, make([]byte, 20), crypto.SHA1, CodeUnsupportedSign},
		{"short digest", func(*entryDouble) {}, digest[:31], pss, CodeUnsupportedSign},
		{"another salt", func(*entryDouble) {}, digest[:], &rsa.PSSOptions{SaltLength: 20, Hash: crypto.SHA256}, CodeUnsupportedSign},
		{"legacy provider, found when signing", func(e *entryDouble) { e.signErr = &storeError{call: "NCryptSignHash", status: statusBadFlags} }, digest[:], pss, CodeLegacyKey},
		{"TPM with the longest salt", func(e *entryDouble) { e.salt = e.private.Size() - 32 - 2 }, digest[:], pss, CodeSaltLength},
		{"key of another certificate", func(e *entryDouble) { e.private = wrong }, digest[:], pss, CodeKeyMismatch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := open(t, tt.change).Sign(rand.Reader, tt.digest, tt.opts)
			var e *Error
			if !errors.As(err, &e) || e.Code != tt.code || e.Op != "sign" || e.Remedy == "" {
				t.Errorf("error %v, want %s", err, tt.code)
			}
		})
	}
}

func TestBlockedStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := &storeDouble{block: make(chan struct{})}
		s, _ := newTestStore(t, StoreConfig{Subject: "CN=HMA-Cert"}, reader)
		start := time.Now()
		wantStore(t, s, nil, CodeBlocked)
		if took := time.Since(start); took != readTimeout {
			t.Errorf("the poll took %v", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Certificates(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		reader.list = []storeEntry{newEntry(t, hmaCert, time.Now(), time.Now().Add(day))}
		close(reader.block)
		synctest.Wait()
		if list, err := s.Certificates(t.Context()); len(list) != 1 || err != nil {
			t.Errorf("%d certificates, %v", len(list), err)
		}
	})
}

func TestStoreConfig(t *testing.T) {
	thumbprint := strings.Repeat("0A", 20)
	for name, cfg := range map[string]StoreConfig{
		"nothing":                       {},
		"both":                          {Thumbprint: thumbprint, Subject: "CN=x"},
		"short thumbprint":              {Thumbprint: thumbprint[1:]},
		"thumbprint copied from MMC":    {Thumbprint: "\u200e" + thumbprint},
		"thumbprint with blanks":        {Thumbprint: "0A 0A"},
		"subject without an attribute":  {Subject: "HMA-Cert"},
		"unknown location":              {Location: "localmachine", Subject: "CN=x"},
		"location within the name":      {Name: `LocalMachine\My`, Subject: "CN=x"},
		"location within the name, URL": {Name: "LocalMachine/My", Subject: "CN=x"},
	} {
		if _, err := newStore(cfg); err == nil || !strings.HasPrefix(err.Error(), "certsource: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := newStore(StoreConfig{Thumbprint: thumbprint})
	if err != nil || s.name() != "LocalMachine/My "+thumbprint {
		t.Errorf("%v, %v", s, err)
	}
	var _ interface {
		Certificates(context.Context) ([]*tls.Certificate, error)
	} = s
}
