package main

import (
	"context"
	"net/http"
	"time"

	"hmaproxy/internal/emulator"
)

// control returns faults of Entra, of the vault and of the certificate. They end
// before the token expires, so no request may fail because of them.
func (s *soak) control() []func() {
	entra, vault := s.emu.Entra(), s.emu.KeyVault()
	return []func(){
		func() { entra.Inject(s.some(), emulator.Fault{Status: http.StatusServiceUnavailable}) },
		func() {
			entra.Inject(1, emulator.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"1"}}})
		},
		func() { entra.Inject(s.some(), emulator.Fault{Drop: true}) },
		func() { entra.Inject(s.some(), emulator.Fault{Latency: s.upTo(2 * time.Second)}) },
		func() { entra.Inject(s.some(), emulator.Fault{TruncateAt: 1 + int64(s.random.IntN(900))}) },
		func() { entra.Inject(s.some(), emulator.Fault{NoExpiresIn: true}) },
		func() { entra.Inject(1, emulator.Fault{Status: 200, Body: "<html>"}) },
		func() { entra.Inject(1, emulator.Fault{AADSTS: 700027}) },
		func() { vault.Inject(s.some(), emulator.Fault{Status: http.StatusServiceUnavailable}) },
		func() { vault.Inject(s.some(), emulator.Fault{Drop: true}) },
		func() { vault.Inject(s.some(), emulator.Fault{NoTenantInChallenge: true}) },
		func() { vault.SetFirewall(true) },
		s.rotate,
	}
}

// data returns faults of Exchange, including refused tokens.
func (s *soak) data() []func() {
	x := s.emu.Exchange()
	return []func(){
		s.revoke,
		func() { x.Inject(s.some(), emulator.Fault{Drop: true}) },
		func() { x.Inject(s.some(), emulator.Fault{Latency: s.upTo(time.Second)}) },
		func() {
			x.Inject(s.some(), emulator.Fault{Status: http.StatusServiceUnavailable, Body: "Service Unavailable"})
		},
		func() { x.Inject(s.some(), emulator.Fault{Status: http.StatusBadGateway}) },
		func() { x.Inject(s.some(), emulator.Fault{TruncateAt: 1 + int64(s.random.IntN(1200))}) },
		func() { s.bounce(x.Service) },
	}
}

// revoke makes Exchange refuse the current tokens. The product replaces a
// refused token three times immediately and then every 30 seconds, so with more
// frequent revocations requests would fail.
func (s *soak) revoke() {
	if time.Since(s.revoked) > 30*time.Second {
		s.revoked = time.Now()
		s.emu.Exchange().RevokeAll()
	}
}

// rotate registers and uploads a new certificate, in random order. Only the newest
// three certificates stay registered. All certificates have the same key, because
// making a key takes long.
func (s *soak) rotate() {
	if len(s.certs) >= 12 {
		return // twelve certificates are enough
	}
	c, err := emulator.NewCertificate(emulator.CertOptions{Key: s.emu.Certificate().Key})
	if err != nil {
		s.ledger.complain("emulator: %v", err)
		return
	}
	upload := func() { s.emu.KeyVault().Upload(s.emu.Config().CertName, c) }
	register := func() { s.emu.Entra().Register(c) }
	steps := []func(){upload, register}
	if s.random.IntN(2) == 0 {
		steps = []func(){register, upload}
	}
	steps[0]()
	time.Sleep(s.upTo(2 * time.Second))
	steps[1]()
	s.certs = append(s.certs, c)
	if len(s.certs) > 3 {
		s.emu.Entra().Unregister(s.certs[len(s.certs)-4])
	}
}

// bounce restarts a service, which breaks the requests in progress there.
func (s *soak) bounce(service *emulator.Service) {
	service.Stop()
	time.Sleep(s.upTo(300 * time.Millisecond))
	if err := service.Restart(); err != nil {
		s.ledger.complain("%v", err)
	}
}

func (s *soak) some() int { return 1 + s.random.IntN(5) }

func (s *soak) upTo(d time.Duration) time.Duration { return time.Duration(s.random.Int64N(int64(d))) }

// storm applies faults for a while and then ends them.
func (s *soak) storm(ctx context.Context, faults []func(), d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	for ctx.Err() == nil {
		faults[s.random.IntN(len(faults))]()
		s.faults++
		wait(ctx, s.upTo(400*time.Millisecond))
	}
	s.emu.Entra().ClearFaults()
	s.emu.KeyVault().ClearFaults()
	s.emu.Exchange().ClearFaults()
	s.emu.KeyVault().SetFirewall(false)
}

// wait waits until d has passed or ctx ends.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
