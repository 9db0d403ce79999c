package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// page is the HTML of a page that sends requests in every way that a page can,
// and reports the results.
//
//go:embed page.html
var page string

//go:embed sw.js
var serviceWorker string

// visitLimit is the time limit of one visit.
const visitLimit = 4 * time.Minute

// A program is a browser.
type program struct {
	name string
	// command returns the arguments that open url under a new profile. The
	// browser must resolve the host name in url to address.
	command func(profile, address, url string) ([]string, error)
}

// chromium opens hostile pages in Chromium.
func chromium(ctx context.Context) error {
	path, err := need(ctx, "chromium", "chromium")
	if err != nil {
		return err
	}
	return browse(ctx, program{"Chromium", func(profile, address, url string) ([]string, error) {
		return []string{path, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
			"--no-first-run", "--no-proxy-server", "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
			"--user-data-dir=" + profile, "--host-resolver-rules=MAP evil.example " + address, url}, nil
	}})
}

func firefox(ctx context.Context) error {
	path, err := need(ctx, "firefox-esr", "firefox-esr")
	if err != nil {
		return err
	}
	return browse(ctx, program{"Firefox", func(profile, address, url string) ([]string, error) {
		settings := fmt.Sprintf(`user_pref("network.dns.forceResolve", %q);`, address) + `
user_pref("network.proxy.type", 0);
user_pref("network.lna.enabled", false);
user_pref("network.lna.blocking", false);
user_pref("dom.disable_open_during_load", false);
user_pref("browser.send_pings", true);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.enabled", false);
user_pref("toolkit.telemetry.enabled", false);
`
		err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(settings), 0o600)
		return []string{path, "--headless", "--no-remote", "--profile", profile, url}, err
	}})
}

// browse opens three hostile pages: one of another origin, one of another port
// of this machine, and one whose DNS name was rebound to this machine. The
// rebound page has the same origin as hmaproxy. Before the pages attack
// hmaproxy, they attack a server without a guard. This first attack shows that
// the attacks work, and that none of them has the headers that the guard
// accepts.
func browse(ctx context.Context, b program) error {
	s, err := newProduct(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	victim, err := newVictim()
	if err != nil {
		return err
	}
	defer victim.Close()
	for _, target := range []struct{ name, address string }{{"no guard", victim.address}, {"hmaproxy", s.clients[0]}} {
		_, port, err := net.SplitHostPort(target.address)
		if err != nil {
			return err
		}
		for _, p := range []place{
			{"a page of another origin", "evil.example", "127.0.0.2:0"},
			{"a page of another port", "127.0.0.1", "127.0.0.1:0"},
			{"a rebound page", "evil.example", "127.0.0.2:" + port}, // DNS rebinding changes the address of a host name, not the port
		} {
			report, err := visit(ctx, b, target.address, p)
			if err != nil {
				return fmt.Errorf("%s, %s, %s: %w", b.name, p.name, target.name, err)
			}
			fmt.Printf("   %s, %s, %s: %s\n", b.name, p.name, target.name, report)
		}
	}
	kinds, allowed := victim.arrived()
	fmt.Printf("   without a guard these arrived: %s\n   Exchange was asked %d times\n", strings.Join(kinds, ", "), len(s.arrived()))
	if arrived := s.arrived(); len(arrived) > 0 {
		return fmt.Errorf("a page's requests reached Exchange: %q", arrived)
	}
	if len(allowed) > 0 {
		return fmt.Errorf("a page's request has the headers that the guard allows to native clients: %q", allowed)
	}
	for _, kind := range []string{"POST text/plain", "POST text/xml", "POST text/xml from null", "GET", "GET upgrade", "POST text/ping"} {
		if !slices.Contains(kinds, kind) {
			return fmt.Errorf("the pages never send a %s, so this proves nothing", kind)
		}
	}
	return nil
}

// A place is the origin of a page.
type place struct {
	name string
	host string // host in the page's URL
	own  string // address of the server of the page
}

// visit opens the page in a browser, and returns the page's report.
func visit(ctx context.Context, b program, target string, p place) (report string, err error) {
	l, err := net.Listen("tcp", p.own)
	if err != nil {
		return "", err
	}
	defer l.Close()
	a := &attacker{target: target, reports: make(chan string, 1)}
	go a.serve(l)
	address, own, _ := net.SplitHostPort(l.Addr().String())
	desk, err := net.Listen("tcp", address+":0")
	if err != nil {
		return "", err
	}
	defer desk.Close()
	go http.Serve(desk, http.HandlerFunc(a.report))
	profile, err := os.MkdirTemp("", "door")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(profile)
	_, port, _ := net.SplitHostPort(target)
	_, back, _ := net.SplitHostPort(desk.Addr().String())
	ctx, cancel := context.WithTimeout(ctx, visitLimit)
	defer cancel()
	args, err := b.command(profile, address, "http://"+p.host+":"+own+"/?"+port+","+back)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "HOME="+profile, "MOZ_CRASHREPORTER_DISABLE=1")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &said, &said, time.Second
	if err := cmd.Start(); err != nil {
		return "", err
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	select {
	case report := <-a.reports:
		return report, nil
	case <-ctx.Done():
		return "", fmt.Errorf("the page never reported; the browser said %.300q", said.String())
	}
}

// An attacker serves the page with its service worker and receives the page's
// report. It passes every other request to the target unchanged. For the
// browser and the target this has the same effect as DNS rebinding.
type attacker struct {
	target  string
	reports chan string
}

func (a *attacker) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go a.handle(c)
	}
}

func (a *attacker) handle(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	first, err := in.Peek(len("GET /sw.js"))
	switch {
	case err != nil:
	case string(first) == "GET /sw.js":
		if _, err := http.ReadRequest(in); err == nil {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: text/javascript\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(serviceWorker), serviceWorker)
		}
	case strings.HasPrefix(string(first), "GET /?"):
		if _, err := http.ReadRequest(in); err == nil {
			text := strings.Replace(page, "ENVELOPE", envelope, 1)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
		}
	default:
		a.splice(c, in)
	}
}

// report receives the page's report. To a POST of /redirect?STATUS,URL it
// responds with that status and that URL as Location.
func (a *attacker) report(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/redirect" {
		status, to, _ := strings.Cut(r.URL.RawQuery, ",")
		code, _ := strconv.Atoi(status)
		permit(w.Header(), r)
		if r.Method == http.MethodPost {
			w.Header().Set("Location", to)
			w.WriteHeader(code)
		}
		return
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, 1<<10))
	if err == nil && r.Method == http.MethodPost {
		a.reports <- string(text)
	}
}

func (a *attacker) splice(c net.Conn, in *bufio.Reader) {
	there, err := net.Dial("tcp", a.target)
	if err != nil {
		return
	}
	defer there.Close()
	go func() {
		_, _ = io.Copy(there, in)
		_ = there.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(c, there)
}

// permit adds the CORS headers that permit everything to the page that sent r.
func permit(h http.Header, r *http.Request) {
	h.Set("Access-Control-Allow-Origin", cmp.Or(r.Header.Get("Origin"), "*"))
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Allow-Headers", "content-type")
	h.Set("Access-Control-Allow-Private-Network", "true")
}

// A victim is a server without a guard. It accepts every request, including
// preflight requests.
type victim struct {
	*http.Server
	address string
	mu      sync.Mutex
	seen    map[string]bool
	allowed []string // kinds of requests that hmaproxy's guard would accept by their headers
}

func newVictim() (*victim, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	v := &victim{address: l.Addr().String(), seen: make(map[string]bool)}
	v.Server = &http.Server{Handler: v}
	go v.Serve(l)
	return v, nil
}

func (v *victim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind := r.Method
	if r.Method == http.MethodPost {
		kind += " " + strings.Split(r.Header.Get("Content-Type"), ";")[0]
	}
	if r.Header.Get("Upgrade") != "" {
		kind += " upgrade"
	}
	v.mu.Lock()
	v.seen[kind] = true
	if r.Header.Get("Origin") == "null" {
		v.seen[kind+" from null"] = true
	}
	if native(r) {
		v.allowed = append(v.allowed, fmt.Sprintf("%s %v", kind, r.Header))
	}
	v.mu.Unlock()
	permit(w.Header(), r)
	_, _ = io.Copy(io.Discard, r.Body)
}

// native reports whether a request has the headers of a native client, which
// hmaproxy's guard accepts.
func native(r *http.Request) bool {
	site, dest := r.Header.Values("Sec-Fetch-Site"), r.Header.Values("Sec-Fetch-Dest")
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return r.Method == http.MethodPost && strings.EqualFold(strings.TrimSpace(media), "text/xml") && r.Header.Values("Origin") == nil &&
		(site == nil || slices.Equal(site, []string{"none"})) && (dest == nil || slices.Equal(dest, []string{"empty"}))
}

// arrived returns the kinds of the requests that arrived, and lists those that
// hmaproxy's guard would accept.
func (v *victim) arrived() (kinds, allowed []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Sorted(maps.Keys(v.seen)), slices.Clone(v.allowed)
}
