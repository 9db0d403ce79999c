package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	layout "hmaproxy/internal/release"
)

// installArchive extracts the archive and installs it with the commands
// "sudo install" and "sudo sed" of its deploy/systemd/README.md.
func installArchive(ctx context.Context, r *root, dist release) error {
	file, err := dist.file("hmaproxy_linux_ARCH.tar.gz")
	if err != nil {
		return err
	}
	if err := command(ctx, "tar", "-xzf", file, "-C", r.path("/opt")).Run(); err != nil {
		return err
	}
	folder := "/opt/" + strings.TrimSuffix(filepath.Base(file), ".tar.gz")
	readme, err := os.ReadFile(r.path(folder + "/deploy/systemd/README.md"))
	if err != nil {
		return err
	}
	var script strings.Builder
	script.WriteString("set -e\nsudo() { \"$@\"; }\nsystemctl() { :; }\ncd " + folder + "\n")
	lines := 0
	for line := range strings.Lines(string(readme)) {
		if strings.HasPrefix(line, "    sudo install") || strings.HasPrefix(line, "    sudo sed") {
			script.WriteString(strings.TrimPrefix(line, "    "))
			lines++
		}
	}
	if lines < 5 {
		return fmt.Errorf("only %d commands in deploy/systemd/README.md", lines)
	}
	if _, err := r.run(ctx, "sh", "-c", script.String()); err != nil {
		return fmt.Errorf("the commands of deploy/systemd/README.md: %w", err)
	}
	const unit, secret = "/etc/systemd/system/hmaproxy.service", "/etc/hmaproxy/client-secret"
	if err := r.expectModes(ctx, map[string]string{settings: "root:root 644", secret: "root:root 600", "/usr/local/bin/hmaproxy": "root:root 755"}); err != nil {
		return err
	}
	fmt.Printf("   %d commands of deploy/systemd/README.md work\n", lines)
	if err := r.fillIn(secret); err != nil {
		return err
	}
	env := "HMA_KEY_VAULT_CLIENT_SECRET_FILE=" + secret
	out, err := r.command(ctx, []string{env}, "hmaproxy", "doctor", "-env-file", settings, "-mailbox", r.cloud.Config().Mailboxes[0]).CombinedOutput()
	if err != nil {
		return fmt.Errorf("doctor: %w\n%s", err, out)
	}
	fmt.Println("   doctor found nothing wrong")

	// systemd does not run in the root. The following does what systemd would do for
	// LoadCredential= and Environment=.
	credentials, err := r.unit(unit, "LoadCredential")
	if err != nil || !slices.Equal(credentials, []string{"client-secret:" + secret}) {
		return fmt.Errorf("LoadCredential %q: %w", credentials, err)
	}
	environment, err := r.unit(unit, "Environment")
	if err != nil {
		return err
	}
	const user, loaded = 65532, "/run/credentials/hmaproxy.service"
	data, err := os.ReadFile(r.path(secret))
	err = errors.Join(err, os.MkdirAll(r.path(loaded), 0o755), os.WriteFile(r.path(loaded+"/client-secret"), data, 0o400),
		os.Chown(r.path(loaded+"/client-secret"), user, user))
	if err != nil {
		return err
	}
	for i := range environment {
		environment[i] = strings.ReplaceAll(environment[i], "%d", loaded)
	}
	return r.serve(ctx, unit, fmt.Sprintf("%d:%d", user, user), environment)
}

// fillIn edits the example file of settings as an administrator would: it sets
// the values for the emulated services. It writes the client secret to a file of
// its own; secret is the path of that file.
func (r *root) fillIn(secret string) error {
	data, err := os.ReadFile(r.path(settings))
	if err != nil {
		return err
	}
	text := string(data)
	for _, setting := range r.settings() {
		name, value, _ := strings.Cut(setting, "=")
		if name == "HMA_KEY_VAULT_CLIENT_SECRET" {
			if err := os.WriteFile(r.path(secret), []byte(value), 0o600); err != nil {
				return err
			}
			continue
		}
		line := regexp.MustCompile(`(?m)^` + name + `=.*$`)
		if line.MatchString(text) {
			text = line.ReplaceAllLiteralString(text, setting)
		} else {
			text += setting + "\n"
		}
	}
	return os.WriteFile(r.path(settings), []byte(text), 0o644)
}

// checkDocuments checks every link, path and command of the documents in every
// archive, in the deb package and in the Windows Installer package.
func checkDocuments(ctx context.Context, dist release, work string) error {
	native, err := dist.file("hmaproxy_linux_ARCH.tar.gz")
	if err != nil {
		return err
	}
	archives, err := filepath.Glob(filepath.Join(dist.folder, "hmaproxy_*"))
	if err != nil {
		return err
	}
	program, checked := "", 0
	slices.SortFunc(archives, func(a, b string) int { // the archive whose program runs on this machine comes first
		switch native {
		case a:
			return -1
		case b:
			return 1
		}
		return strings.Compare(a, b)
	})
	var all error
	for _, file := range archives {
		folder := filepath.Join(work, filepath.Base(file))
		top, err := extract(ctx, file, folder)
		if top == "" {
			if err != nil {
				all = errors.Join(all, err)
			}
			continue
		}
		if file == native {
			program = filepath.Join(top, "hmaproxy")
		}
		problems, err := documentProblems(ctx, top, program)
		for _, p := range problems {
			err = errors.Join(err, fmt.Errorf("%s: %s", filepath.Base(file), p))
		}
		all = errors.Join(all, err)
		fmt.Printf("   %s\n", filepath.Base(file))
		checked++
	}
	if checked < 2 {
		all = errors.Join(all, fmt.Errorf("only %d archives were found", checked))
	}
	return all
}

// extract extracts an archive or package and returns the folder of its documents.
// It returns "" for other files. If the extracting program is not installed, it
// returns "" and prints the name of the file.
func extract(ctx context.Context, file, folder string) (string, error) {
	var tool []string
	top := "hmaproxy"
	switch name := filepath.Base(file); {
	case strings.HasSuffix(name, ".tar.gz"):
		tool, top = []string{"tar", "-xzf", file, "-C", folder}, strings.TrimSuffix(name, ".tar.gz")
	case strings.HasSuffix(name, ".zip"):
		tool, top = []string{"unzip", "-q", file, "-d", folder}, strings.TrimSuffix(name, ".zip")
	case strings.HasSuffix(name, ".msi"):
		tool = []string{"msiextract", "-C", folder, file}
	case strings.HasSuffix(name, ".deb"):
		tool, top = []string{"dpkg-deb", "--extract", file, folder}, "usr/share/doc/hmaproxy"
	default:
		return "", nil
	}
	if _, err := exec.LookPath(tool[0]); err != nil {
		fmt.Printf("   NOT CHECKED: %s, because there is no %s here\n", filepath.Base(file), tool[0])
		return "", nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	if out, err := exec.CommandContext(ctx, tool[0], tool[1:]...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", file, err, out)
	}
	return filepath.Join(folder, top), nil
}

// The variable "made" lists files that the commands of the documents create.
var made = []string{"./client-secret", "./hmaproxy_amd64.deb", "./mailboxes.txt"}

// programs lists all paths by which the documents call the program. Some of them
// do not exist in an archive, because every archive has the same documents, but
// only the program for one system.
var programs = []string{"./hmaproxy", "./hmaproxy.exe", "../../hmaproxy.exe"}

// documentProblems returns the wrong links, paths and commands in the documents
// of a folder. It runs program to find out which commands exist.
func documentProblems(ctx context.Context, folder, program string) ([]string, error) {
	tree, err := layout.NewTree(os.DirFS(folder))
	if err != nil {
		return nil, err
	}
	problems := append(tree.DeadLinks(), tree.MissingPaths(slices.Concat(made, programs)...)...)
	if len(tree.Documents()) < 12 {
		problems = append(problems, fmt.Sprintf("only these documents: %q", tree.Documents()))
	}
	for _, code := range tree.Code() {
		call := layout.CallOf(code.Text)
		if call == nil {
			continue
		}
		help, err := exec.CommandContext(ctx, program, "help", call[0]).Output()
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s: %q: there is no command %s", code.Document, code.Text, call[0]))
			continue
		}
		for _, flag := range call[1:] {
			if !regexp.MustCompile(`(?m)^  ` + regexp.QuoteMeta(flag) + `\b`).Match(help) {
				problems = append(problems, fmt.Sprintf("%s: %q: there is no flag %s", code.Document, code.Text, flag))
			}
		}
	}
	return problems, nil
}
