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

	"hmaproxy/internal/config"
	"hmaproxy/internal/httpclient"
	"hmaproxy/internal/sdnotify"
	"hmaproxy/proxy"
	"hmaproxy/token"
)

// Options are what Run works with.
type Options struct {
	Config  *config.Config // required
	Log     *slog.Logger   // nil discards
	Version string         // for the log

	Dial   httpclient.Dialer // nil: the network
	Listen Listen            // nil: the network

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
	o        Options
	log      *slog.Logger
	keeper   *token.Keeper
	policies *policies
	handler  *proxy.Handler
	door     door
	draining atomic.Bool
	clients  *httpclient.Clients
	begun    time.Time
	metrics  *metrics
	recent   ring
	page     *statusPage
}

func newApp(o Options) (*app, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Listen == nil {
		o.Listen = listenNetwork
	}
	a := &app{o: o, log: o.Log, begun: time.Now(), metrics: newMetrics(o.Version)}
	for _, part := range [...]func() error{a.addClients, a.addKeeper, a.addPolicies, a.addDoor, a.addHandler, a.addEyes} {
		if err := part(); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *app) addClients() (err error) {
	a.clients, err = httpclient.New(a.o.Config, a.o.Dial)
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

func (a *app) addPolicies() (err error) {
	a.policies, err = newPolicies(a.o.Config, a.log)
	return err
}

func (a *app) addHandler() error {
	c := a.o.Config
	exchange, err := a.clients.Exchange()
	if err != nil {
		return err
	}
	a.handler, err = proxy.New(proxy.Config{
		EWS:            c.EWS.URL,
		Tokens:         a.keeper,
		Refresher:      a.keeper,
		Transport:      exchange,
		Policy:         a.policies.current.Load,
		HostNames:      c.HostNames,
		ForwardHeaders: c.ForwardHeaders,
		Client:         a.door.client(),
		Done:           a.done,
	})
	return err
}

// done is called once for every request.
func (a *app) done(r *proxy.Record) {
	how := outcomeOf(r)
	if !a.door.strangers.omit(a.log, r) {
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
	clients, err := listenAll(ctx, a.o.Listen, a.o.Config, a.door.keyPair.server())
	if err != nil {
		return err
	}
	server := a.handler.Server(slog.NewLogLogger(a.log.Handler(), slog.LevelDebug))
	server.Handler = a.metrics.watch(server.Handler)
	adminServer, adminListener, err := a.listenAdmin(ctx, stop)
	if err != nil {
		closeAll(clients)
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
	background.Go(func() { a.policies.watch(alive) })
	background.Go(func() { a.supervise(alive) })
	a.door.watch(alive, &background)

	failed := make(chan error, len(clients)+1)
	for _, l := range clients {
		background.Go(func() { failed <- server.Serve(l) })
	}
	if adminListener != nil {
		background.Go(func() { failed <- adminServer.Serve(adminListener) })
	}
	a.started(clients, adminListener)
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
		"exchange", c.EWS.String(), "allow_list_entries", a.policies.current.Load().Size())
	for _, w := range c.Warnings() {
		a.log.Warn("configuration", "remark", w)
	}
	if a.o.Started != nil {
		a.o.Started(addresses, adminAddress)
	}
}

// drain lets requests under way finish. Streams of notifications never do by
// themselves: they are ended when the time is over.
func (a *app) drain(server *http.Server) {
	c := a.o.Config
	a.draining.Store(true)
	a.tellStopping()
	a.log.Info("stopping", "delay", c.ShutdownDelay, "timeout", c.ShutdownTimeout)
	time.Sleep(c.ShutdownDelay)
	ctx, cancel := context.WithTimeout(context.Background(), c.ShutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		a.log.Warn("requests still under way are ended", "timeout", c.ShutdownTimeout)
	}
	a.log.Info("stopped")
}

// unready says why no request can be served now, "" when one can.
func (a *app) unready() string {
	if a.draining.Load() {
		return "not ready: stopping"
	}
	status := a.keeper.Status()
	switch {
	case status.Usable:
		return ""
	case status.Err != nil:
		return "not ready: no access token: " + strings.TrimPrefix(status.Err.Error(), "token: ")
	case status.CertificatesErr != nil:
		return "not ready: no certificate: " + status.CertificatesErr.Error()
	}
	return "not ready: no access token yet"
}

// remarks are alarms that leave the product ready.
func (a *app) remarks() string {
	if why := a.policies.alarm.Load(); why != nil {
		return "alarm: the allow-list file was not taken up, the old list is in force: " + *why + "\n" + a.door.remarks()
	}
	return a.door.remarks()
}
