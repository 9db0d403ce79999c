//go:build linux

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/ewstest"
)

// Addresses on the link. Exchange has two of them.
var (
	exchangeA   = netip.MustParseAddr("10.77.0.2")
	exchangeB   = netip.MustParseAddr("10.77.0.3")
	unreachable = netip.MustParseAddr("10.77.0.9") // only in DNS, not on the network
)

const (
	exchangeName       = "mail.contoso.test"
	corporateProxyName = "proxy.contoso.test"
)

// An environment is the network and the programs that run in it.
type environment struct {
	ctx     context.Context
	dir     string
	verbose bool
	nginx   bool // the proxy is nginx
	link    *link
	names   nameServer
	env     []string // settings of hmaproxy

	exchange    *exec.Cmd
	exchangeIn  io.Writer
	exchangeOut *bufio.Scanner
	ledger      func() (map[string]int, error) // returns how often Exchange has executed each request
	emulator    *emulator.Emulator             // Entra ID and Key Vault
	proxy       *proxy

	ids      atomic.Int64
	mu       sync.Mutex
	outcomes map[string]outcome
	failures []failure // of requests that had to end in a certain way
}

// An outcome is the result of a client's request.
type outcome struct {
	executed string // whether Exchange executed the request, according to the response: "yes", "no" or "unknown"
	wrong    bool   // the response belongs to another request, or is one that hmaproxy must not send
	took     time.Duration
	waited   time.Duration // took without Exchange's working time; 0 for a stream
	ended    time.Time
	what     string
}

func runInside(ctx context.Context, inside string, p plan) error {
	dir, id, _ := strings.Cut(inside, ",")
	w := &environment{ctx: ctx, dir: dir, verbose: p.verbose, nginx: p.nginx, outcomes: map[string]outcome{}}
	w.link = &link{random: mathrand.New(mathrand.NewPCG(p.seed, 0)), known: map[flow]bool{}}
	if err := w.connect(id); err != nil {
		return err
	}
	if err := w.startServices(id); err != nil {
		return err
	}
	defer func() { _ = w.exchange.Process.Kill() }()
	defer func() { w.proxy.stop() }()
	if p.soak > 0 {
		return w.soak(p)
	}
	return w.runFaults(p)
}

// connect makes the link between the two namespaces.
func (w *environment) connect(id string) error {
	clientName, serverName := namespaces(id)
	clientTUN, err := openTUN(clientName, "hma0", "10.77.0.1/24")
	if err != nil {
		return err
	}
	serverTUN, err := openTUN(serverName, "hma0", exchangeA.String()+"/24", exchangeB.String()+"/24")
	if err != nil {
		return err
	}
	go w.link.forward(toServer, clientTUN, serverTUN)
	go w.link.forward(toClient, serverTUN, clientTUN)
	return nil
}

// startServices starts DNS, Entra ID and Key Vault in this namespace, and
// Exchange at the other end of the link.
func (w *environment) startServices(id string) error {
	w.names.set(0, exchangeA)
	if err := w.names.serve(); err != nil {
		return err
	}
	e, err := emulator.New(emulator.Config{ExchangeURL: "https://" + exchangeName})
	if err != nil {
		return err
	}
	w.emulator = e
	if err := e.Start(); err != nil {
		return err
	}
	root, err := w.writeCertificates()
	if err != nil {
		return err
	}
	ca := filepath.Join(w.dir, "ca.pem")
	if err := os.WriteFile(ca, append(e.CAPEM(), root...), 0o600); err != nil {
		return err
	}
	for name, value := range e.Env() {
		if name != "HMA_EWS_CONNECT" {
			w.env = append(w.env, name+"="+value)
		}
	}
	w.env = append(w.env, "HMA_CA_FILE="+ca, "HMA_ALLOWED_MAILBOXES_FILE="+w.listFile(), "HMA_CERT_POLL_INTERVAL=10s")
	if err := w.writeList(mailbox); err != nil {
		return err
	}
	_, serverName := namespaces(id)
	w.exchange = exec.Command("ip", "netns", "exec", serverName, os.Args[0], "-exchange", w.dir)
	w.exchange.Stderr = os.Stderr
	in, inErr := w.exchange.StdinPipe()
	out, outErr := w.exchange.StdoutPipe()
	if err := errors.Join(inErr, outErr, w.exchange.Start()); err != nil {
		return err
	}
	w.exchangeIn, w.exchangeOut = in, bufio.NewScanner(out)
	w.ledger = w.readLedger
	w.exchangeOut.Buffer(nil, 16<<20)
	if !w.exchangeOut.Scan() {
		return errors.New("the emulated Exchange did not start")
	}
	return nil
}

// writeCertificates writes the certificate and key of Exchange and the corporate
// proxy, and returns the certificate, which is its own root.
func (w *environment) writeCertificates() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: exchangeName}, DNSNames: []string{exchangeName, corporateProxyName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return certificate, errors.Join(
		os.WriteFile(filepath.Join(w.dir, "server.pem"), certificate, 0o600),
		os.WriteFile(filepath.Join(w.dir, "server-key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
}

// mailbox is on the allow-list at all times.
const mailbox = "alice@contoso.com"

func (w *environment) listFile() string { return filepath.Join(w.dir, "mailboxes.txt") }

// writeList replaces the file of the allow-list.
func (w *environment) writeList(mailboxes ...string) error {
	next := w.listFile() + ".new"
	if err := os.WriteFile(next, []byte(strings.Join(mailboxes, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(next, w.listFile())
}

// A request is one request of a client.
type request struct {
	mailbox string        // "": the constant mailbox
	think   time.Duration // working time of Exchange, or duration of a stream
	size    int           // bytes of padding
	stream  bool
}

func (r request) text(id string) []byte {
	padding := strings.Repeat(" ", r.size)
	operation := `<m:GetFolder>` + padding + `<m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds><t:FolderId Id="` + id + "." + strconv.FormatInt(r.think.Milliseconds(), 10) + `"/></m:FolderIds></m:GetFolder>`
	if r.stream {
		operation = `<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId Id="` + id + "." + strconv.FormatInt(r.think.Milliseconds(), 10) + `">x</t:SubscriptionId></m:SubscriptionIds><m:ConnectionTimeout>30</m:ConnectionTimeout></m:GetStreamingEvents>`
	}
	return []byte(ewstest.Envelope(cmp.Or(r.mailbox, mailbox), operation))
}

// requestID returns the id of the request with a number.
func requestID(number int64) string { return fmt.Sprintf("r%d", number) }

// send sends a request to w.proxy and records its outcome.
func (w *environment) send(ctx context.Context, r request) outcome { return w.sendTo(ctx, w.proxy, r) }

// sendTo sends a request to a proxy and records its outcome.
func (w *environment) sendTo(ctx context.Context, p *proxy, r request) outcome {
	id := requestID(w.ids.Add(1))
	began := time.Now()
	o := w.do(ctx, p, id, r)
	o.ended = time.Now()
	o.took = o.ended.Sub(began)
	if !r.stream {
		o.waited = max(0, o.took-r.think)
	}
	w.mu.Lock()
	w.outcomes[id] = o
	w.mu.Unlock()
	return o
}

func (w *environment) do(ctx context.Context, p *proxy, id string, r request) outcome {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.address+"/EWS/Exchange.asmx", bytes.NewReader(r.text(id)))
	if err != nil {
		return outcome{what: err.Error()}
	}
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	resp, err := p.client.Do(req)
	if err != nil {
		return outcome{executed: "unknown", what: "the client: " + err.Error()}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	reason := resp.Header.Get("X-Hmaproxy-Error")
	switch {
	case err != nil:
		return outcome{executed: "unknown", what: "cut off"}
	case strings.Contains(string(text), "<m:ConnectionStatus>Closed</m:ConnectionStatus>"):
		return outcome{executed: "yes", what: "ended"}
	case resp.StatusCode == http.StatusOK:
		return outcome{executed: "yes", wrong: !strings.HasSuffix(string(text), "<done>"+id+"</done>"), what: "ok"}
	case reason == "upstream-unreachable", reason == "mailbox-not-allowed":
		return outcome{executed: "no", what: reason}
	case reason == "":
		return outcome{executed: "unknown", wrong: !w.nginx, what: resp.Status}
	}
	return outcome{executed: "unknown", what: fmt.Sprintf("%s (%d)", reason, resp.StatusCode), wrong: resp.StatusCode != http.StatusInternalServerError}
}

// readLedger gets the ledger from the process of the emulated Exchange.
func (w *environment) readLedger() (map[string]int, error) {
	if _, err := io.WriteString(w.exchangeIn, "ledger\n"); err != nil {
		return nil, err
	}
	if !w.exchangeOut.Scan() {
		return nil, errors.New("the emulated Exchange has ended")
	}
	var ledger map[string]int
	return ledger, json.Unmarshal(w.exchangeOut.Bytes(), &ledger)
}
