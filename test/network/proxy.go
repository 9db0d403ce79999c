//go:build linux

package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// A proxy is a running hmaproxy or nginx, with the connections of its clients.
type proxy struct {
	process *exec.Cmd
	address string // for clients
	admin   string // address of the admin listener
	client  *http.Client
	// transport returns a transport without connections, for another client.
	transport func() http.RoundTripper
}

// corporateProxyPorts are the ports of the corporate proxy, which runs next to
// Exchange, by the scheme of its URL.
var corporateProxyPorts = map[string]int{"http": 3128, "https": 3129, "socks5": 1080}

// startProxy replaces w.proxy by a new one, which has no connections yet. files
// and corporate are those of launch.
func (w *environment) startProxy(files int, corporate string) (err error) {
	w.proxy.stop()
	w.proxy, err = w.launch(8080, files, corporate)
	return err
}

// launch starts a proxy and waits until it is ready. Its clients connect to the
// given port, its admin listener has the next one. files is hmaproxy's limit of
// open files. If corporate is not empty, hmaproxy connects to Exchange through the
// corporate proxy, whose URL has that scheme.
func (w *environment) launch(port, files int, corporate string) (*proxy, error) {
	p := &proxy{
		address: fmt.Sprintf("127.0.0.1:%d", port), admin: fmt.Sprintf("127.0.0.1:%d", port+1),
		transport: func() http.RoundTripper { return &http.Transport{MaxIdleConnsPerHost: 100} },
	}
	p.client = &http.Client{Transport: p.transport()}
	if w.nginx {
		file, err := w.writeNginxConfig(p)
		if err != nil {
			return nil, err
		}
		p.process = exec.Command("nginx", "-c", file)
	} else {
		p.process = exec.Command("/bin/sh", "-c", `ulimit -n "$1" && exec "$0"`, filepath.Join(w.dir, "hmaproxy"), strconv.Itoa(files))
		p.process.Env = append(p.process.Env, w.env...)
		p.process.Env = append(p.process.Env, "HMA_LISTEN="+p.address, "HMA_ADMIN_LISTEN="+p.admin)
		if corporate != "" {
			p.process.Env = append(p.process.Env, fmt.Sprintf("HTTPS_PROXY=%s://%s:%d", corporate, corporateProxyName, corporateProxyPorts[corporate]), "NO_PROXY=127.0.0.1,localhost,[::1]")
		}
	}
	if w.verbose {
		p.process.Stderr = os.Stderr
	}
	if err := p.process.Start(); err != nil {
		return nil, err
	}
	if err := p.awaitReady(); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// startTime is how long a proxy may take to be ready, on a machine with other work.
const startTime = time.Minute

func (p *proxy) awaitReady() error {
	for end := time.Now().Add(startTime); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get("http://" + p.admin + "/ready")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
	}
	return fmt.Errorf("the proxy is not ready after %v", startTime)
}

// stop ends the proxy, if there is one.
func (p *proxy) stop() {
	if p != nil {
		_ = p.process.Process.Kill()
		_ = p.process.Wait()
	}
}
