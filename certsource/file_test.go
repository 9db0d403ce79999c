package certsource

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// onDisk is a File whose content the test changes.
type onDisk struct {
	t    *testing.T
	path string
	log  bytes.Buffer
	*File
}

func newOnDisk(t *testing.T, password func() (string, error)) *onDisk {
	d := &onDisk{t: t, path: filepath.Join(t.TempDir(), "hma.pfx")}
	f, err := NewFile(FileConfig{Path: d.path, Password: password, Log: slog.New(slog.NewTextHandler(&d.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	d.File = f
	return d
}

func (d *onDisk) write(content string) {
	d.t.Helper()
	if err := os.WriteFile(d.path, []byte(content), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *onDisk) want(list, code string) error {
	d.t.Helper()
	got, err := names(d.t, d)
	var e *Error
	if errors.As(err, &e); got != list || err == nil && code != "" || err != nil && (e == nil || e.Code != code || e.Remedy == "" || !strings.Contains(e.Error(), d.path)) {
		d.t.Errorf("got [%s], %v; want [%s], %q", got, err, list, code)
	}
	noCanary(d.t, d.log.String())
	return err
}

func TestFileChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newOnDisk(t, nil)
		if err := d.want("", CodeUnreadable); !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		a, b, c := ver(t, "a", 3*day).value, ver(t, "b", 2*day).value, ver(t, "c", day).value
		d.write(a)
		d.want("a", "")
		first, _ := d.Certificates(t.Context())
		d.want("a", "")
		d.write(b)
		d.want("b a", "")
		d.write(a[:len(a)/2])
		d.want("b a", CodeDamaged)
		if err := os.Remove(d.path); err != nil {
			t.Fatal(err)
		}
		d.want("b a", CodeUnreadable)
		d.write(a) // the first content is back, so File must return the first pointer
		d.want("a b", "")
		if again, _ := d.Certificates(t.Context()); again[0] != first[0] {
			t.Error("another certificate for the same content")
		}
		d.write(c)
		d.want("c a", "")
		if n := strings.Count(d.log.String(), "certificate read"); n != 3 {
			t.Errorf("%d certificates logged, want 3:\n%s", n, &d.log)
		}
	})
}

func TestFileDates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newOnDisk(t, nil)
		d.write(ver(t, "old", 300*day).value)
		d.want("old", "")
		d.write(ver(t, "new", -day).value)
		d.want("old", CodeNotYetValid)
		time.Sleep(2 * day)
		d.want("new old", "")
		time.Sleep(100 * day)
		d.want("new", "")
		time.Sleep(365 * day)
		d.want("", CodeExpired)
	})
}

func TestFilePassword(t *testing.T) {
	password, failure := "incorrect horse", error(nil)
	d := newOnDisk(t, func() (string, error) { return password, failure })
	d.write(string(fixture(t, "good/keytool-chain.p12")))
	d.want("", CodeWrongPassword)
	password = ""
	if err := d.want("", CodeWrongPassword); !strings.Contains(err.Error(), "none is configured") {
		t.Error(err)
	}
	password = "correct horse"
	d.want("HMA-Cert", "")
	failure = fs.ErrPermission
	if err := d.want("HMA-Cert", CodeUnreadable); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
}

func TestDirectoryAsFile(t *testing.T) {
	d := newOnDisk(t, nil)
	if err := os.Mkdir(d.path, 0o700); err != nil {
		t.Fatal(err)
	}
	d.want("", CodeNotAFile)
	if _, err := NewFile(FileConfig{}); err == nil {
		t.Error("no path, no error")
	}
}

// TestBlockedRead checks that Certificates returns in time when a read blocks,
// and does not start a second read. After the blocked read has ended, the file
// is read again.
func TestBlockedRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls, blocked atomic.Int32
		release := make(chan struct{})
		d := newOnDisk(t, func() (string, error) {
			if calls.Add(1); blocked.Load() == 1 {
				<-release
			}
			return "", nil
		})
		a, b := ver(t, "a", 2*day).value, ver(t, "b", day).value
		d.write(a)
		d.want("a", "")
		d.write(b)
		blocked.Store(1)
		start := time.Now()
		d.want("a", CodeBlocked)
		if took := time.Since(start); took != readTimeout {
			t.Errorf("the poll took %v", took)
		}
		d.want("a", CodeBlocked)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if list, err := d.Certificates(ctx); len(list) != 1 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d certificates, %v", len(list), err)
		}
		if n := calls.Load(); n != 2 {
			t.Errorf("%d reads while one is blocked, want 2", n)
		}
		blocked.Store(0)
		close(release)
		synctest.Wait()
		d.want("b a", "")
	})
}

func TestFileWithNegativeSerialNumber(t *testing.T) {
	for _, name := range []string{"negative-serial.pem", "negative-serial.pfx"} {
		data := fixture(t, "good/"+name)
		t.Setenv("GODEBUG", "x509negativeserial=0")
		_, err := Parse(data, "correct horse")
		var e *Error
		if refusedByFIPS(t, name, err) {
			continue
		}
		if !errors.As(err, &e) || e.Code != CodeNegativeSerial || !strings.Contains(err.Error(), "positive serial number") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestErrorNamesTheBlock checks that an error about a PEM file names the block
// that is the cause.
func TestErrorNamesTheBlock(t *testing.T) {
	key, crt := string(fixture(t, "bad/key-only.pem")), string(fixture(t, "bad/certificate-only.pem"))
	line := strings.Split(crt, "\n")[5]
	tests := map[string]struct{ content, want string }{
		"cut":     {key + crt + key[:len(key)/2], "block 3 (private key) cannot be decoded"},
		"altered": {key + strings.Replace(crt, line, "AAAA"+line[4:], 1), "block 2 (certificate): x509: "},
		"DOS":     {strings.ReplaceAll("\ufeff"+key+strings.Replace(crt, line, "AAAA"+line[4:], 1), "\n", "\r\n"), "block 2 (certificate): x509: "},
		"locked":  {string(fixture(t, "bad/encrypted-pkcs8.pem")), "EncryptedPEM: block 1 (encrypted private key)"},
	}
	for name, tt := range tests {
		if _, err := Parse([]byte(tt.content), ""); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
