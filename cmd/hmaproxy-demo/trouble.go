package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"hmaproxy/internal/emulator"
)

// expiry has Entra issue short-lived tokens and watches one being replaced
// while requests go on.
func expiry(ctx context.Context, a *actors) error {
	a.world.Entra().SetTokenLifetime(6 * time.Second)
	a.world.Exchange().RevokeAll() // so that the proxy comes for the first of them
	if _, err := a.expect(ctx, a.strict, "alice@contoso.com", "", "NoError", 2); err != nil {
		return err
	}
	before := a.world.Entra().Issued()
	if err := eventually(ctx, "no new token was fetched", func() bool { return a.world.Entra().Issued() > before }); err != nil {
		return err
	}
	a.world.Entra().SetTokenLifetime(time.Hour)
	_, err := a.expect(ctx, a.strict, "alice@contoso.com", "", "NoError", 1)
	return err
}

// outage takes Entra away: the token that is there goes on serving.
func outage(ctx context.Context, a *actors) error {
	// first a token that lasts
	issued := a.world.Entra().Issued()
	if err := eventually(ctx, "no new token was fetched", func() bool { return a.world.Entra().Issued() > issued }); err != nil {
		return err
	}
	a.hops()
	a.world.Entra().Stop()
	a.hop("entra id", "is down")
	for range 2 {
		if _, err := a.expect(ctx, a.strict, "alice@contoso.com", "", "NoError", 1); err != nil {
			return err
		}
	}
	if err := a.world.Entra().Restart(); err != nil {
		return err
	}
	a.hop("entra id", "is back")
	return nil
}

func revoked(ctx context.Context, a *actors) error {
	a.world.Exchange().RevokeAll()
	a.hop("exchange", "takes no token that was issued until now")
	hops, err := a.expect(ctx, a.strict, "alice@contoso.com", "", "NoError", 2)
	if err == nil && (hops[0].Status != 401 || hops[len(hops)-1].Status != 200) {
		err = errors.New("the request was not sent once more with a new token")
	}
	return err
}

// rotated uploads a new certificate that Entra knows already, then makes Entra
// forget the old one.
func rotated(ctx context.Context, a *actors) error {
	fresh, err := emulator.NewCertificate(emulator.CertOptions{})
	if err != nil {
		return err
	}
	a.world.Entra().Register(fresh)
	a.world.KeyVault().Upload(a.world.Config().CertName, fresh)
	a.hop("key vault", "has a new version of HMA-Cert: "+fresh.Thumbprint())
	before := a.granted()
	if err := eventually(ctx, "the new certificate was not tried", func() bool { return a.granted() >= before+len(a.stopped) }); err != nil {
		return err
	}
	a.world.Entra().Unregister(a.world.Certificate())
	a.hop("entra id", "knows the old certificate no more")
	a.world.Exchange().RevokeAll()
	_, err = a.expect(ctx, a.strict, "alice@contoso.com", "", "NoError", 2)
	return err
}

// granted counts the tokens for Exchange that Entra has issued so far.
func (a *actors) granted() (n int) {
	for _, h := range a.world.Entra().Hops() {
		if h.Form.Get("client_assertion") != "" && h.Status == 200 {
			n++
		}
	}
	return n
}

// An auditLog keeps the request lines of audit mode.
type auditLog struct {
	slog.Handler
	mu    sync.Mutex
	found string
}

func (l *auditLog) Enabled(context.Context, slog.Level) bool { return true }

func (l *auditLog) Handle(_ context.Context, r slog.Record) error {
	var audit, mailbox string
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "audit":
			audit = a.Value.String()
		case "mailbox":
			mailbox = a.Value.String()
		}
		return true
	})
	if audit != "" {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.found = strings.TrimSpace(fmt.Sprintf("%s %s mailbox=%s audit=%s", r.Level, r.Message, mailbox, audit))
	}
	return nil
}

func (l *auditLog) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l *auditLog) WithGroup(string) slog.Handler      { return l }

func (l *auditLog) line() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.found
}
