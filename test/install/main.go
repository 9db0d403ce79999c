// Command install follows each way to install hmaproxy that can be followed on a
// Debian machine, from the files of a release up to a served request: the deb
// package, the rpm package with rpm's own tools, and the archive by the commands
// of deploy/systemd/README.md. Each way begins in an empty Debian root. The
// service runs there with the settings of its unit, against the emulated Entra
// ID, Key Vault and Exchange of the demo. Packages are upgraded, removed and
// purged. Then the command checks the tables of the Windows Installer package, and
// every link, path and command of the documents in every archive.
//
// The command must run as root and needs Debian's debootstrap. systemd does not
// run in the Debian root, so the command applies the directives of the unit
// itself.
//
//	go run ./test/install                    # makes a release and the root first
//	go run ./test/install -dist DIR          # with the files of an existing release
//	go run ./test/install -base DIR          # with an existing root, which is copied
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.StringVar(&o.dist, "dist", "", "`folder` with the files of a release; without it one is made")
	flag.StringVar(&o.base, "base", "", "`folder` with a Debian root that has rpm; without it one is made")
	flag.Parse()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "install:", err)
		os.Exit(1)
	}
}

type options struct{ dist, base string }

// A way is one way to install.
type way struct {
	name string
	run  func(context.Context, *root, release) error
}

func run(ctx context.Context, o options) error {
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		return errors.New("needs root on Linux, for chroot")
	}
	work, err := os.MkdirTemp("", "hmaproxy-install")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if o.dist == "" {
		o.dist = filepath.Join(work, "dist")
		if err := installTools(ctx); err != nil {
			return err
		}
		make := command(ctx, "scripts/release.sh", "v0.0.1", o.dist)
		make.Env = append(os.Environ(), "TARGETS=linux/"+runtime.GOARCH+" windows/amd64")
		if err := make.Run(); err != nil {
			return fmt.Errorf("scripts/release.sh: %w", err)
		}
	}
	if o.base == "" {
		o.base = filepath.Join(work, "base")
		if err := makeBase(ctx, o.base); err != nil {
			return err
		}
	}
	dist := release{o.dist}
	var failed []string
	for _, w := range []way{{"deb", installDeb}, {"rpm", installRPM}, {"archive", installArchive}} {
		fmt.Printf("== %s\n", w.name)
		if err := try(ctx, w, filepath.Join(work, w.name), o.base, dist); err != nil {
			fmt.Printf("FAILED: %s: %v\n", w.name, err)
			failed = append(failed, w.name)
		}
	}
	fmt.Println("== tables of the Windows Installer package")
	if err := checkInstaller(ctx, dist); err != nil {
		fmt.Printf("FAILED: Windows Installer package: %v\n", err)
		failed = append(failed, "Windows Installer package")
	}
	fmt.Println("== documents of every archive")
	if err := checkDocuments(ctx, dist, filepath.Join(work, "documents")); err != nil {
		fmt.Printf("FAILED: documents: %v\n", err)
		failed = append(failed, "documents")
	}
	if len(failed) > 0 {
		return fmt.Errorf("these failed: %s", strings.Join(failed, ", "))
	}
	fmt.Println("all ways lead to a served request")
	return nil
}

// The function "try" copies base, which is a Debian root, to folder. Then it
// installs hmaproxy in the copy, in the way w.
func try(ctx context.Context, w way, folder, base string, dist release) error {
	if err := command(ctx, "cp", "-a", base, folder).Run(); err != nil {
		return fmt.Errorf("copy the root: %w", err)
	}
	r, err := newRoot(folder)
	if err != nil {
		return err
	}
	defer r.close()
	return w.run(ctx, r, dist)
}

// makeBase makes an empty Debian root with rpm's tools.
func makeBase(ctx context.Context, folder string) error {
	if err := installTools(ctx); err != nil {
		return err
	}
	make := command(ctx, "debootstrap", "--variant=minbase", "--include=rpm", "bookworm", folder)
	make.Stdout = nil
	if err := make.Run(); err != nil {
		return fmt.Errorf("debootstrap: %w", err)
	}
	return nil
}

// installTools installs the Debian packages that are missing.
func installTools(ctx context.Context) error {
	var missing []string
	for program, name := range map[string]string{"debootstrap": "debootstrap", "wixl": "wixl", "msiextract": "msitools", "zip": "zip", "unzip": "unzip"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	install := command(ctx, "apt-get", append([]string{"install", "-y", "-qq", "--no-install-recommends"}, missing...)...)
	install.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if err := errors.Join(command(ctx, "apt-get", "update", "-qq").Run(), install.Run()); err != nil {
		return fmt.Errorf("install %s: %w", strings.Join(missing, ", "), err)
	}
	return nil
}

// command returns a command whose output is shown.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd
}

// A release is a folder with the files of scripts/release.sh.
type release struct{ folder string }

// file returns the path of a file for this machine's architecture. In name, ARCH
// is replaced by the architecture.
func (r release) file(name string) (string, error) {
	arch := runtime.GOARCH
	if strings.HasSuffix(name, ".rpm") {
		arch = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[arch]
	}
	path := filepath.Join(r.folder, strings.ReplaceAll(name, "ARCH", arch))
	_, err := os.Stat(path)
	return path, err
}
