package sidecar

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// admin answers probes. Probes name no mailbox and answer anyone; whatever
// else comes to stand here answers a loopback peer with a loopback Host only.
type admin struct {
	app  *app
	quit func()
}

func (a *admin) server(errors *log.Logger) *http.Server {
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

func (a *admin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	switch r.RequestURI {
	case "/startup", "/live":
		a.probe(w, r, true)
	case "/ready":
		a.probe(w, r, false)
	case "/quit":
		a.serveQuit(w, r)
	case "/metrics":
		a.app.metrics.handler.ServeHTTP(w, r)
	case "/", stillPage, "/status.json":
		a.app.serveStatus(w, r)
	default:
		http.Error(w, "hmaproxy: /, /status.json, /metrics, /startup, /ready and /live are served here", http.StatusNotFound)
	}
}

// probe responds with 200, or with 503 and the cause where it asks for readiness.
// The body lists the alarms in any case.
func (a *admin) probe(w http.ResponseWriter, r *http.Request, alive bool) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "hmaproxy: probes are read by GET", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	now, state := time.Now(), a.app.health()
	status, text := http.StatusOK, "ok\n"
	if !alive && !state.Ready() {
		status, text = http.StatusServiceUnavailable, "not ready: "+state.NotReady.Text()+"\n"
	}
	for _, alarm := range state.Alarms {
		text += "alarm: " + alarm.Text(now) + "\n"
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// serveQuit ends the process, for Jobs whose main container has finished.
func (a *admin) serveQuit(w http.ResponseWriter, r *http.Request) {
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

// fromLoopback reports whether peer and Host are both this machine's own: a
// page that was rebound to 127.0.0.1 comes with a Host of its own.
func fromLoopback(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return false
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	switch strings.ToLower(strings.Trim(host, "[]")) {
	case "localhost", "127.0.0.1", "::1":
		return true
	}
	return false
}

// fromBrowser reports whether a web page made the request.
func fromBrowser(r *http.Request) bool {
	return r.Header["Origin"] != nil || r.Header["Sec-Fetch-Site"] != nil || r.Header["Sec-Fetch-Dest"] != nil
}
