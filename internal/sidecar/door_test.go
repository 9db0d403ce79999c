package sidecar

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"hmaproxy/internal/config"
	"hmaproxy/internal/emulator"
	"hmaproxy/internal/filewatch"
	"hmaproxy/internal/memnet"
)

// organisation is shared by tests: its keys take a while to make.
var organisation = sync.OnceValues(func() (*emulator.Certificate, error) {
	return emulator.NewCertificate(emulator.CertOptions{})
})

// A house is the whole product in simulated time, before emulated services.
type house struct {
	t      *testing.T
	clock  *emulator.Emulator
	client *http.Client
	admin  *http.Client
	log    lockedBuffer
}

// lockedBuffer collects a log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take returns what was written since the last time.
func (l *lockedBuffer) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}

// enter starts the product with further settings. It must be called in a
// bubble; the function that it returns ends it.
func enter(t *testing.T, extra ...string) (h *house, end func()) {
	t.Helper()
	cert, err := organisation()
	if err != nil {
		t.Fatal(err)
	}
	e, err := emulator.New(emulator.Config{Cert: cert})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.StartPipes(); err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, e.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := append([]string{"HMA_CA_FILE=" + ca}, extra...)
	for name, value := range e.Env() {
		environ = append(environ, name+"="+value)
	}
	c, err := config.Load(environ, os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	h = &house{t: t, clock: e}
	network := memnet.New()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		ended <- Run(ctx, Options{
			Config: c, Log: slog.New(slog.NewTextHandler(&h.log, nil)), Dial: e.DialContext,
			Listen:  network.Listen,
			Started: func([]net.Addr, net.Addr) { close(started) },
		})
	}()
	<-started
	through := func(address string) *http.Client {
		return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return network.DialContext(ctx, "tcp", address)
		}}}
	}
	h.client, h.admin = through("127.0.0.1:8080"), through("127.0.0.1:8081")
	return h, func() {
		h.client.CloseIdleConnections()
		h.admin.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		e.Close()
	}
}

// post asks for a mailbox's folder and returns the answer's status and headers.
func (h *house) post(mailbox, user, password string) (int, http.Header) {
	h.t.Helper()
	const ns = "http://schemas.microsoft.com/exchange/services/2006/"
	body := `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:t="` + ns + `types" xmlns:m="` + ns + `messages"><s:Header>` +
		`<t:ExchangeImpersonation><t:ConnectingSID><t:SmtpAddress>` + mailbox + `</t:SmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>` +
		`</s:Header><s:Body><m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>` +
		`<m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder></s:Body></s:Envelope>`
	r, err := http.NewRequest(http.MethodPost, "http://localhost:8080/EWS/Exchange.asmx", strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/xml")
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	resp, err := h.client.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header
}

// ready returns what the readiness probe says.
func (h *house) ready() string {
	h.t.Helper()
	resp, err := h.admin.Get("http://localhost:8081/ready")
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text)
}

// TestClientUsersOfTheWholeProduct is the door in the whole product: who has no password that is
// right now causes no request to Exchange.
func TestClientUsersOfTheWholeProduct(t *testing.T) {
	crm := "crm:" + hashOf(t, "crm-canary-1") + "\n"
	archive := "archive:" + hashOf(t, "archive-canary-2") + " alice@contoso.com\n"
	file := write(t, crm+archive)
	synctest.Test(t, func(t *testing.T) {
		h, end := enter(t, "HMA_CLIENT_USERS_FILE="+file, "HMA_ALLOWED_MAILBOXES=alice@contoso.com,bob@contoso.com")
		defer end()
		time.Sleep(time.Second)
		expect := func(name, mailbox, user, password string, want, arrivals int) {
			t.Helper()
			before := h.clock.Exchange().Count()
			status, header := h.post(mailbox, user, password)
			if status != want || h.clock.Exchange().Count()-before != arrivals {
				t.Errorf("%s: answered %d %s, %d requests reached Exchange", name, status, header.Get("X-Hmaproxy-Error"), h.clock.Exchange().Count()-before)
			}
			if asked := header["Www-Authenticate"]; (want == http.StatusUnauthorized) != (len(asked) == 1 && strings.HasPrefix(asked[0], "Basic ")) {
				t.Errorf("%s: WWW-Authenticate %q", name, asked)
			}
		}
		expect("nobody", "alice@contoso.com", "", "", 401, 0)
		expect("wrong", "alice@contoso.com", "crm", "guess-canary-3", 401, 0)
		expect("unknown", "alice@contoso.com", "guess-canary-4", "crm-canary-1", 401, 0)
		expect("right", "bob@contoso.com", "crm", "crm-canary-1", 200, 1)
		expect("off the list", "ceo@contoso.com", "crm", "crm-canary-1", 500, 0)
		expect("narrowed", "alice@contoso.com", "archive", "archive-canary-2", 200, 1)
		expect("narrowed away", "bob@contoso.com", "archive", "archive-canary-2", 500, 0)
		if log := h.log.take(); !strings.Contains(log, "client=archive") || strings.Contains(log, "canary") || strings.Contains(log, "$2a$") {
			t.Errorf("log: %s", log)
		}

		replace := func(content string) {
			t.Helper()
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2*filewatch.Interval + time.Second)
		}
		replace(archive)
		expect("taken off the file", "bob@contoso.com", "crm", "crm-canary-1", 401, 0)
		if log := h.log.take(); !strings.Contains(log, "changed file reloaded") {
			t.Errorf("log: %s", log)
		}
		replace("archive:canary-5\n")
		expect("after a bad file", "alice@contoso.com", "archive", "archive-canary-2", 200, 1)
		if text := h.ready(); !strings.Contains(text, "ok") || !strings.Contains(text, "alarm: HMA_CLIENT_USERS_FILE") || strings.Contains(text, "canary") {
			t.Errorf("readiness: %s", text)
		}
		if log := h.log.take(); !strings.Contains(log, "changed file not reloaded") || strings.Contains(log, "canary") {
			t.Errorf("log: %s", log)
		}
		replace(crm)
		expect("back again", "alice@contoso.com", "crm", "crm-canary-1", 200, 1)
		if text := h.ready(); strings.Contains(text, "alarm") {
			t.Errorf("readiness: %s", text)
		}
		h.log.take()
		for range strangerBurst + 3 {
			expect("guessing", "alice@contoso.com", "crm", "guess", 401, 0)
		}
		if n := strings.Count(h.log.take(), "msg=request"); n == 0 || n > strangerBurst {
			t.Errorf("%d lines for %d guesses", n, strangerBurst+3)
		}
	})
}

// hashOf is a hash as the users' file may hold it.
func hashOf(t *testing.T, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), config.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}
