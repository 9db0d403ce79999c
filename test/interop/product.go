package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// A product is a running binary of hmaproxy.
type product struct {
	cmd            *exec.Cmd
	clients, admin string // addresses
	done           chan struct{}

	mu     sync.Mutex
	output bytes.Buffer
}

// startProduct starts a product and waits until it is ready. In a cold scenario
// it waits only until the product listens.
func startProduct(ctx context.Context, w *environment, connect string) (*product, error) {
	env, err := w.settings(connect)
	if err != nil {
		return nil, err
	}
	p := &product{cmd: exec.Command(w.tools.binary), done: make(chan struct{})}
	p.cmd.Env = env
	out, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the product: %w", err)
	}
	started := make(chan bool, 1)
	go p.read(out, started)
	select {
	case <-started:
		if w.scenario.cold {
			return p, nil
		}
		return p, p.ready(ctx)
	case <-p.done:
		return p, fmt.Errorf("the product ended: %s", p.said())
	case <-ctx.Done():
		return p, ctx.Err()
	}
}

// read copies the product's log from out to p.output. It takes the addresses of
// the listeners from the line "started", and then sends a value to started.
func (p *product) read(out io.Reader, started chan<- bool) {
	defer close(p.done)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.mu.Lock()
		p.output.Write(append(lines.Bytes(), '\n'))
		p.mu.Unlock()
		var line struct{ Msg, Listen, Admin string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "started" {
			p.clients, p.admin = line.Listen, line.Admin
			started <- true
		}
	}
	p.cmd.Wait()
}

func (p *product) ready(ctx context.Context) error {
	for {
		resp, err := http.Get("http://" + p.admin + "/ready")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errors.New("the product did not become ready")
		case <-p.done:
			return fmt.Errorf("the product ended: %s", p.said())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *product) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// stop ends the product as an administrator does, and kills it after a timeout.
func (p *product) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		p.cmd.Process.Kill()
		<-p.done
	}
}
