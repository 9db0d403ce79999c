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

// expiry makes Entra ID issue short-lived tokens and waits until a short-lived
// token is replaced.
func expiry(ctx context.Context, d *demo) error {
	d.env.cloud.Entra().SetTokenLifetime(6 * time.Second)
	d.env.cloud.Exchange().RevokeAll() // so that the proxy fetches the first short-lived token
	if _, err := d.expect(ctx, d.enforcing, "alice@contoso.com", "", "NoError", 2); err != nil {
		return err
	}
	before := d.env.cloud.Entra().Issued()
	if err := eventually(ctx, "no new token was fetched", func() bool { return d.env.cloud.Entra().Issued() > before }); err != nil {
		return err
	}
	d.env.cloud.Entra().SetTokenLifetime(time.Hour)
	_, err := d.expect(ctx, d.enforcing, "alice@contoso.com", "", "NoError", 1)
	return err
}

// outage stops Entra ID. Requests are served with the current token.
func outage(ctx context.Context, d *demo) error {
	// Wait until a long-lived token has replaced the short-lived token.
	issued := d.env.cloud.Entra().Issued()
	if err := eventually(ctx, "no new token was fetched", func() bool { return d.env.cloud.Entra().Issued() > issued }); err != nil {
		return err
	}
	d.env.hops()
	d.env.cloud.Entra().Stop()
	d.env.hop("entra id", "is down")
	for range 2 {
		if _, err := d.expect(ctx, d.enforcing, "alice@contoso.com", "", "NoError", 1); err != nil {
			return err
		}
	}
	if err := d.env.cloud.Entra().Restart(); err != nil {
		return err
	}
	d.env.hop("entra id", "is back")
	return nil
}

func revoked(ctx context.Context, d *demo) error {
	d.env.cloud.Exchange().RevokeAll()
	d.env.hop("exchange", "refuses every token issued until now")
	hops, err := d.expect(ctx, d.enforcing, "alice@contoso.com", "", "NoError", 2)
	if err == nil && (hops[0].Status != 401 || hops[len(hops)-1].Status != 200) {
		err = errors.New("the request was not replayed with a new token")
	}
	return err
}

// rotated registers a new certificate in Entra ID and uploads it to the vault.
// When the proxies have tried it, rotated removes the registration of the old
// certificate.
func rotated(ctx context.Context, d *demo) error {
	fresh, err := emulator.NewCertificate(emulator.CertOptions{})
	if err != nil {
		return err
	}
	d.env.cloud.Entra().Register(fresh)
	d.env.cloud.KeyVault().Upload(d.env.cloud.Config().CertName, fresh)
	d.env.hop("key vault", "has a new version of HMA-Cert: "+fresh.Thumbprint())
	before := d.granted()
	if err := eventually(ctx, "the new certificate was not tried", func() bool { return d.granted() >= before+len(d.env.stopped) }); err != nil {
		return err
	}
	d.env.cloud.Entra().Unregister(d.env.cloud.Certificate())
	d.env.hop("entra id", "no longer accepts the old certificate")
	d.env.cloud.Exchange().RevokeAll()
	_, err = d.expect(ctx, d.enforcing, "alice@contoso.com", "", "NoError", 2)
	return err
}

// An auditLog keeps the newest log line about a request that audit mode forwarded
// and enforce mode would have refused.
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
