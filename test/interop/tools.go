package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"hmaproxy/internal/emulator"
)

//go:embed clients
var programs embed.FS

// The packages of the clients. Debian's packages are installed into the operating
// system, npm's packages into a cache folder of the user.
var (
	debianPackages = []string{
		"python3-exchangelib", "python3-zeep", "php-cli", "php-soap", "davmail", "curl",
		"default-jdk-headless", "libhttpclient-java", "mono-mcs", "mono-runtime",
		"libsoap-lite-perl", "gsoap", "libgsoap-dev", "g++", "libaxis-java", "libjaxws-java", "thunderbird",
		"evolution-ews", "evolution-data-server", "dbus", "python3-gi", "gir1.2-edataserver-1.2", "gir1.2-ecal-2.0",
		"kdepim-runtime", "akonadi-server", "akonadi-backend-sqlite",
	}
	npmPackages = []string{"ews-javascript-api@0.15.3", "node-ews@3.5.0", "ntlm-client@0.1.1"}
)

// tools are the installed programs that all scenarios share.
type tools struct {
	temp        string // removed at the end
	binary      string // path of the product's binary
	programs    string // path of the folder clients, which has the clients' programs
	cache       string // path of the user's cache, for results that take long to make
	nodeModules string
	gsoap       built
	jaxws       built
	cert        *emulator.Certificate
	key         *rsa.PrivateKey
}

func (t *tools) close() { os.RemoveAll(t.temp) }

// prepare installs the clients and builds the product.
func prepare(ctx context.Context, o options, stderr io.Writer) (*tools, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	cache = filepath.Join(cache, "hmaproxy-interop")
	t := &tools{cache: cache, nodeModules: filepath.Join(cache, "node_modules")}
	if o.install {
		if err := errors.Join(installDebian(ctx, stderr), t.installNPM(ctx, cache, stderr)); err != nil {
			return nil, err
		}
	}
	if t.temp, err = os.MkdirTemp("", "interop"); err != nil {
		return nil, err
	}
	if err := t.make(ctx); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *tools) make(ctx context.Context) error {
	t.programs = filepath.Join(t.temp, "programs")
	tree, err := fs.Sub(programs, "clients")
	if err != nil {
		return err
	}
	if err := os.CopyFS(t.programs, tree); err != nil {
		return err
	}
	t.binary = filepath.Join(t.temp, "hmaproxy")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", t.binary, "hmaproxy/cmd/hmaproxy")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the product: %w: %s", err, out)
	}
	if t.cert, err = emulator.NewCertificate(emulator.CertOptions{}); err != nil {
		return err
	}
	t.key, err = rsa.GenerateKey(rand.Reader, 2048)
	return err
}

// installDebian installs the packages that are missing.
func installDebian(ctx context.Context, stderr io.Writer) error {
	var missing []string
	for _, name := range append(debianPackages, libraryPackages()...) {
		out, _ := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Status}", name).Output()
		if !strings.HasSuffix(string(out), " installed") {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if err := runWithOutput(ctx, stderr, "", "apt-get", "-q", "update"); err != nil {
		return err
	}
	return runWithOutput(ctx, stderr, "", "apt-get", append([]string{"-qy", "-o", "DPkg::Lock::Timeout=300", "install", "--no-install-recommends"}, missing...)...)
}

func (t *tools) installNPM(ctx context.Context, cache string, stderr io.Writer) error {
	stamp := filepath.Join(cache, "installed")
	want := strings.Join(npmPackages, "\n")
	if got, err := os.ReadFile(stamp); err == nil && string(got) == want {
		return nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	args := append([]string{"install", "--prefix", cache, "--no-audit", "--no-fund", "--ignore-scripts"}, npmPackages...)
	if err := runWithOutput(ctx, stderr, cache, "npm", args...); err != nil {
		return err
	}
	return os.WriteFile(stamp, []byte(want), 0o644)
}

// runWithOutput runs a program in the folder dir, and writes its output to
// stderr.
func runWithOutput(ctx context.Context, stderr io.Writer, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, stderr, stderr
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
