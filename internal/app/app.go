// Package app wires the product together and runs it. It makes the HTTP clients
// from the configuration, and passes certificates to the token keeper and
// tokens to the proxy. It opens the listeners, reloads files and drains.
package app

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"fmt"
	"log/slog"
	"math"
	"net"
	"strings"
	"sync"

	"hmaproxy/internal/accesslog"
	"hmaproxy/internal/certificates"
	"hmaproxy/internal/config"
	"hmaproxy/internal/groups"
	"hmaproxy/internal/health"
	"hmaproxy/internal/httpclient"
	"hmaproxy/internal/httpserver"
	"hmaproxy/internal/listener"
	"hmaproxy/internal/logging"
	"hmaproxy/internal/metrics"
	"hmaproxy/internal/outcome"
	"hmaproxy/internal/process"
	"hmaproxy/internal/sdnotify"
	"hmaproxy/internal/statuspage"
	"hmaproxy/proxy"
	"hmaproxy/token"
)

// Options are the inputs of Run.
type Options struct {
	Config  *config.Config // required
	Log     *slog.Logger   // nil: no log
	Version string         // version of hmaproxy, for log, metrics and status page

	Dial   httpclient.Dialer // nil: connect over the network
	Listen listener.Listen   // nil: open sockets

	// A value received from Reload starts a reload of all files and of the
	// certificate. nil: no reload on request.
	Reload <-chan struct{}
	Notify *sdnotify.Notifier // notifies the service manager; nil: there is none

	// LogState returns the state of the log. It must not block. nil: unknown.
	LogState func() logging.State

	// Started is called once with the addresses when all listeners are open. The
	// address admin is nil if the admin listener is off. nil: no call.
	Started func(clients []net.Addr, admin net.Addr)
	// Done is called for every request, concurrently, and must not block. nil: no
	// call.
	Done func(*proxy.Record)
}

// Run serves until ctx ends, a POST /quit arrives or a listener fails. When ctx
// ends or after POST /quit, it drains and returns nil. It returns an error if the
// start or a listener fails. It continues when Entra ID, Key Vault or Exchange
// fails.
func Run(ctx context.Context, o Options) error {
	a, err := newApp(o)
	if err != nil {
		return err
	}
	return a.run(ctx)
}

// An app is the running product.
type app struct {
	options  Options
	log      *slog.Logger
	clients  *httpclient.Clients
	keeper   *token.Keeper
	files    *files
	groups   *groups.Keeper // nil without groups
	handler  *proxy.Handler
	state    *state
	observer *observer
	reporter *sdnotify.Reporter
}

func newApp(o Options) (*app, error) {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	a := &app{options: o, log: o.Log}
	var err error
	if a.clients, err = httpclient.New(o.Config, o.Dial, o.Log); err != nil {
		return nil, err
	}
	if a.files, err = newFiles(o.Config, o.Log); err != nil {
		return nil, err
	}
	a.state = &state{files: a.files, readLog: o.LogState}
	if a.observer, err = newObserver(o, a.state); err != nil {
		return nil, err
	}
	if a.keeper, err = newKeeper(o, a.clients.Control(), a.observer.metrics.TokenRequested); err != nil {
		return nil, err
	}
	if a.groups, err = newGroups(o, a.clients, a.keeper, a.files.list); err != nil {
		return nil, err
	}
	if a.handler, err = a.newHandler(); err != nil {
		return nil, err
	}
	a.state.keeper, a.state.groups = a.keeper, a.groups
	a.reporter = sdnotify.NewReporter(o.Notify, a.state.health, o.Log)
	return a, nil
}

func newKeeper(o Options, client *http.Client, attempted func(token.Attempt)) (*token.Keeper, error) {
	c := o.Config
	t := token.Config{
		Authority:    c.Authority.URL,
		TenantID:     string(c.Tenant),
		ClientID:     string(c.App),
		Resource:     string(c.Resource),
		PollInterval: c.CertPoll,
		HTTPClient:   client,
		Log:          o.Log,
		Attempted:    attempted,
	}
	if err := certificates.Prove(&t, c, client, o.Log); err != nil {
		return nil, err
	}
	return token.New(t)
}

func (a *app) newHandler() (*proxy.Handler, error) {
	c := a.options.Config
	exchange, err := a.clients.Exchange()
	if err != nil {
		return nil, err
	}
	p := proxy.Config{
		EWS:                 c.EWS.URL,
		Tokens:              a.keeper,
		Refresher:           a.keeper,
		Transport:           exchange,
		Policy:              a.files.policy,
		HostNames:           c.HostNames,
		ForwardHeaders:      c.ForwardHeaders,
		NeverExpectContinue: c.ExpectContinue == config.ExpectNever,
		BufferBudget:        bufferBudget(process.MemoryLimit()),
		SchedulerDelay:      new(process.SchedulerDelay).Since,
		Settings:            config.ProxySettings(),
		Done:                a.observer.done,
	}
	if c.Autodiscover.On {
		p.Autodiscover = &proxy.Autodiscover{URL: c.Autodiscover.URL}
	}
	if a.files.users != nil {
		p.Client = a.files.users.Authenticate
	}
	return proxy.New(p)
}

// unlimitedBudget is the memory for the bodies of all requests in a process
// without a memory limit: enough for about 220 long uploads at a time.
const unlimitedBudget = 128 << 20

// bufferBudget returns the memory for the bodies of all requests: a quarter of
// limit, the process's memory limit. Without a limit it returns unlimitedBudget.
func bufferBudget(limit int64) int64 {
	if limit == math.MaxInt64 {
		return unlimitedBudget
	}
	return limit / 4
}

// An observer reports every request to the log, the metrics, the request history
// and the record of Exchange's responses.
type observer struct {
	log      *accesslog.Logger
	metrics  *metrics.Metrics
	admin    *statuspage.Admin
	exchange *health.Exchange
	further  func(*proxy.Record) // Options.Done; nil: no call
}

// newObserver makes the observer and the status page.
func newObserver(o Options, s *state) (*observer, error) {
	m := metrics.New(o.Version)
	if err := m.Observe(s.metricsState); err != nil {
		return nil, err
	}
	admin := statuspage.New(statuspage.Config{
		Version:   o.Version,
		Exchange:  o.Config.EWS.String(),
		Source:    certificateSource(o.Config),
		Health:    s.health,
		Token:     func() token.Status { return s.keeper.Status() },
		AllowList: s.allowList,
		Responses: s.exchange.State,
		Allows:    func(address string) bool { return s.files.policy().Allows(address) },
		Metrics:   m,
	})
	return &observer{log: accesslog.New(o.Log), metrics: m, admin: admin, exchange: &s.exchange, further: o.Done}, nil
}

func (o *observer) done(r *proxy.Record) {
	how := outcome.Of(r)
	o.log.Done(r, how)
	o.metrics.Done(r, how)
	o.admin.Done(r, how)
	o.exchange.Done(r, how)
	if o.further != nil {
		o.further(r)
	}
}

// malformed reports a request that the server refuses because of its head. Such a
// request has no Record.
func (o *observer) malformed(remote string, status int, reason string) {
	o.log.Malformed(remote, status, reason)
	o.metrics.Malformed(status)
}

// run opens the listeners, serves and drains.
func (a *app) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	memory := process.MemoryLimit()
	listen := listener.Config{
		Listen: a.options.Listen,
		TLS:    a.files.keyPairs.TLSConfig(),
		Memory: memory,
		Bodies: bufferBudget(memory),
		Failed: a.observer.metrics.AcceptFailed,
		Log:    a.log,
	}
	clients, err := listener.OpenAll(ctx, listen, a.options.Config.Listen)
	if err != nil {
		return err
	}
	errorLog := slog.NewLogLogger(a.log.Handler(), slog.LevelDebug)
	limits := a.handler.Server(errorLog)
	limits.Handler = a.closeWhileDraining(reportPanics(a.observer.metrics.InFlight(a.observer.admin.Track(limits.Handler)), a.log, a.observer.metrics.Panicked))
	limits.ConnState = listener.ConnState
	server := httpserver.From(limits)
	server.Busy = a.handler.ServeBusy
	server.Refused = a.observer.malformed
	a.observer.admin.ServesClientsAt(clientURLs(clients, a.files.keyPairs != nil))
	if a.options.Config.AdminQuit {
		a.observer.admin.PermitQuit(stop)
	}
	adminServer := a.observer.admin.Server(errorLog)
	adminServer.Handler = reportPanics(adminServer.Handler, a.log, a.observer.metrics.Panicked)
	adminServer.ConnState = listener.ConnState
	adminListener, err := listenAdmin(ctx, listen, a.options.Config)
	if err != nil {
		listener.CloseAll(clients)
		return err
	}

	var background sync.WaitGroup
	alive, end := context.WithCancel(context.WithoutCancel(ctx)) // requests in a drain still need tokens
	defer a.observer.log.Close()
	defer a.clients.CloseIdleConnections()
	defer background.Wait()
	defer adminServer.Close()
	defer server.Close()
	defer end()
	background.Go(func() { _ = a.keeper.Run(alive) }) // only a second call of Run returns an error
	background.Go(func() { a.reporter.Run(alive) })
	background.Go(func() { a.reloadOnRequest(alive) })
	a.files.watch(alive, &background)
	if a.groups != nil {
		background.Go(func() { a.groups.Run(alive) })
	}

	failed := make(chan error, len(clients)+1)
	for _, l := range clients {
		background.Go(func() { failed <- server.Serve(l) })
	}
	if adminListener != nil {
		background.Go(func() { failed <- adminServer.Serve(adminListener) })
	}
	a.reportStart(clients, adminListener)
	background.Go(func() { a.logReady(alive, clients, adminListener) })
	select {
	case err := <-failed:
		return fmt.Errorf("listener: %w", err)
	case <-ctx.Done():
	}
	a.drain(server, clients)
	return nil
}

// listenAdmin opens the admin listener. It returns nil when the configuration
// turns the listener off.
func listenAdmin(ctx context.Context, l listener.Config, c *config.Config) (net.Listener, error) {
	if c.Admin.Off() {
		return nil, nil
	}
	return listener.OpenAdmin(ctx, l, c.Admin.String())
}

// reportStart logs the addresses and the configuration's warnings, and calls
// Options.Started.
func (a *app) reportStart(clients []net.Listener, adminListener net.Listener) {
	c := a.options.Config
	addresses := make([]net.Addr, 0, len(clients))
	names := make([]string, 0, len(clients))
	for _, l := range clients {
		addresses, names = append(addresses, l.Addr()), append(names, l.Addr().String())
	}
	adminAddress, adminName := net.Addr(nil), "off"
	if adminListener != nil {
		adminAddress, adminName = adminListener.Addr(), adminListener.Addr().String()
	}
	a.log.Info("started", "version", a.options.Version, "listen", strings.Join(names, ","), "admin", adminName,
		"exchange", c.EWS.String(), "mailboxes", c.Access().String(), "allow_list_entries", a.files.policy().Size())
	for _, w := range c.Warnings() {
		a.log.Warn("configuration", "remark", w)
	}
	if a.options.Started != nil {
		a.options.Started(addresses, adminAddress)
	}
}

// reloadInterval is the shortest time between two reloads on request.
const reloadInterval = 2 * time.Second

// reloadOnRequest reloads for each value of Options.Reload until ctx ends. After
// each reload it waits for reloadInterval before it receives the next value.
func (a *app) reloadOnRequest(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.options.Reload:
			if !a.state.draining.Load() {
				a.reporter.Reload(func() { a.reload(ctx) })
			}
			select {
			case <-time.After(reloadInterval):
			case <-ctx.Done():
				return
			}
		}
	}
}

// reload reads the files and the certificate immediately, including the secret
// or password that gives access to the certificate. It also confirms a change of
// the groups' members.
func (a *app) reload(ctx context.Context) {
	a.log.Info("reloading files and certificates; settings need a restart")
	a.files.reload(ctx)
	if a.groups != nil {
		a.groups.Confirm()
	}
	a.keeper.Reload()
}

// readyInterval is the interval between checks of the readiness.
const readyInterval = 100 * time.Millisecond

// logReady waits until requests can be served, logs the clients' URLs and
// returns. It also returns when ctx ends.
func (a *app) logReady(ctx context.Context, clients []net.Listener, admin net.Listener) {
	tick := time.NewTicker(readyInterval)
	defer tick.Stop()
	for !a.state.health().Ready() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
	page := "off"
	if admin != nil {
		page = urlOf("http", admin.Addr(), "/")
	}
	a.log.Info("ready", "ews", strings.Join(clientURLs(clients, a.files.keyPairs != nil), " "), "status_page", page)
}
