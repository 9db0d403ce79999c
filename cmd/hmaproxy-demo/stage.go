package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"hmaproxy/internal/app"
	"hmaproxy/internal/config"
	"hmaproxy/internal/emulator"
)

// A stage is the emulator, and the products that run against it.
type stage struct {
	out     io.Writer
	world   *emulator.Emulator
	dir     string                    // for the authority's certificate
	shown   map[*emulator.Service]int // hops that were printed
	polled  map[string]bool           // look-ups in the vault that were printed
	stopped []chan error
}

func newStage(out io.Writer, c emulator.Config) (*stage, error) {
	world, err := emulator.New(c)
	if err != nil {
		return nil, err
	}
	if err := world.Start(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "hmaproxy-demo")
	if err != nil {
		return nil, err
	}
	s := &stage{out: out, world: world, dir: dir, shown: make(map[*emulator.Service]int), polled: make(map[string]bool)}
	return s, os.WriteFile(s.caFile(), world.CAPEM(), 0o600)
}

func (s *stage) caFile() string { return filepath.Join(s.dir, "ca.pem") }

func (s *stage) close() {
	s.world.Close()
	os.RemoveAll(s.dir)
}

func (s *stage) printf(format string, args ...any) { fmt.Fprintf(s.out, format, args...) }

// settings are the environment of a product on this stage, by the names that
// its users set.
func (s *stage) settings(extra ...string) []string {
	env := []string{"HMA_CA_FILE=" + s.caFile(), "HMA_LISTEN=127.0.0.1:0", "HMA_ADMIN_LISTEN=127.0.0.1:0",
		"HMA_CERT_POLL_INTERVAL=1s", "HMA_SHUTDOWN_TIMEOUT=1s"}
	for name, value := range s.world.Env() {
		env = append(env, name+"="+value)
	}
	slices.Sort(env[5:])
	return append(env, extra...)
}

// A product is a running hmaproxy.
type product struct {
	stage   *stage
	clients string // address for EWS clients
	admin   string
}

// start runs the product's own wiring with the settings and waits until it is
// ready. It ends with ctx.
func (s *stage) start(ctx context.Context, log *slog.Logger, extra ...string) (*product, error) {
	c, err := config.Load(s.settings(extra...), os.ReadFile)
	if err != nil {
		return nil, err
	}
	type addresses struct {
		clients []net.Addr
		admin   net.Addr
	}
	started, ended := make(chan addresses, 1), make(chan error, 1)
	go func() {
		ended <- app.Run(ctx, app.Options{Config: c, Log: log, Version: "demo",
			Started: func(clients []net.Addr, admin net.Addr) { started <- addresses{clients, admin} }})
	}()
	select {
	case err := <-ended:
		return nil, err
	case a := <-started:
		s.stopped = append(s.stopped, ended)
		p := &product{stage: s, clients: a.clients[0].String(), admin: a.admin.String()}
		return p, p.ready(ctx)
	}
}

// ready waits until the product says that it is ready.
func (p *product) ready(ctx context.Context) error {
	return eventually(ctx, "the proxy never became ready", func() bool {
		resp, err := http.Get("http://" + p.admin + "/ready")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// eventually waits for something that takes a moment by its nature.
func eventually(ctx context.Context, otherwise string, holds func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			return errors.New(otherwise)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// hops prints the requests to the three services since the last call, in the
// order in which they came.
func (s *stage) hops() (seen []emulator.Hop) {
	for _, service := range []*emulator.Service{
		&s.world.Entra().Service, &s.world.KeyVault().Service, &s.world.Exchange().Service,
	} {
		all := service.Hops()
		seen = append(seen, all[s.shown[service]:]...)
		s.shown[service] = len(all)
	}
	slices.SortStableFunc(seen, func(a, b emulator.Hop) int { return a.Time.Compare(b.Time) })
	polls := 0
	for _, h := range seen {
		what := describe(h)
		if h.Service == "vault" && s.polled[what] {
			polls++
			continue
		}
		s.polled[what] = true
		s.hop("proxy → "+map[string]string{"entra": "entra id", "vault": "key vault", "exchange": "exchange"}[h.Service], what)
	}
	if polls > 0 {
		s.hop("proxy → key vault", fmt.Sprintf("the same again, polling for a new version: %d requests", polls))
	}
	return seen
}

func (s *stage) hop(between, what string) { s.printf("   %-19s %s\n", between, what) }

// describe tells what a hop was for.
func describe(h emulator.Hop) string {
	what := h.Method + " " + h.Path
	switch {
	case h.Service == "exchange" && h.Operation == "":
		what = "the request with " + credentials(h.Header)
	case h.Service == "exchange":
		what = h.Operation + " as " + h.Mailbox + ", " + credentials(h.Header)
	case h.Form.Get("client_assertion") != "":
		what = "token for Exchange, by an assertion signed with the certificate"
	case h.Form.Get("client_secret") != "":
		what = "token for Key Vault, by client secret"
	case strings.HasSuffix(h.Path, "/openid-configuration"):
		what = "where are tokens to be had?"
	}
	answer := fmt.Sprint(h.Status)
	if h.Status == 0 {
		answer = "broken off"
	}
	if h.AADSTS != 0 {
		answer += fmt.Sprintf(" AADSTS%d", h.AADSTS)
	}
	return what + " → " + answer
}

// credentials names what a request carried without showing it.
func credentials(h http.Header) string {
	values := h["Authorization"]
	if len(values) != 1 {
		return fmt.Sprintf("%d Authorization headers", len(values))
	}
	scheme, _, _ := strings.Cut(values[0], " ")
	return "one " + scheme + " token"
}

// An answer is what a client got.
type answer struct {
	status int
	header http.Header
	text   string
}

var responseCode = regexp.MustCompile(`ResponseCode[^>]*>([A-Za-z]+)<`)

// code is the EWS response code, "NoError" for success.
func (a answer) code() string {
	if m := responseCode.FindStringSubmatch(a.text); m != nil {
		return m[1]
	}
	return "no response code"
}

// send plays a legacy client: one POST, and with user a Basic header of its
// own.
func (p *product) send(ctx context.Context, what, mailbox, operation, user string) (answer, error) {
	as := "as " + mailbox
	if mailbox == "" {
		as = "and names no mailbox"
	}
	if user != "" {
		as += ", with Basic credentials of its own"
	}
	p.stage.hop("client → proxy", what+" "+as)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.clients+"/EWS/Exchange.asmx", strings.NewReader(envelope(mailbox, operation)))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	if user != "" {
		req.SetBasicAuth(user, "legacy password")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(text)}, err
}

// received prints what the client got.
func (s *stage) received(a answer) {
	what := fmt.Sprintf("%d %s", a.status, a.code())
	if reason := a.header.Get("X-Hmaproxy-Error"); reason != "" {
		what += " (" + reason + ")"
	}
	s.hop("client ← proxy", what)
}

// envelope is a request as the EWS Managed API writes it.
func envelope(mailbox, operation string) string {
	impersonation := ""
	if mailbox != "" {
		impersonation = `<t:ExchangeImpersonation><t:ConnectingSID><t:SmtpAddress>` + mailbox +
			`</t:SmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>`
	}
	return `<?xml version="1.0" encoding="utf-8"?>` +
		`<soap:Envelope xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"` +
		` xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"` +
		` xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Header>` +
		`<t:RequestServerVersion Version="Exchange2013_SP1"/>` + impersonation + `</soap:Header><soap:Body>` +
		operation + `</soap:Body></soap:Envelope>`
}
