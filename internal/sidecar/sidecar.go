package sidecar

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hmaproxy/internal/allowlist"
	"hmaproxy/internal/clientauth"
	"hmaproxy/internal/config"
	"hmaproxy/internal/filewatch"
	"hmaproxy/internal/health"
	"hmaproxy/internal/httpclient"
	"hmaproxy/internal/listener"
	"hmaproxy/internal/sdnotify"
	"hmaproxy/proxy"
	"hmaproxy/proxy/policy"
	"hmaproxy/token"
)

// Options are what Run works with.
type Options struct {
	Config  *config.Config // required
	Log     *slog.Logger   // nil discards
	Version string         // for the log

	Dial   httpclient.Dialer // nil: the network
	Listen listener.Listen   // nil: the network

	// Reload asks, by a value, to look at once at the files and certificates that
	// are read again anyway. nil: nobody asks.
	Reload <-chan struct{}
	Notify *sdnotify.Notifier // told how things stand; nil: nobody is

	// Started is told the addresses once all listeners are open. nil: nobody is.
	Started func(clients []net.Addr, admin net.Addr)
	// Done is told of every request beside the log. nil: nobody is.
	Done func(*proxy.Record)
}

// Run serves until ctx ends or a listener fails, then drains. It returns nil
// after a drain. Nothing outside being down makes it return.
func Run(ctx context.Context, o Options) error {
	a, err := newApp(o)
	if err != nil {
		return err
	}
	return a.run(ctx)
}

// An app is a running product.
type app struct {
	o         Options
	log       *slog.Logger
	keeper    *token.Keeper
	list      *allowlist.List
	users     *clientauth.Authenticator // nil: clients need no credentials
	keyPair   *listener.KeyPair         // nil: plain HTTP
	files     []*filewatch.Watcher
	handler   *proxy.Handler
	draining  atomic.Bool
	clients   *httpclient.Clients
	begun     time.Time
	metrics   *metrics
	recent    ring
	strangers strangers
	reporter  *sdnotify.Reporter
	page      *statusPage
}

func newApp(o Options) (*app, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Listen == nil {
		o.Listen = listener.ListenNetwork
	}
	a := &app{o: o, log: o.Log, begun: time.Now(), metrics: newMetrics(o.Version)}
	a.reporter = sdnotify.NewReporter(o.Notify, a.health, o.Log)
	for _, part := range [...]func() error{a.addClients, a.addKeeper, a.addFiles, a.addHandler, a.addEyes} {
		if err := part(); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *app) addClients() (err error) {
	a.clients, err = httpclient.New(a.o.Config, a.o.Dial, a.log)
	return err
}

func (a *app) addKeeper() error {
	c := a.o.Config
	client := a.clients.Control()
	certs, err := Certificates(c, client, a.log)
	if err != nil {
		return err
	}
	a.keeper, err = token.New(token.Config{
		Authority:    c.Authority.URL,
		TenantID:     string(c.Tenant),
		ClientID:     string(c.App),
		Resource:     string(c.Resource),
		Certificates: certs,
		PollInterval: c.CertPoll,
		HTTPClient:   client,
		Log:          a.log,
		Attempted:    a.metrics.attempted,
	})
	return err
}

// policy returns what all clients together may do.
func (a *app) policy() *policy.Policy {
	if a.users != nil {
		return a.users.Policy()
	}
	return a.list.Policy()
}

func (a *app) addHandler() error {
	c := a.o.Config
	exchange, err := a.clients.Exchange()
	if err != nil {
		return err
	}
	p := proxy.Config{
		EWS:                 c.EWS.URL,
		Tokens:              a.keeper,
		Refresher:           a.keeper,
		Transport:           exchange,
		Policy:              a.policy,
		HostNames:           c.HostNames,
		ForwardHeaders:      c.ForwardHeaders,
		NeverExpectContinue: c.ExpectContinue == config.ExpectNever,
		Settings:            config.ProxySettings(),
		Done:                a.done,
	}
	if a.users != nil {
		p.Client = a.users.Authenticate
	}
	a.handler, err = proxy.New(p)
	return err
}

// done is called once for every request.
func (a *app) done(r *proxy.Record) {
	how := outcomeOf(r)
	if !a.strangers.omit(a.log, r) {
		logRequest(a.log, r, how)
	}
	a.metrics.done(r, how)
	a.recent.done(r, how)
	if a.o.Done != nil {
		a.o.Done(r)
	}
}

// run opens the listeners, serves and drains.
func (a *app) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	clients, err := listener.OpenAll(ctx, a.o.Listen, a.o.Config.Listen, a.keyPair.TLSConfig())
	if err != nil {
		return err
	}
	server := a.handler.Server(slog.NewLogLogger(a.log.Handler(), slog.LevelDebug))
	server.Handler = a.metrics.watch(server.Handler)
	adminServer, adminListener, err := a.listenAdmin(ctx, stop)
	if err != nil {
		listener.CloseAll(clients)
		return err
	}

	var background sync.WaitGroup
	alive, end := context.WithCancel(context.WithoutCancel(ctx)) // tokens are needed while requests finish
	defer a.clients.CloseIdleConnections()
	defer background.Wait()
	defer adminServer.Close()
	defer server.Close()
	defer end()
	background.Go(func() { _ = a.keeper.Run(alive) }) // its only error is a second call
	background.Go(func() { a.reporter.Run(alive) })
	background.Go(func() { a.reloadOnRequest(alive) })
	a.watchFiles(alive, &background)

	failed := make(chan error, len(clients)+1)
	for _, l := range clients {
		background.Go(func() { failed <- server.Serve(l) })
	}
	if adminListener != nil {
		background.Go(func() { failed <- adminServer.Serve(adminListener) })
	}
	a.started(clients, adminListener)
	background.Go(func() { a.logReady(alive, clients, adminListener) })
	select {
	case err := <-failed:
		return fmt.Errorf("listener: %w", err)
	case <-ctx.Done():
	}
	a.drain(server)
	return nil
}

// listenAdmin opens the admin listener; it is nil when that is off.
func (a *app) listenAdmin(ctx context.Context, stop func()) (*http.Server, net.Listener, error) {
	handler := &admin{app: a}
	if a.o.Config.AdminQuit {
		handler.quit = stop
	}
	server := handler.server(slog.NewLogLogger(a.log.Handler(), slog.LevelDebug))
	if a.o.Config.Admin.Off() {
		return server, nil, nil
	}
	l, err := a.o.Listen(ctx, "tcp", a.o.Config.Admin.String())
	if err != nil {
		return nil, nil, fmt.Errorf("HMA_ADMIN_LISTEN: %w", err)
	}
	return server, l, nil
}

// started logs what is served, and what should be known from the start.
func (a *app) started(clients []net.Listener, adminListener net.Listener) {
	c := a.o.Config
	addresses := make([]net.Addr, 0, len(clients))
	names := make([]string, 0, len(clients))
	for _, l := range clients {
		addresses, names = append(addresses, l.Addr()), append(names, l.Addr().String())
	}
	adminAddress, adminName := net.Addr(nil), "off"
	if adminListener != nil {
		adminAddress, adminName = adminListener.Addr(), adminListener.Addr().String()
	}
	a.log.Info("started", "version", a.o.Version, "listen", strings.Join(names, ","), "admin", adminName,
		"exchange", c.EWS.String(), "mailboxes", c.Access().String(), "allow_list_entries", a.policy().Size())
	for _, w := range c.Warnings() {
		a.log.Warn("configuration", "remark", w)
	}
	if a.o.Started != nil {
		a.o.Started(addresses, adminAddress)
	}
}

// stopReserve is the time between the end of all requests and that of the
// process.
const stopReserve = 10 * time.Second

// drain lets requests under way finish. Streams of notifications never do by
// themselves: they are ended when the time is over.
func (a *app) drain(server *http.Server) {
	c := a.o.Config
	a.draining.Store(true)
	a.reporter.Stop(c.ShutdownDelay + c.ShutdownTimeout + stopReserve)
	a.log.Info("stopping", "delay", c.ShutdownDelay, "timeout", c.ShutdownTimeout)
	time.Sleep(c.ShutdownDelay)
	ctx, cancel := context.WithTimeout(context.Background(), c.ShutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		a.log.Warn("requests still under way are ended", "timeout", c.ShutdownTimeout)
	}
	a.log.Info("stopped")
}

// health returns the health at present.
func (a *app) health() health.State {
	now, status := time.Now(), a.keeper.Status()
	s := health.State{NotReady: health.NotReadyFor(status)}
	if a.draining.Load() {
		s.NotReady = &health.NotReady{Cause: health.Stopping}
	}
	for _, f := range a.files {
		if err := f.Err(); err != nil {
			s.Alarms = append(s.Alarms, health.Alarm{Kind: health.FileNotReloaded, Subject: f.Variable(), Err: err})
		}
	}
	switch list := a.policy(); {
	case list.Audit():
		s.Alarms = append(s.Alarms, health.Alarm{Kind: health.AllowListAudits})
	case !list.Limited() && !a.o.Config.EveryMailbox:
		s.Alarms = append(s.Alarms, health.Alarm{Kind: health.AllowListMissing})
	}
	s.Alarms = append(s.Alarms, health.AlarmsFor(status, now)...)
	return s
}
