//go:build unix

package certsource

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// A writer replaces the content of a certificate file as another program does.
// The test passes a function that reads the file, the parameter "between".
type writer struct {
	name   string
	atomic bool                                                                     // a reader never sees a partial file
	first  func(t *testing.T, dir, content string) (path string)                    // creates the file and returns its path
	next   func(t *testing.T, dir, path, content string, n int, between func(bool)) // replaces the file; after each step it calls the function "between", with true if the new content is complete
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// kubelet writes the files of a volume into a new folder and then changes a
// symbolic link to it; see Kubernetes' pkg/volume/util/atomic_writer.go. This
// applies to volumes of Secrets (cert-manager, external-secrets) and of the
// Secrets Store CSI driver.
func kubelet(t *testing.T, dir, content string, n int, between func(bool)) {
	version := "..2026_11_27_12_00_00." + strconv.Itoa(n)
	must(t, os.Mkdir(filepath.Join(dir, version), 0o755))
	between(false)
	must(t, os.WriteFile(filepath.Join(dir, version, "tls-combined.pem"), []byte(content), 0o644))
	between(false)
	must(t, os.Symlink(version, filepath.Join(dir, "..data_tmp")))
	between(false)
	must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	between(true)
	if n > 0 {
		must(t, os.RemoveAll(filepath.Join(dir, "..2026_11_27_12_00_00."+strconv.Itoa(n-1))))
		between(true)
	}
}

var writers = []writer{
	{
		"symbolic link swapped by kubelet or the CSI driver", true,
		func(t *testing.T, dir, content string) string {
			kubelet(t, dir, content, 0, func(bool) {})
			path := filepath.Join(dir, "tls-combined.pem")
			must(t, os.Symlink(filepath.Join("..data", "tls-combined.pem"), path))
			return path
		},
		func(t *testing.T, dir, _, content string, n int, between func(bool)) {
			kubelet(t, dir, content, n, between)
		},
	},
	{
		"file renamed by Vault Agent", true,
		func(t *testing.T, dir, content string) string {
			path := filepath.Join(dir, "hma.pem")
			must(t, os.WriteFile(path, []byte(content), 0o600))
			return path
		},
		func(t *testing.T, dir, path, content string, n int, between func(bool)) {
			temporary := filepath.Join(dir, "hma.pem.tmp"+strconv.Itoa(n))
			must(t, os.WriteFile(temporary, []byte(content), 0o600))
			between(false)
			must(t, os.Rename(temporary, path))
			between(true)
		},
	},
	{
		"file truncated and written by a script", false,
		func(t *testing.T, dir, content string) string {
			path := filepath.Join(dir, "hma.pem")
			must(t, os.WriteFile(path, []byte(content), 0o600))
			return path
		},
		func(t *testing.T, _, path, content string, _ int, between func(bool)) {
			file, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0o600)
			must(t, err)
			between(false)
			for _, part := range []string{content[:10], content[10 : len(content)/2], content[len(content)/2 : len(content)-3]} {
				_, err = file.WriteString(part)
				must(t, err)
				between(false)
			}
			_, err = file.WriteString(content[len(content)-3:])
			must(t, err)
			must(t, file.Close())
			between(true)
		},
	},
	{
		"file removed and created", false,
		func(t *testing.T, dir, content string) string {
			path := filepath.Join(dir, "hma.pem")
			must(t, os.WriteFile(path, []byte(content), 0o600))
			return path
		},
		func(t *testing.T, _, path, content string, _ int, between func(bool)) {
			must(t, os.Remove(path))
			between(false)
			must(t, os.WriteFile(path, []byte(content), 0o600))
			between(true)
		},
	},
}

// TestRotationByOtherPrograms checks that there is a usable certificate at
// every moment of every rotation. After a rotation, the new certificate is
// first in the list. An atomic writer never causes an error.
func TestRotationByOtherPrograms(t *testing.T) {
	for _, w := range writers {
		t.Run(w.name, func(t *testing.T) {
			dir := t.TempDir()
			path := w.first(t, dir, ver(t, "v0", 10*day).value)
			f, err := NewFile(FileConfig{Path: path})
			must(t, err)
			if got, err := names(t, f); got != "v0" || err != nil {
				t.Fatalf("[%s], %v", got, err)
			}
			for n, before := range []string{"v0", "v1 v0", "v2 v1"} {
				fresh := "v" + strconv.Itoa(n+1)
				w.next(t, dir, path, ver(t, fresh, time.Duration(9-n)*day).value, n+1, func(complete bool) {
					t.Helper()
					got, err := names(t, f)
					want := before
					if complete {
						want = fresh + " v" + strconv.Itoa(n)
					}
					if got != want || err != nil && (complete || w.atomic) {
						t.Errorf("[%s], %v; want [%s]", got, err, want)
					}
				})
			}
		})
	}
}
