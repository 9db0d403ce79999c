package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/ewstest"
)

// A product is a real hmaproxy in front of emulated services.
type product struct {
	*emulator.Emulator
	dir     string
	cmd     *exec.Cmd
	clients []string // addresses of the clients' listeners, from the log
	scheme  string
	client  *http.Client
}

// build compiles hmaproxy into dir and returns the path of the program.
func build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "hmaproxy")
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", path, "hmaproxy/cmd/hmaproxy")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return path, nil
}

// newProduct starts hmaproxy and the services; extra are further settings.
func newProduct(ctx context.Context, extra ...string) (*product, error) {
	return startProduct(ctx, "http", extra)
}

// newTLSProduct is like newProduct for a listener that uses TLS.
func newTLSProduct(ctx context.Context, extra ...string) (*product, error) {
	return startProduct(ctx, "https", extra)
}

func startProduct(ctx context.Context, scheme string, extra []string) (*product, error) {
	dir, err := os.MkdirTemp("", "door")
	if err != nil {
		return nil, err
	}
	s := &product{dir: dir, scheme: scheme}
	if err := s.start(ctx, extra); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *product) start(ctx context.Context, extra []string) error {
	binary, err := build(ctx, s.dir)
	if err != nil {
		return err
	}
	if s.Emulator, err = emulator.New(emulator.Config{}); err != nil {
		return err
	}
	if err := s.Start(); err != nil {
		return err
	}
	ca := filepath.Join(s.dir, "ca.pem")
	if err := os.WriteFile(ca, s.CAPEM(), 0o600); err != nil {
		return err
	}
	s.cmd = exec.CommandContext(ctx, binary)
	s.cmd.Env = append([]string{"HMA_CA_FILE=" + ca, "HMA_LISTEN=127.0.0.1:0", "HMA_ADMIN_LISTEN=off", "HMA_LOG_FORMAT=json"}, extra...)
	if s.scheme == "https" {
		certificate, key := filepath.Join(s.dir, "tls.pem"), filepath.Join(s.dir, "key.pem")
		if err := writePair(certificate, key); err != nil {
			return err
		}
		s.cmd.Env = append(s.cmd.Env, "HMA_TLS_CERT_FILE="+certificate, "HMA_TLS_KEY_FILE="+key)
	}
	for name, value := range s.Env() {
		s.cmd.Env = append(s.cmd.Env, name+"="+value)
	}
	log, err := s.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	return s.listen(log)
}

// listen reads the log until the listeners are open, and discards the rest of the
// log. It returns when hmaproxy has served a request.
func (s *product) listen(log io.Reader) error {
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var line struct{ Msg, Listen string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "started" {
			s.clients = strings.Split(line.Listen, ",")
			s.client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{
				DialContext: s.dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the certificate is self-signed
			}}
			go io.Copy(io.Discard, log)
			return s.warm()
		}
	}
	return errors.New("hmaproxy did not start")
}

func (s *product) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	network := "tcp"
	if strings.HasPrefix(s.clients[0], "/") {
		network = "unix"
	}
	return new(net.Dialer).DialContext(ctx, network, s.clients[0])
}

// warm sends requests until one succeeds, and then clears the emulator's record
// of requests. It returns an error if 2000 requests in a row fail.
func (s *product) warm() error {
	var err error
	for range 2000 {
		if _, err = s.post(); err == nil {
			s.Exchange().ClearHops()
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("a normal client's request: %w", err)
}

func (s *product) close() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		time.AfterFunc(5*time.Second, func() { _ = s.cmd.Process.Kill() })
		_ = s.cmd.Wait()
	}
	if s.Emulator != nil {
		s.Close()
	}
	os.RemoveAll(s.dir)
}

// envelope is a request that Exchange serves.
var envelope = ewstest.Envelope("alice@contoso.com", `<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>`+
	`<m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>`)

// post sends a normal client's request. It returns how long it took.
func (s *product) post() (time.Duration, error) {
	started := time.Now()
	resp, err := s.client.Post(s.scheme+"://localhost/EWS/Exchange.asmx", "text/xml", strings.NewReader(envelope))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, errors.New(resp.Status)
	}
	return time.Since(started), nil
}

// arrived returns the requests that reached Exchange since the last call of warm.
func (s *product) arrived() []string {
	var all []string
	for _, hop := range s.Exchange().Hops() {
		all = append(all, hop.Method+" "+hop.Path+" "+hop.Operation)
	}
	slices.Sort(all)
	return all
}
