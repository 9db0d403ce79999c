package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/emulator/device"
)

// An environment holds one scenario's services, the product in front of them,
// and the traffic on both sides of the product.
type environment struct {
	scenario scenario
	tools    *tools
	dir      string // folder of this scenario
	services *emulator.Emulator
	tap      *tap
	exchange *http.Server // server of the tap; nil if the scenario has a device
	device   net.Listener // listener of the device; nil if the scenario has none
	product  *product
	relay    *relay
	finding  *finding // for a client that finds the URL itself; nil: the client is configured with the URL
	control  *http.Server
	steering string // URL of the endpoint that listenControl serves
}

func newEnvironment(ctx context.Context, s scenario, t *tools) (w *environment, err error) {
	w = &environment{scenario: s, tools: t}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.dir, err = os.MkdirTemp(t.temp, "environment"); err != nil {
		return w, err
	}
	if w.services, err = emulator.New(emulator.Config{Cert: t.cert, SigningKey: t.key}); err != nil {
		return w, err
	}
	if err = w.services.Start(); err != nil {
		return w, err
	}
	w.services.Exchange().KeepContent(8 << 20)
	connect, err := w.listenTap()
	if err != nil {
		return w, err
	}
	if s.before != nil {
		s.before(w.services)
	}
	if s.cold {
		w.services.Entra().Stop()
	}
	if s.finds {
		if w.finding, err = newFinding(ctx, t, w.dir); err != nil {
			return w, err
		}
	}
	if w.product, err = startProduct(ctx, w, connect); err != nil {
		return w, err
	}
	if w.finding != nil {
		w.relay, err = w.finding.relayTo(w.product.clients)
	} else {
		w.relay, err = newRelay(w.product.clients)
	}
	if err != nil {
		return w, err
	}
	return w, w.listenControl()
}

// listenTap puts the tap before Exchange. It returns the address to which the
// product connects, which is that of the device if there is one.
func (w *environment) listenTap() (string, error) {
	w.tap = &tap{exchange: w.services.Exchange(), gzip: w.scenario.gzip}
	config, err := w.services.TLSConfig("127.0.0.1")
	if err != nil {
		return "", err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	if w.scenario.device != "" {
		d, err := device.Named(w.scenario.device)
		if err != nil {
			return "", err
		}
		w.device = ln
		go w.services.ServeHandlerBehind(d, ln, w.tools.key, w.tap, "127.0.0.1")
		return ln.Addr().String(), nil
	}
	w.exchange = &http.Server{Handler: w.tap, ErrorLog: log.New(io.Discard, "", 0)}
	go w.exchange.Serve(tls.NewListener(ln, config))
	return ln.Addr().String(), nil
}

// settings returns all environment variables of the product. connect is the
// address of Exchange, or of the device in front of it.
func (w *environment) settings(connect string) ([]string, error) {
	ca := filepath.Join(w.dir, "ca.pem")
	if err := os.WriteFile(ca, w.services.CAPEM(), 0o600); err != nil {
		return nil, err
	}
	env := []string{
		"HMA_CA_FILE=" + ca, "HMA_EWS_CONNECT=" + connect, "HMA_LOG_LEVEL=debug",
		"HMA_LISTEN=127.0.0.1:0", "HMA_ADMIN_LISTEN=127.0.0.1:0", "HMA_SHUTDOWN_TIMEOUT=2s",
	}
	for name, value := range w.services.Env() {
		env = append(env, name+"="+value)
	}
	if w.finding != nil {
		env = append(env, w.finding.settings()...)
	}
	for _, setting := range w.scenario.settings {
		env = append(env, strings.NewReplacer("$DIR", w.dir, "$GUID", w.guid(alice)).Replace(setting))
	}
	if slices.ContainsFunc(env, func(s string) bool { return strings.HasPrefix(s, "HMA_CLIENT_USERS_FILE=") }) {
		return env, w.writeUsers()
	}
	return env, nil
}

// guid returns the GUID of the mailbox with an address, "" if there is none.
func (w *environment) guid(address string) string {
	for _, m := range w.services.Exchange().Mailboxes() {
		if m.Primary == address {
			return m.GUID
		}
	}
	return ""
}

// writeUsers writes the file of client users. It has two users, and both may open
// Alice's mailbox.
func (w *environment) writeUsers() error {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return err
	}
	var lines string
	for _, user := range []string{username, alice} {
		lines += user + ":" + string(hash) + " " + alice + "\n"
	}
	return os.WriteFile(filepath.Join(w.dir, "users"), []byte(lines), 0o600)
}

// url returns the product's URL for clients.
func (w *environment) url() string { return "http://" + w.relay.addr() + "/EWS/Exchange.asmx" }

// environment returns the environment variables of a client's program.
func (w *environment) environment() []string {
	env := []string{
		"EWS_URL=" + w.url(), "CONTROL_URL=" + w.steering, "WORK_DIR=" + w.dir, "HOME=" + w.dir,
		"NODE_PATH=" + w.tools.nodeModules, "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "PYTHONWARNINGS=ignore",
		"MAILBOX=" + alice, "USERNAME=" + username, "PASSWORD=" + password,
	}
	if w.finding != nil {
		env = append(env, w.finding.environment()...)
	}
	return env
}

func (w *environment) close() {
	if w.product != nil {
		w.product.stop()
	}
	if w.relay != nil {
		w.relay.close()
	}
	if w.finding != nil {
		w.finding.close()
	}
	for _, s := range []*http.Server{w.control, w.exchange} {
		if s != nil {
			s.Close()
		}
	}
	if w.device != nil {
		w.device.Close()
	}
	if w.services != nil {
		w.services.Close()
	}
	os.RemoveAll(w.dir)
}

// listenControl starts an HTTP endpoint through which a client's program controls
// the services, for example to deliver a message or to revoke a token.
func (w *environment) listenControl() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.steering = "http://" + ln.Addr().String()
	w.control = &http.Server{Handler: http.HandlerFunc(w.steer)}
	go w.control.Serve(ln)
	return nil
}

func (w *environment) steer(out http.ResponseWriter, r *http.Request) {
	x, q := w.services.Exchange(), r.URL.Query()
	switch r.URL.Path {
	case "/deliver":
		x.Deliver(q.Get("to"), q.Get("subject"))
	case "/revoke":
		x.RevokeAll()
	case "/entra/stop":
		w.services.Entra().Stop()
	case "/entra/restart":
		if err := w.services.Entra().Restart(); err != nil {
			http.Error(out, err.Error(), http.StatusInternalServerError)
		}
	case "/busy":
		x.Inject(atoi(q.Get("times")), serverBusy(atoi(q.Get("milliseconds"))))
	case "/gateway":
		x.Inject(atoi(q.Get("times")), emulator.Fault{Status: atoi(q.Get("status")), Body: "<html>from a load balancer</html>"})
	case "/unavailable":
		x.Inject(atoi(q.Get("times")), emulator.Fault{Status: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"1"}}, Body: "The service is unavailable."})
	case "/page": // a device responds to large requests instead of Exchange, until /page?status=0 is requested
		x.ClearFaults()
		if status := atoi(q.Get("status")); status != 0 {
			x.InjectWhile(func() bool { return true }, devicesPage(status, q.Get("body")))
		}
	case "/requests": // returns the number of the client's requests so far
		fmt.Fprint(out, len(w.relay.messages()))
	case "/executed":
		fmt.Fprint(out, x.Executed(q.Get("operation")))
	default:
		http.NotFound(out, r)
	}
}

// devicesPage returns a fault that makes Exchange respond like a device in front
// of it, if a request is longer than 100 kB or of unknown length.
func devicesPage(status int, body string) emulator.Fault {
	header := http.Header{"Content-Type": {"text/html; charset=utf-8"}}
	if body == "" {
		header = http.Header{"Content-Type": nil} // the nil value prevents net/http from adding a Content-Type
	}
	large := func(r *http.Request) bool { return r.ContentLength > 100_000 || r.ContentLength < 0 }
	return emulator.Fault{Status: status, Header: header, Body: body, Match: large}
}
