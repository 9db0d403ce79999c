// Package statuspage serves the admin listener: the probes, the metrics, the
// status page, and the status as JSON.
package statuspage

import (
	"io"
	"log"
	"net/http"
	"strings"
	"time"

	"hmaproxy/internal/health"
	"hmaproxy/internal/outcome"
	"hmaproxy/internal/traffic"
	"hmaproxy/proxy"
	"hmaproxy/token"
)

// Config holds the sources of the data that an Admin shows. An Admin may call the
// functions concurrently.
type Config struct {
	Version  string
	Exchange string            // URL of the endpoint
	Source   CertificateSource // source of the certificate

	Health    func() health.State
	Token     func() token.Status
	AllowList func() AllowList
	Responses func() health.ExchangeState // record of Exchange's responses

	// Allows reports whether clients may open a mailbox, given by its SMTP
	// address.
	Allows func(address string) bool

	Metrics http.Handler
}

// A CertificateSource describes the source of the certificate.
type CertificateSource struct {
	From    string // "key vault", "file", "windows store" or "federated credential (experimental)"
	Name    string
	KeyMode string
}

// AllowList describes the current allow-list.
type AllowList struct {
	Mode    string // "none" (no allow-list), "every" (the list is *), "enforce" or "audit"
	Scope   string
	Entries int
	File    string  // "" if the list has no file
	Err     error   // why the file could not be reloaded; nil: the list is current
	Groups  *Groups // nil: no groups
}

// Groups describes the groups whose members are on the allow-list.
type Groups struct {
	Names   []string
	Members int
	At      time.Time // time of the current expansion; zero: there is none
	Err     error     // why the latest expansion is not in force; nil: the expansion is in force
}

// An Admin is the handler of the admin listener. Probes and metrics contain no
// mailbox and are served to any client. All other pages are served only to a
// loopback peer that uses a loopback Host. It is safe for concurrent use.
type Admin struct {
	config  Config
	quit    func() // nil: POST /quit is not permitted
	started time.Time
	history history
	traffic *traffic.Traffic
	running running
	listen  []string // URLs that clients use
	page    *page
}

// New returns an Admin whose start time is now.
func New(config Config) *Admin {
	return &Admin{config: config, started: time.Now(), page: newPage(), traffic: traffic.New(traffic.LiveLimits())}
}

// PermitQuit makes POST /quit call quit. Call it before the server starts.
func (a *Admin) PermitQuit(quit func()) { a.quit = quit }

// ServesClientsAt sets the URLs that clients use. Call it before the server starts.
func (a *Admin) ServesClientsAt(urls []string) { a.listen = urls }

// Done adds a request that has ended to the history and the counts.
func (a *Admin) Done(r *proxy.Record, o outcome.Outcome) {
	a.history.add(r, o)
	a.traffic.Done(r, o)
}

// Server returns a server for the pages, without a listener.
func (a *Admin) Server(errors *log.Logger) *http.Server {
	var http1 http.Protocols
	http1.SetHTTP1(true)
	return &http.Server{
		Handler:                      a,
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            5 * time.Second,
		ReadTimeout:                  10 * time.Second,
		WriteTimeout:                 10 * time.Second,
		IdleTimeout:                  time.Minute,
		MaxHeaderBytes:               16 << 10,
		Protocols:                    &http1,
		ErrorLog:                     errors,
	}
}

func (a *Admin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	if strings.HasPrefix(r.RequestURI, mailboxPage) {
		a.serveStatus(w, r)
		return
	}
	switch r.RequestURI {
	case "/startup", "/live":
		a.serveProbe(w, r, false)
	case "/ready":
		a.serveProbe(w, r, true)
	case "/quit":
		a.serveQuit(w, r)
	case "/metrics":
		a.config.Metrics.ServeHTTP(w, r)
	case "/", stillPage, "/status.json":
		a.serveStatus(w, r)
	default:
		http.Error(w, "hmaproxy: /, /status.json, /metrics, /startup, /ready and /live are served here", http.StatusNotFound)
	}
}

// serveProbe responds to GET and HEAD with 200. If mustBeReady is true and the
// product is not ready, it responds with 503 and the cause. With both statuses the
// body lists the alarms.
func (a *Admin) serveProbe(w http.ResponseWriter, r *http.Request, mustBeReady bool) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "hmaproxy: probes are read by GET", http.StatusMethodNotAllowed)
		return
	}
	now, state := time.Now(), a.config.Health()
	status, text := http.StatusOK, "ok\n"
	if mustBeReady && !state.Ready() {
		status, text = http.StatusServiceUnavailable, "not ready: "+state.NotReady.Text()+"\n"
	}
	for _, alarm := range state.Alarms {
		text += "alarm: " + alarm.Text(now) + "\n"
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// serveQuit ends the process after a POST from a program on this machine, if
// HMA_ADMIN_QUIT permits it. A Kubernetes Job does not end before all its
// containers have ended. So its main container sends this request when it is done.
func (a *Admin) serveQuit(w http.ResponseWriter, r *http.Request) {
	switch {
	case a.quit == nil:
		http.Error(w, "hmaproxy: HMA_ADMIN_QUIT=true permits this", http.StatusNotFound)
	case !fromLoopback(r):
		http.Error(w, "hmaproxy: only from this machine, and under a loopback name", http.StatusForbidden)
	case fromBrowser(r):
		http.Error(w, "hmaproxy: not from a browser", http.StatusForbidden)
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "POST")
		http.Error(w, "hmaproxy: POST /quit", http.StatusMethodNotAllowed)
	default:
		_, _ = io.WriteString(w, "ending\n")
		a.quit()
	}
}

// serveStatus serves the status. Because it contains mailboxes, it is not
// served to other machines or to pages of other sites.
func (a *Admin) serveStatus(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	switch {
	case !fromLoopback(r):
		http.Error(w, "hmaproxy: only from this machine, and under a loopback name; /startup, /ready, /live and /metrics serve any client", http.StatusForbidden)
	case fromOtherSite(r):
		http.Error(w, "hmaproxy: not from another site's page; type the address", http.StatusForbidden)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "hmaproxy: the status is read by GET", http.StatusMethodNotAllowed)
	case r.RequestURI == "/status.json":
		a.status().serveJSON(w)
	default:
		s := a.status()
		if strings.HasPrefix(r.RequestURI, mailboxPage) {
			s.Asked = a.mailboxStatus(r.URL.Query().Get("mailbox"))
		}
		a.page.serve(w, s, r.RequestURI != "/")
	}
}

// Track returns a handler that calls next. While next serves a request,
// notification streams included, the request counts as in flight. The status page
// shows the number of requests in flight, and the oldest of them.
func (a *Admin) Track(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one := a.running.begin(r)
		defer a.running.end(one)
		next.ServeHTTP(w, r)
	})
}
