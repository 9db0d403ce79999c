//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/ewstest"
)

const (
	clientAddress = "127.0.0.1:18080"
	adminAddress  = "127.0.0.1:18081"
)

// An environment is hmaproxy with the services around it.
type environment struct {
	ctx     context.Context
	dir     string
	binary  string
	pinned  bool // hmaproxy has a processor of its own
	verbose bool
	env     []string

	exchange *httptest.Server
	slow     atomic.Bool // while slow is set, Exchange reads long bodies slowly

	proxy *exec.Cmd
	group *group // the control group; nil: none could be made

	before, peak, after int64       // resident memory in bytes; set only by loads that compare these values
	probes              probeReport // report of the process that measures the probes; set only by the load "overload"
}

// startServices starts the emulated services and an Exchange that only reads
// requests and responds.
func (w *environment) startServices() error {
	e, err := emulator.New(emulator.Config{})
	if err != nil {
		return err
	}
	if err := e.Start(); err != nil {
		return err
	}
	w.exchange = httptest.NewUnstartedServer(http.HandlerFunc(w.serveExchange))
	w.exchange.Config.ErrorLog = log.New(io.Discard, "", 0)
	w.exchange.StartTLS()
	root := pemOf(w.exchange.Certificate().Raw)
	ca := filepath.Join(w.dir, "ca.pem")
	if err := os.WriteFile(ca, append(e.CAPEM(), root...), 0o600); err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(w.exchange.Listener.Addr().String())
	if err != nil {
		return err
	}
	for name, value := range e.Env() {
		w.env = append(w.env, name+"="+value)
	}
	w.env = append(w.env, "HMA_EWS_URL=https://example.com/EWS/Exchange.asmx", "HMA_EWS_CONNECT=127.0.0.1:"+port, "HMA_CA_FILE="+ca,
		"HMA_ALLOWED_MAILBOXES=alice@contoso.com", "HMA_LISTEN="+clientAddress, "HMA_ADMIN_LISTEN="+adminAddress)
	return nil
}

// serveExchange reads the request and responds. It reads 32 KiB a second of a long
// body while slow is set.
func (w *environment) serveExchange(rw http.ResponseWriter, r *http.Request) {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Body.Read(buf)
		if err == io.EOF {
			break
		}
		if err != nil {
			return
		}
		if w.slow.Load() && (r.ContentLength < 0 || r.ContentLength > int64(len(buf))) {
			select {
			case <-time.After(time.Second * time.Duration(n) / time.Duration(len(buf))):
			case <-r.Context().Done():
				return
			}
		}
	}
	rw.Header().Set("Content-Type", "text/xml; charset=utf-8")
	_, _ = io.WriteString(rw, "<done/>")
}

// startProxy starts hmaproxy, in a control group if limited is set.
func (w *environment) startProxy(limited bool) error {
	w.group = nil
	env := w.env
	w.proxy = w.command(w.binary)
	if limited {
		env = append(slices.Clone(env), "GOMEMLIMIT="+goMemoryLimit)
		g, err := newGroup(fmt.Sprintf("hmaproxy-limits-%d", os.Getpid()), memoryLimit)
		if err != nil {
			fmt.Println("NOT CHECKED: the kernel's limit on memory, because no control group can be made:", err)
		} else {
			w.group = g
			w.proxy = w.command("/bin/sh", "-c", `echo $$ >"$1" && exec "$0"`, w.binary, g.procs())
		}
	}
	w.proxy.Env = env
	if w.verbose {
		w.proxy.Stderr = os.Stderr
	}
	if err := w.proxy.Start(); err != nil {
		return err
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get("http://" + adminAddress + "/ready")
		if err != nil {
			continue
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return nil
		}
	}
	return errors.New("hmaproxy is not ready after 20 s")
}

// command returns a command that runs on hmaproxy's processor, if it has one.
func (w *environment) command(name string, arguments ...string) *exec.Cmd {
	if w.pinned {
		name, arguments = "taskset", append([]string{"-c", strconv.Itoa(proxyProcessor), name}, arguments...)
	}
	return exec.CommandContext(w.ctx, name, arguments...)
}

// stopProxy ends hmaproxy and returns its memory usage.
func (w *environment) stopProxy() (usage, error) {
	defer func() {
		_ = w.proxy.Process.Kill()
		_ = w.proxy.Wait()
		if w.group != nil {
			for range 50 {
				if w.group.remove() == nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}
	}()
	_, most, err := resident(w.proxy.Process.Pid)
	if err != nil {
		return usage{}, fmt.Errorf("hmaproxy has ended: %w", err)
	}
	if w.group == nil {
		return usage{total: most}, nil
	}
	return w.group.usage()
}

// envelope returns the envelope of an EWS request. If size is 0, the request is
// short. Otherwise its length is about size, in bytes.
func envelope(size int) string {
	operation := `<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>`
	if size > 0 {
		operation = `<m:CreateItem MessageDisposition="SaveOnly"><m:Items><t:Message><t:MimeContent>` + strings.Repeat("QUJD", size/4) + `</t:MimeContent></t:Message></m:Items></m:CreateItem>`
	}
	return ewstest.Envelope("alice@contoso.com", operation)
}

// head returns the head of a POST with a body of n bytes.
func head(n int) string {
	return fmt.Sprintf("POST /EWS/Exchange.asmx HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: %d\r\n\r\n", n)
}

// A tally counts requests by outcome and keeps the durations of the requests.
type tally struct {
	mu      sync.Mutex
	counts  map[string]int
	longest map[string]time.Duration
	all     map[string][]time.Duration
}

func newTally() *tally {
	return &tally{counts: map[string]int{}, longest: map[string]time.Duration{}, all: map[string][]time.Duration{}}
}

func (t *tally) add(what string, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[what]++
	t.longest[what] = max(t.longest[what], took)
	t.all[what] = append(t.all[what], took)
}

func (t *tally) count(what string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts[what]
}

// median returns the median time for one outcome.
func (t *tally) median(what string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.all[what]) == 0 {
		return 0
	}
	slices.Sort(t.all[what])
	return t.all[what][len(t.all[what])/2]
}

func (t *tally) max(what string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.longest[what]
}

func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var parts []string
	for what, n := range t.counts {
		parts = append(parts, fmt.Sprintf("%d %s (longest %.1f s)", n, what, t.longest[what].Seconds()))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// Two of the outcomes that outcomeOf returns.
const (
	served = "served"
	busy   = "busy"
)

// outcomeOf returns the outcome of a request: served, busy, a text that begins
// with "broken off" if there was no complete response, or else the status and the
// header X-Hmaproxy-Error.
func outcomeOf(resp *http.Response, err error) string {
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			return "broken off"
		}
		return "broken off: " + err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return "broken off"
	case resp.StatusCode == http.StatusOK:
		return served
	case resp.StatusCode == http.StatusInternalServerError && bytes.Contains(text, []byte("ErrorServerBusy")):
		return busy
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, resp.Header.Get("X-Hmaproxy-Error"))
}

// mail sends a short request on a new connection five times a second until ctx
// ends, as new clients do.
func mail(ctx context.Context, t *tally) {
	sendRepeatedly(ctx, 200*time.Millisecond, t, func(c *http.Client) (*http.Response, error) {
		return c.Post("http://"+clientAddress+"/EWS/Exchange.asmx", "text/xml; charset=utf-8", strings.NewReader(envelope(0)))
	})
}

// probe requests /live from the admin listener ten times a second until ctx ends.
func probe(ctx context.Context, t *tally) {
	sendRepeatedly(ctx, 100*time.Millisecond, t, func(c *http.Client) (*http.Response, error) {
		return c.Get("http://" + adminAddress + "/live")
	})
}

// sendRepeatedly calls send once per interval until ctx ends, and adds the
// outcome and the duration of the request to t. Each request has a new connection.
func sendRepeatedly(ctx context.Context, interval time.Duration, t *tally, send func(*http.Client) (*http.Response, error)) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		began := time.Now()
		t.add(outcomeOf(send(client)), time.Since(began))
	}
}
