package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/ewstest"
)

// A root is an empty Debian root, and the emulated services that a product in
// it uses.
type root struct {
	folder         string
	cloud          *emulator.Emulator
	clients, admin string // addresses at which the product listens
}

func newRoot(folder string) (*root, error) {
	cloud, err := emulator.New(emulator.Config{})
	if err != nil {
		return nil, err
	}
	if err := cloud.Start(); err != nil {
		return nil, err
	}
	r := &root{folder: folder, cloud: cloud}
	for _, address := range []*string{&r.clients, &r.admin} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			cloud.Close()
			return nil, err
		}
		*address = l.Addr().String()
		defer l.Close()
	}
	return r, os.WriteFile(r.path("/etc/ca-of-emulator.pem"), cloud.CAPEM(), 0o644)
}

func (r *root) close() { r.cloud.Close() }

// path returns the path on this machine for a path in the root.
func (r *root) path(name string) string { return filepath.Join(r.folder, filepath.FromSlash(name)) }

// settings returns the settings of a product in the root.
func (r *root) settings() []string {
	all := []string{
		"HMA_CA_FILE=/etc/ca-of-emulator.pem", "HMA_LISTEN=" + r.clients, "HMA_ADMIN_LISTEN=" + r.admin,
		"HMA_ALLOWED_MAILBOXES=" + r.cloud.Config().Mailboxes[0],
	}
	for name, value := range r.cloud.Env() {
		if name != "HMA_ALLOWED_MAILBOXES" {
			all = append(all, name+"="+value)
		}
	}
	return all
}

// command returns a command in the root with its own environment.
func (r *root) command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "chroot", append([]string{r.folder}, args...)...)
	cmd.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"}, env...)
	return cmd
}

// run runs a command in the root and returns its output.
func (r *root) run(ctx context.Context, args ...string) (string, error) {
	out, err := r.command(ctx, nil, args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// copyIn copies a file into the root's folder for temporary files and returns
// its path there.
func (r *root) copyIn(file string) (string, error) {
	data, err := os.ReadFile(file)
	name := "/tmp/" + filepath.Base(file)
	return name, errors.Join(err, os.WriteFile(r.path(name), data, 0o644))
}

// expectModes checks owner, group and mode of files in the root.
func (r *root) expectModes(ctx context.Context, want map[string]string) error {
	var all error
	for name, mode := range want {
		got, err := r.run(ctx, "stat", "-c", "%U:%G %a", name)
		if got = strings.TrimSpace(got); err != nil || got != mode {
			all = errors.Join(all, fmt.Errorf("%s is %q, want %q: %w", name, got, mode, err))
		}
	}
	return all
}

// expectGone checks that files are not in the root.
func (r *root) expectGone(names ...string) error {
	for _, name := range names {
		if _, err := os.Lstat(r.path(name)); err == nil {
			return fmt.Errorf("%s is still there", name)
		}
	}
	return nil
}

// unit returns the values of a directive in a systemd unit. file is the path of
// the unit in the root.
func (r *root) unit(file, directive string) ([]string, error) {
	data, err := os.ReadFile(r.path(file))
	if err != nil {
		return nil, err
	}
	var values []string
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), directive+"="); ok {
			values = append(values, value)
		}
	}
	return values, nil
}

// expectUnconfigured checks that the service exits with status 78 before it is
// configured.
func (r *root) expectUnconfigured(ctx context.Context, unit, user string) error {
	start, err := r.unit(unit, "ExecStart")
	if err != nil || len(start) != 1 {
		return fmt.Errorf("ExecStart %q: %w", start, err)
	}
	cmd := r.command(ctx, nil, strings.Fields(start[0])...)
	cmd.Args = append([]string{"chroot", "--userspec=" + user}, cmd.Args[1:]...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 78 || !strings.Contains(string(out), "HMA_EWS_URL") {
		return fmt.Errorf("not configured: %w\n%s", err, out)
	}
	fmt.Println("   not configured: ends with status 78")
	return nil
}

// serve starts the service with the values of its unit, as the unit's user, and
// sends requests.
func (r *root) serve(ctx context.Context, unit, user string, env []string) error {
	start, err := r.unit(unit, "ExecStart")
	if err != nil || len(start) != 1 {
		return fmt.Errorf("ExecStart %q: %w", start, err)
	}
	cmd := r.command(ctx, env, strings.Fields(start[0])...)
	cmd.Args = append([]string{"chroot", "--userspec=" + user}, cmd.Args[1:]...)
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	err = r.use(ctx, done)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if stopped := <-done; stopped != nil && err == nil {
		err = fmt.Errorf("stopped: %w", stopped)
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, log.String())
	}
	fmt.Printf("   served a request as %s, refused another mailbox, and stopped\n", user)
	return nil
}

// The method "use" waits until the product is ready. It opens an allowed
// mailbox, and checks that a mailbox that is not on the allow-list is refused.
func (r *root) use(ctx context.Context, ended <-chan error) error {
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get("http://" + r.admin + "/ready")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		if len(ended) > 0 {
			return errors.New("it ended")
		}
		if time.Since(begin) > time.Minute || ctx.Err() != nil {
			return errors.New("it is not ready")
		}
	}
	mailboxes := r.cloud.Config().Mailboxes
	for i, want := range []string{"GetFolderResponse", "ErrorImpersonateUserDenied"} {
		resp, err := http.Post("http://"+r.clients+"/EWS/Exchange.asmx", "text/xml; charset=utf-8", strings.NewReader(getFolder(mailboxes[i])))
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(string(body), want) {
			return fmt.Errorf("as %s: %d, want %s: %w\n%s", mailboxes[i], resp.StatusCode, want, err, body)
		}
	}
	return nil
}

func getFolder(mailbox string) string {
	return ewstest.Envelope(mailbox, `<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>`+
		`<m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>`)
}

// configure writes the settings with the command "init", as the message that a
// package prints recommends. It checks the settings with the command "doctor".
func (r *root) configure(ctx context.Context, program, file string) error {
	if out, err := r.command(ctx, r.settings(), program, "init", "-o", file).CombinedOutput(); err != nil {
		return fmt.Errorf("init: %w\n%s", err, out)
	}
	if out, err := r.run(ctx, program, "doctor", "-env-file", file, "-mailbox", r.cloud.Config().Mailboxes[0]); err != nil {
		return fmt.Errorf("doctor: %w\n%s", err, out)
	}
	fmt.Println("   init wrote the settings, and doctor found nothing wrong")
	return nil
}
