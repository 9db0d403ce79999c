package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

const (
	packageUnit = "/usr/lib/systemd/system/hmaproxy.service"
	settings    = "/etc/hmaproxy/hmaproxy.env"
)

// packageModes are owners and modes in packages of both kinds.
var packageModes = map[string]string{
	"/etc/hmaproxy":     "root:hmaproxy 750",
	settings:            "root:hmaproxy 640",
	"/usr/bin/hmaproxy": "root:root 755",
	packageUnit:         "root:root 644",
}

// packageFiles are further files in packages of both kinds.
var packageFiles = []string{
	"/usr/share/man/man1/hmaproxy.1.gz", "/usr/share/man/man5/hmaproxy.env.5.gz",
	"/usr/share/bash-completion/completions/hmaproxy", "/usr/share/fish/vendor_completions.d/hmaproxy.fish",
	"/usr/share/doc/hmaproxy/README.md", "/usr/share/doc/hmaproxy/docs/setup.md", "/usr/share/doc/hmaproxy/deploy/azure/setup.sh",
}

// expectInstalled checks the files that a package has installed, and that no unit
// is enabled.
func (r *root) expectInstalled(ctx context.Context) error {
	err := r.expectModes(ctx, packageModes)
	for _, name := range packageFiles {
		if _, statErr := os.Stat(r.path(name)); statErr != nil {
			err = errors.Join(err, statErr)
		}
	}
	if enabled, _ := filepath.Glob(r.path("/etc/systemd/system/*.wants/hmaproxy.service")); len(enabled) > 0 {
		err = errors.Join(err, fmt.Errorf("enabled: %q", enabled))
	}
	if _, userErr := r.run(ctx, "getent", "passwd", "hmaproxy"); userErr != nil {
		err = errors.Join(err, userErr)
	}
	return err
}

// expectUser checks that the unit runs with the user and the group hmaproxy. Only
// this group and root may read the settings.
func (r *root) expectUser() error {
	user, err := r.unit(packageUnit, "User")
	group, groupErr := r.unit(packageUnit, "Group")
	if strings.Join(append(user, group...), " ") != "hmaproxy hmaproxy" {
		return fmt.Errorf("the unit runs as %q, %q: %w", user, group, errors.Join(err, groupErr))
	}
	return nil
}

// usePackage runs a command line that installs a package. Then it configures
// the service and sends requests.
func (r *root) usePackage(ctx context.Context, install ...string) error {
	out, err := r.run(ctx, install...)
	if err != nil {
		return err
	}
	if !strings.Contains(out, "hmaproxy is installed and not started") {
		return fmt.Errorf("the package does not say what is next:\n%s", out)
	}
	if err := errors.Join(r.expectInstalled(ctx), r.expectUser()); err != nil {
		return err
	}
	fmt.Println("   installed: files, modes, user; nothing is enabled")
	if err := r.expectUnconfigured(ctx, packageUnit, "hmaproxy:hmaproxy"); err != nil {
		return err
	}
	if err := r.configure(ctx, "hmaproxy", settings); err != nil {
		return err
	}
	if err := r.expectModes(ctx, packageModes); err != nil {
		return err
	}
	return r.serve(ctx, packageUnit, "hmaproxy:hmaproxy", nil)
}

// keeps runs a step and checks that it does not change the settings.
func (r *root) keeps(step func() error) error {
	before, err := os.ReadFile(r.path(settings))
	if err != nil {
		return err
	}
	if err := step(); err != nil {
		return err
	}
	after, err := os.ReadFile(r.path(settings))
	if err != nil || !bytes.Equal(before, after) {
		return fmt.Errorf("the settings were changed: %w", err)
	}
	return nil
}

func installDeb(ctx context.Context, r *root, dist release) error {
	file, err := dist.file("hmaproxy_ARCH.deb")
	if err != nil {
		return err
	}
	file, err = r.copyIn(file)
	if err != nil {
		return err
	}
	if err := r.usePackage(ctx, "dpkg", "--install", file); err != nil {
		return err
	}
	newer, err := r.newerDeb(ctx, file)
	if err != nil {
		return err
	}
	err = r.keeps(func() error {
		_, err := r.run(ctx, "dpkg", "--install", newer)
		return err
	})
	if err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	if err := errors.Join(r.expectInstalled(ctx), r.serve(ctx, packageUnit, "hmaproxy:hmaproxy", nil)); err != nil {
		return fmt.Errorf("after the upgrade: %w", err)
	}
	fmt.Println("   upgraded: the settings were kept")
	err = r.keeps(func() error {
		_, err := r.run(ctx, "dpkg", "--remove", "hmaproxy")
		return err
	})
	if err := errors.Join(err, r.expectGone("/usr/bin/hmaproxy", packageUnit, "/usr/share/doc/hmaproxy")); err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	_, err = r.run(ctx, "dpkg", "--purge", "hmaproxy")
	if err := errors.Join(err, r.expectGone("/etc/hmaproxy")); err != nil {
		return fmt.Errorf("purge: %w", err)
	}
	fmt.Println("   removed: the settings stayed; purged: they are gone")
	return nil
}

var debVersion = regexp.MustCompile(`(?m)^Version: .*$`)

// newerDeb makes a package of a newer version with the same files.
func (r *root) newerDeb(ctx context.Context, file string) (string, error) {
	if _, err := r.run(ctx, "dpkg-deb", "--raw-extract", file, "/tmp/newer"); err != nil {
		return "", err
	}
	control := r.path("/tmp/newer/DEBIAN/control")
	data, err := os.ReadFile(control)
	if err != nil {
		return "", err
	}
	data = debVersion.ReplaceAll(data, []byte("Version: 999.0.0"))
	if err := os.WriteFile(control, data, 0o644); err != nil {
		return "", err
	}
	_, err = r.run(ctx, "dpkg-deb", "--root-owner-group", "--build", "/tmp/newer", "/tmp/newer.deb")
	return "/tmp/newer.deb", err
}

func installRPM(ctx context.Context, r *root, dist release) error {
	file, err := dist.file("hmaproxy_ARCH.rpm")
	if err != nil {
		return err
	}
	file, err = r.copyIn(file)
	if err != nil {
		return err
	}
	// Debian's rpm database has no packages that could satisfy dependencies, so
	// dependencies are not checked.
	rpm := []string{"rpm", "--force-debian", "--nodeps"}
	if err := r.usePackage(ctx, append(rpm, "--install", file)...); err != nil {
		return err
	}
	out, _ := r.run(ctx, "rpm", "--verify", "--nodeps", "hmaproxy") // reports the changed file of settings, which the loop ignores
	for line := range strings.Lines(out) {
		if strings.Contains(line, "/") && !strings.Contains(line, "c "+settings) && !strings.HasPrefix(line, "rpm --verify") {
			return fmt.Errorf("verify: %s", line)
		}
	}
	err = r.keeps(func() error {
		_, err := r.run(ctx, append(rpm, "--upgrade", "--replacepkgs", file)...)
		return err
	})
	if err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	if err := errors.Join(r.expectInstalled(ctx), r.serve(ctx, packageUnit, "hmaproxy:hmaproxy", nil)); err != nil {
		return fmt.Errorf("after the upgrade: %w", err)
	}
	fmt.Println("   installed again over itself: the settings were kept")
	_, err = r.run(ctx, "rpm", "--nodeps", "--erase", "hmaproxy")
	if err := errors.Join(err, r.expectGone("/usr/bin/hmaproxy", packageUnit, "/usr/share/doc/hmaproxy")); err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	if _, err := os.Stat(r.path(settings + ".rpmsave")); err != nil {
		return fmt.Errorf("erase: the changed settings were not kept: %w", err)
	}
	fmt.Println("   erased: the settings are kept as .rpmsave")
	return nil
}
