package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReleaseImageTakesProgramsOfArchives checks that scripts/release-image.sh copies
// the program of each architecture from its archive. The archives of the test have
// the names and folders that scripts/release.sh gives them.
func TestReleaseImageTakesProgramsOfArchives(t *testing.T) {
	for _, program := range []string{"bash", "tar", "gzip"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("NOT CHECKED: %s is not installed", program)
		}
	}
	if _, err := os.Stat("/etc/ssl/certs/ca-certificates.crt"); err != nil {
		t.Skip("NOT CHECKED: this system does not have the certificate file of Debian")
	}
	script, err := os.ReadFile("../../scripts/release.sh")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(script), "name=hmaproxy_${os}_${arch}${fips:+_fips140}\n") {
		t.Fatal("scripts/release.sh gives archives other names: change this test and scripts/release-image.sh")
	}
	for _, variant := range []string{"", "_fips140"} {
		t.Run("variant "+variant, func(t *testing.T) {
			work, dist, image := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "image")
			for _, arch := range []string{"amd64", "arm64"} {
				name := "hmaproxy_linux_" + arch + variant
				if err := os.Mkdir(filepath.Join(work, name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(work, name, "hmaproxy"), []byte(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if out, err := exec.Command("tar", "-C", work, "-czf", filepath.Join(dist, name+".tar.gz"), name).CombinedOutput(); err != nil {
					t.Fatalf("tar: %v\n%s", err, out)
				}
			}
			args := []string{"../../scripts/release-image.sh", dist, image}
			if variant != "" {
				args = append(args, variant)
			}
			if out, err := exec.Command("bash", args...).CombinedOutput(); err != nil {
				t.Fatalf("scripts/release-image.sh: %v\n%s", err, out)
			}
			for _, arch := range []string{"amd64", "arm64"} {
				got, err := os.ReadFile(filepath.Join(image, arch, "hmaproxy"))
				if want := "hmaproxy_linux_" + arch + variant; err != nil || string(got) != want {
					t.Errorf("%s: program %q (%v), want that of %s", arch, got, err, want)
				}
			}
			if _, err := os.Stat(filepath.Join(image, "Dockerfile")); err != nil {
				t.Error(err)
			}
		})
	}
}
