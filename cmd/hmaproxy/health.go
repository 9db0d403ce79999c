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

// probeTimeout is the longest wait for the response to a probe.
const probeTimeout = 5 * time.Second

func runHealth(ctx context.Context, inv *invocation) error {
	what := "ready"
	if len(inv.args) > 0 {
		what = inv.args[0]
	}
	if what != "startup" && what != "ready" && what != "live" {
		return usageError{fmt.Errorf("health: unknown probe %q; expected startup, ready or live", what)}
	}
	entries, _, err := inv.settings()
	if err != nil {
		return err
	}
	address, err := adminAddress(entries)
	if err != nil {
		return err
	}
	text, err := probe(ctx, address, what)
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	_, err = io.WriteString(inv.out, text)
	return err
}

// waitInterval is the time between two probes.
const waitInterval = 200 * time.Millisecond

func runWait(ctx context.Context, inv *invocation) error {
	entries, _, err := inv.settings()
	if err != nil {
		return err
	}
	address, err := adminAddress(entries)
	if err != nil {
		return err
	}
	if inv.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, inv.timeout)
		defer cancel()
	}
	return waitReady(ctx, address, config.CheckValues(entries))
}

// waitReady returns nil once the hmaproxy at address is ready. If ctx ends
// first, it returns the error of the last completed probe, which says why
// hmaproxy is not ready. If no probe was completed, it returns the error of the
// cancelled probe.
//
// If refused is not nil, it is the error with which hmaproxy refuses to start.
// waitReady then returns it as soon as no process listens at the address.
func waitReady(ctx context.Context, address string, refused error) error {
	tick := time.NewTicker(waitInterval)
	defer tick.Stop()
	var cause error
	for {
		_, err := probe(ctx, address, "ready")
		if err == nil {
			return nil
		}
		if refused != nil && errors.As(err, new(notRunningError)) {
			return settingsError{refused}
		}
		if cause == nil || ctx.Err() == nil {
			cause = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait: %w", cause)
		case <-tick.C:
		}
	}
}

// probe sends one probe. If the status is 200, it returns the text of the
// response. If not, its error is the text of the response, or says that there
// was no response.
func probe(ctx context.Context, address, what string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/"+what, nil)
	if err != nil {
		return "", err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // the Transport has no Proxy, so the probe does not use a corporate proxy
	resp, err := client.Do(req)
	if err != nil {
		return "", noResponse(address, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return "", noResponse(address, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", errors.New(strings.TrimSpace(string(text)))
	}
	return string(text), nil
}

// A notRunningError means that no hmaproxy responds at the address of a probe.
// A probe whose context has ended returns another error.
type notRunningError struct{ error }

// noResponse returns the error of a probe that got no response.
func noResponse(address string, err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no response from HMA_ADMIN_LISTEN (%s) in time", address)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted before HMA_ADMIN_LISTEN (%s) responded", address)
	}
	return notRunningError{fmt.Errorf("no hmaproxy responds at HMA_ADMIN_LISTEN (%s): %w", address, err)}
}

// adminAddress returns the address of the admin listener. It reads no other
// setting, because a probe needs no secret and must not fail because of a
// missing secret.
func adminAddress(entries []string) (string, error) {
	admin, err := config.LoadAdmin(entries)
	switch {
	case err != nil:
		return "", settingsError{err}
	case admin.Off():
		return "", settingsError{errors.New("HMA_ADMIN_LISTEN is off: there is no listener to ask")}
	}
	return reachable(admin.AddrPort), nil
}

// reachable returns the address at which clients on this machine connect to a
// listener. a is the listener's address.
func reachable(a netip.AddrPort) string {
	switch {
	case !a.Addr().IsUnspecified():
		return a.String()
	case a.Addr().Is4():
		return net.JoinHostPort("127.0.0.1", fmt.Sprint(a.Port()))
	}
	return net.JoinHostPort("::1", fmt.Sprint(a.Port()))
}
