package certsource

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
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
		d.write(a) // back again: the identical certificate
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
	password, problem := "incorrect horse", error(nil)
	d := newOnDisk(t, func() (string, error) { return password, problem })
	d.write(string(fixture(t, "good/windows-aes256-sha256.pfx")))
	d.want("", CodeWrongPassword)
	password = ""
	if err := d.want("", CodeWrongPassword); !strings.Contains(err.Error(), "none is configured") {
		t.Error(err)
	}
	password = "correct horse"
	d.want("HMA-Cert", "")
	problem = fs.ErrPermission
	if err := d.want("HMA-Cert", CodeUnreadable); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
}

func TestFileThatIsNone(t *testing.T) {
	d := newOnDisk(t, nil)
	if err := os.Mkdir(d.path, 0o700); err != nil {
		t.Fatal(err)
	}
	d.want("", CodeUnreadable)
	if _, err := NewFile(FileConfig{}); err == nil {
		t.Error("no path, no error")
	}
}
