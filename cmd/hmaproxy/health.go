package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"hmaproxy/internal/config"
)

const healthHelp = `usage: hmaproxy health [-env-file FILE] [startup|ready|live]

Asks the hmaproxy that runs with the same HMA_ADMIN_LISTEN, and prints what it
answers. Without an argument it asks whether that is ready.

  startup   the settings are read and the listeners open
  ready     there is a usable token, and nobody has told it to stop
  live      the process answers

exit status: 0 yes, 1 no or no answer within 5 seconds, 2 mistake on the command
line or in HMA_ADMIN_LISTEN, the one setting that it reads.

example, for images without a shell:

  HEALTHCHECK CMD ["/hmaproxy", "health", "ready"]`

const waitHelp = `usage: hmaproxy wait [-env-file FILE] [-timeout DURATION]

Blocks until the hmaproxy that runs with the same HMA_ADMIN_LISTEN is ready. For
scripts that start a client after the proxy.

exit status: 0 it is ready, 1 it was not when the time was over (standard error says
why), 2 mistake on the command line or in HMA_ADMIN_LISTEN, the one setting that it
reads.

example:

  hmaproxy wait -env-file hmaproxy.env -timeout 1m && start-the-sync`

// timeoutFlag is a duration that cannot be negative.
type timeoutFlag struct{ time.Duration }

func (t *timeoutFlag) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return errors.New("write a duration such as 30s")
	}
	t.Duration = d
	return nil
}

func health(ctx context.Context, f *flags, w world) error {
	what := "ready"
	switch f.set.NArg() {
	case 0:
	case 1:
		what = f.set.Arg(0)
	default:
		return usageError{errors.New("health takes one argument: startup, ready or live")}
	}
	if what != "startup" && what != "ready" && what != "live" {
		return usageError{fmt.Errorf("health knows startup, ready and live, not %q", what)}
	}
	address, err := f.adminAddress(w)
	if err != nil {
		return err
	}
	text, err := ask(ctx, address, what)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w.stdout, text)
	return err
}

func wait(ctx context.Context, f *flags, w world) error {
	if f.set.NArg() > 0 {
		return usageError{errors.New("wait takes no arguments; run hmaproxy wait -help")}
	}
	address, err := f.adminAddress(w)
	if err != nil {
		return err
	}
	if f.timeout.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.timeout.Duration)
		defer cancel()
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		_, last := ask(ctx, address, "ready")
		if last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait: %w", last)
		case <-tick.C:
		}
	}
}

// ask asks one probe and returns its text, an error when it says no.
func ask(ctx context.Context, address, what string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/"+what, nil)
	if err != nil {
		return "", err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no corporate proxy in between
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("health: no hmaproxy answers on %s: %w", address, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return "", fmt.Errorf("health: answer of %s: %w", address, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("health: %s", strings.TrimSpace(string(text)))
	}
	return string(text), nil
}

// defaultAdmin is the default of HMA_ADMIN_LISTEN.
const defaultAdmin = "127.0.0.1:8081"

// adminAddress finds the admin listener from its one setting: a probe needs no
// secrets and must not fail for one.
func (f *flags) adminAddress(w world) (string, error) {
	environ, err := f.environment(w)
	if err != nil {
		return "", err
	}
	address := defaultAdmin
	for _, setting := range environ {
		if v, ok := strings.CutPrefix(setting, "HMA_ADMIN_LISTEN="); ok {
			address = v
		}
	}
	var admin config.AdminAddress
	if err := admin.UnmarshalText([]byte(address)); err != nil {
		return "", usageError{fmt.Errorf("HMA_ADMIN_LISTEN: %w", err)}
	}
	if admin.Off() {
		return "", usageError{errors.New("HMA_ADMIN_LISTEN is off: there is nothing to ask")}
	}
	return reachable(admin.AddrPort), nil
}

// reachable turns a listener's address into one to connect to.
func reachable(a netip.AddrPort) string {
	switch {
	case !a.Addr().IsUnspecified():
		return a.String()
	case a.Addr().Is4():
		return net.JoinHostPort("127.0.0.1", fmt.Sprint(a.Port()))
	}
	return net.JoinHostPort("::1", fmt.Sprint(a.Port()))
}
