//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// A peer is a proxy that the benchmark can start in front of an Exchange.
type peer struct {
	name     string
	inspects bool // the peer checks the mailbox
	start    func(b *bench, ctx context.Context, upstream string) (*instance, error)
}

// An instance is a running peer.
type instance struct {
	*process
	peer
	address string        // host:port for clients
	ready   time.Duration // time from the start of the peer to its first correct response
}

func (i *instance) url() string { return "http://" + i.address }

const product = "hmaproxy"

// allPeers returns all peers, in the order of the tables.
func allPeers() []peer {
	return []peer{
		{"nginx-expat", true, startNginx("nginx-expat", "expat")},
		{"nginx-lua", true, startNginx("nginx-lua", "regex")},
		{"haproxy", true, startHAProxy},
		{"go-xml", true, startReference("go-xml", true)},
		{"nginx", false, startNginx("nginx", "")},
		{"caddy", false, startCaddy},
		{"go-plain", false, startReference("go-plain", false)},
	}
}

func peerNames() []string {
	var names []string
	for _, p := range allPeers() {
		names = append(names, p.name)
	}
	return names
}

// chosen returns the product and the selected peers.
func (b *bench) chosen() []peer {
	all := []peer{{product, true, startProduct(b.binary)}}
	if b.against != "" {
		all = append(all, peer{"other", true, startProduct(b.against)})
	}
	for _, p := range allPeers() {
		for _, name := range b.peers {
			if p.name == name {
				all = append(all, p)
			}
		}
	}
	return all
}

// launch starts a peer and waits for its first correct response. If upstream has
// an untrusted certificate, it only waits until the peer listens.
func (b *bench) launch(ctx context.Context, p peer, upstream string) (*instance, error) {
	i, err := p.start(b, ctx, upstream)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	i.peer = p
	if upstream == b.untrusted || upstream == b.misnamed {
		err = i.await(ctx, i.address)
	} else {
		err = i.awaitResponse(ctx)
	}
	if err != nil {
		i.stop()
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	i.ready = time.Since(i.began)
	return i, nil
}

// startTimeout limits the start of a peer.
const startTimeout = 15 * time.Second

// await waits until a process listens at the address.
func (p *process) await(ctx context.Context, address string) error {
	return p.poll(ctx, func() error {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err
	})
}

// awaitResponse waits until a valid request gets the expected response.
func (i *instance) awaitResponse(ctx context.Context) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return i.poll(ctx, func() error {
		status, _, err := post(ctx, client, i.url(), request())
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("the status is %d", status)
		}
		return err
	})
}

func (p *process) poll(ctx context.Context, try func() error) error {
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("it ended: %s", p.said())
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		if time.Since(began) > startTimeout {
			return fmt.Errorf("not ready after %v: %w: %s", startTimeout, err, p.said())
		}
	}
}

// settings returns the values for the templates in peers/.
func (b *bench) settings(listen, upstream string) map[string]any {
	_, port, _ := net.SplitHostPort(listen)
	return map[string]any{
		"Listen": listen, "Port": port, "Upstream": upstream, "Name": exchangeName,
		"CA": b.path("ca.pem"), "Token": b.token, "Inspect": "",
	}
}

// startNginx returns a function that starts nginx with the given kind of
// inspection. If inspect is "", nginx inspects nothing.
func startNginx(name, inspect string) func(*bench, context.Context, string) (*instance, error) {
	return func(b *bench, ctx context.Context, upstream string) (*instance, error) {
		listen := freeAddress()
		values := b.settings(listen, upstream)
		values["Inspect"] = inspect
		values["Scripts"] = b.dir
		dir, err := b.folder(name, "nginx.conf", values)
		if err != nil {
			return nil, err
		}
		p, err := b.start(ctx, dir, nil, "nginx", "-p", dir, "-e", "errors", "-c", filepath.Join(dir, "nginx.conf"))
		return &instance{process: p, address: listen}, err
	}
}

func startHAProxy(b *bench, ctx context.Context, upstream string) (*instance, error) {
	listen := freeAddress()
	dir, err := b.folder("haproxy", "haproxy.cfg", b.settings(listen, upstream))
	if err != nil {
		return nil, err
	}
	p, err := b.start(ctx, dir, nil, "haproxy", "-db", "-f", "haproxy.cfg")
	return &instance{process: p, address: listen}, err
}

func startCaddy(b *bench, ctx context.Context, upstream string) (*instance, error) {
	listen := freeAddress()
	dir, err := b.folder("caddy", "Caddyfile", b.settings(listen, upstream))
	if err != nil {
		return nil, err
	}
	p, err := b.start(ctx, dir, []string{"HOME=" + dir}, b.caddy, "run", "--adapter", "caddyfile", "--config", "Caddyfile")
	return &instance{process: p, address: listen}, err
}

func startReference(name string, inspect bool) func(*bench, context.Context, string) (*instance, error) {
	return func(b *bench, ctx context.Context, upstream string) (*instance, error) {
		listen := freeAddress()
		dir, err := b.folder(name, "", nil)
		if err != nil {
			return nil, err
		}
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		p, err := b.start(ctx, dir, []string{"TOKEN=" + b.token}, self, "reference", "-listen", listen, "-upstream", upstream,
			"-ca", b.path("ca.pem"), fmt.Sprintf("-inspect=%t", inspect))
		return &instance{process: p, address: listen}, err
	}
}

// startProduct returns a function that starts hmaproxy with further environment
// variables.
func startProduct(binary string, further ...string) func(*bench, context.Context, string) (*instance, error) {
	return func(b *bench, ctx context.Context, upstream string) (*instance, error) {
		listen := freeAddress()
		dir, err := b.folder(product, "", nil)
		if err != nil {
			return nil, err
		}
		var env []string
		for name, value := range b.emulator.Env() {
			env = append(env, name+"="+value)
		}
		// If a name has two values in env, the last one is valid.
		env = append(env, "HMA_EWS_URL=https://"+exchangeName+"/EWS/Exchange.asmx", "HMA_EWS_CONNECT="+upstream,
			"HMA_CA_FILE="+b.path("ca.pem"), "HMA_LISTEN="+listen, "HMA_ADMIN_LISTEN="+freeAddress(),
			"HMA_ALLOWED_MAILBOXES=alice@contoso.com", "HMA_LOG_FORMAT=json", "HMA_LOG_FILE="+filepath.Join(dir, "log"))
		env = append(env, further...)
		p, err := b.start(ctx, dir, env, binary)
		return &instance{process: p, address: listen}, err
	}
}
