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
	"hmaproxy/internal/ewstest"
	"hmaproxy/internal/listener"
)

// An environment holds the emulated services and the instances of the product
// that use them. It must be used by one goroutine.
type environment struct {
	out     io.Writer
	cloud   *emulator.Emulator
	dir     string                    // folder with the certificate of the emulator's CA
	shown   map[*emulator.Service]int // number of requests that were printed
	polled  map[string]bool           // descriptions of the requests that were printed, because repeated polls of the vault are only counted
	stopped []chan error
	listen  listener.Listen // opens the listeners of the instances; nil: network listeners
}

func newEnvironment(out io.Writer, c emulator.Config) (*environment, error) {
	cloud, err := emulator.New(c)
	if err != nil {
		return nil, err
	}
	if err := cloud.Start(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "hmaproxy-demo")
	if err != nil {
		return nil, err
	}
	e := &environment{out: out, cloud: cloud, dir: dir, shown: make(map[*emulator.Service]int), polled: make(map[string]bool)}
	return e, os.WriteFile(e.caFile(), cloud.CAPEM(), 0o600)
}

func (e *environment) caFile() string { return filepath.Join(e.dir, "ca.pem") }

func (e *environment) close() {
	e.cloud.Close()
	os.RemoveAll(e.dir)
}

func (e *environment) printf(format string, args ...any) { fmt.Fprintf(e.out, format, args...) }

// settings returns the settings of an instance of the product.
func (e *environment) settings(extra ...string) []string {
	env := []string{"HMA_CA_FILE=" + e.caFile(), "HMA_LISTEN=127.0.0.1:0", "HMA_ADMIN_LISTEN=127.0.0.1:0",
		"HMA_CERT_POLL_INTERVAL=1s", "HMA_SHUTDOWN_TIMEOUT=1s"}
	for name, value := range e.cloud.Env() {
		env = append(env, name+"="+value)
	}
	slices.Sort(env[5:])
	return append(env, extra...)
}

// A product is a running hmaproxy.
type product struct {
	env     *environment
	clients string // address for EWS clients
	admin   string
}

// start runs the product with the settings and waits until it is ready. The
// product ends when ctx ends.
func (e *environment) start(ctx context.Context, log *slog.Logger, extra ...string) (*product, error) {
	c, err := config.Load(e.settings(extra...), os.ReadFile)
	if err != nil {
		return nil, err
	}
	type addresses struct {
		clients []net.Addr
		admin   net.Addr
	}
	started, ended := make(chan addresses, 1), make(chan error, 1)
	go func() {
		ended <- app.Run(ctx, app.Options{Config: c, Log: log, Version: "demo", Listen: e.listen,
			Started: func(clients []net.Addr, admin net.Addr) { started <- addresses{clients, admin} }})
	}()
	select {
	case err := <-ended:
		return nil, err
	case a := <-started:
		e.stopped = append(e.stopped, ended)
		p := &product{env: e, clients: a.clients[0].String(), admin: a.admin.String()}
		return p, p.ready(ctx)
	}
}

// ready waits until the product reports that it is ready.
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

// eventually waits until holds returns true. After 20 seconds it returns an
// error, whose text is the argument "otherwise".
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

// hops returns the requests that Entra ID, Key Vault and Exchange have received
// since the last call, in the order of their arrival. It also prints them. Of
// repeated requests to the vault it prints only the number.
func (e *environment) hops() (seen []emulator.Hop) {
	for _, service := range []*emulator.Service{
		e.cloud.Entra().Service, e.cloud.KeyVault().Service, e.cloud.Exchange().Service,
	} {
		all := service.Hops()
		seen = append(seen, all[e.shown[service]:]...)
		e.shown[service] = len(all)
	}
	slices.SortStableFunc(seen, func(a, b emulator.Hop) int { return a.Time.Compare(b.Time) })
	polls := 0
	for _, h := range seen {
		what := describe(h)
		if h.Service == "vault" && e.polled[what] {
			polls++
			continue
		}
		e.polled[what] = true
		e.hop("proxy → "+map[string]string{"entra": "entra id", "vault": "key vault", "exchange": "exchange"}[h.Service], what)
	}
	if polls > 0 {
		e.hop("proxy → key vault", fmt.Sprintf("polling for a new version: %d requests like those before", polls))
	}
	return seen
}

func (e *environment) hop(between, what string) { e.printf("   %-19s %s\n", between, what) }

// describe returns a text that says what a request to a service is for.
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
		what = "OpenID configuration"
	}
	result := fmt.Sprint(h.Status)
	if h.Status == 0 {
		result = "connection closed"
	}
	if h.AADSTS != 0 {
		result += fmt.Sprintf(" AADSTS%d", h.AADSTS)
	}
	return what + " → " + result
}

// credentials names the kind of credentials in a request without showing them.
func credentials(h http.Header) string {
	values := h["Authorization"]
	if len(values) != 1 {
		return fmt.Sprintf("%d Authorization headers", len(values))
	}
	scheme, _, _ := strings.Cut(values[0], " ")
	return "one " + scheme + " token"
}

// A response is what a client received.
type response struct {
	status int
	header http.Header
	text   string
}

var responseCode = regexp.MustCompile(`ResponseCode[^>]*>([A-Za-z]+)<`)

// code returns the EWS response code, which is "NoError" for success. It returns
// "no response code" if the response contains no code.
func (r response) code() string {
	if m := responseCode.FindStringSubmatch(r.text); m != nil {
		return m[1]
	}
	return "no response code"
}

// send sends one POST as a legacy client does, with Basic credentials when user is
// not empty.
func (p *product) send(ctx context.Context, what, mailbox, operation, user string) (response, error) {
	as := "as " + mailbox
	if mailbox == "" {
		as = "and names no mailbox"
	}
	if user != "" {
		as += ", with Basic credentials of its own"
	}
	p.env.hop("client → proxy", what+" "+as)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.clients+"/EWS/Exchange.asmx", strings.NewReader(ewstest.Envelope(mailbox, operation)))
	if err != nil {
		return response{}, err
	}
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	if user != "" {
		req.SetBasicAuth(user, "legacy password")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return response{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return response{resp.StatusCode, resp.Header, string(text)}, err
}

// received prints a response.
func (e *environment) received(r response) {
	what := fmt.Sprintf("%d %s", r.status, r.code())
	if reason := r.header.Get("X-Hmaproxy-Error"); reason != "" {
		what += " (" + reason + ")"
	}
	e.hop("client ← proxy", what)
}
