package app

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"hmaproxy/internal/emulator"
)

// The variable "named" gives the three services host names that cannot be
// resolved.
var named = emulator.Config{
	EntraURL: "https://login.contoso.test", VaultURL: "https://hma.vault.azure.net", ExchangeURL: "https://mail.contoso.test",
}

// A corporateProxy opens tunnels to the emulator's services under any host name,
// and records the requested hosts.
type corporateProxy struct {
	emu    *emulator.Emulator
	status int // status of the response to CONNECT; 200 opens the tunnel

	mu        sync.Mutex
	requested []string
}

func (p *corporateProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.requested = append(p.requested, r.Method+" "+r.Host)
	p.mu.Unlock()
	if p.status != http.StatusOK {
		w.Header().Set("Proxy-Authenticate", "Basic")
		w.WriteHeader(p.status)
		return
	}
	there, err := p.emu.DialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	_, _ = io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() { _, _ = io.Copy(there, here); there.Close() }()
	_, _ = io.Copy(here, there)
}

func (p *corporateProxy) hosts() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	requested := slices.Clone(p.requested)
	slices.Sort(requested)
	return slices.Compact(requested)
}

func startCorporateProxy(t *testing.T, s *testProduct, status int) *corporateProxy {
	p := &corporateProxy{emu: s.emu, status: status}
	server := httptest.NewServer(p)
	t.Cleanup(server.CloseClientConnections)
	s.env["HTTPS_PROXY"] = server.URL
	delete(s.env, "HMA_EWS_CONNECT")
	return p
}

func TestCorporateProxyServesEveryOutgoingConnection(t *testing.T) {
	s := newTestProductOnSockets(t, named)
	defer s.close()
	p := startCorporateProxy(t, s, http.StatusOK)
	s.start().settle()
	want := []string{"CONNECT hma.vault.azure.net:443", "CONNECT login.contoso.test:443", "CONNECT mail.contoso.test:443"}
	if got := p.hosts(); !slices.Equal(got, want) {
		t.Errorf("the proxy was asked for %q", got)
	}
}

func TestCorporateProxyWithoutCredentialsIsExplained(t *testing.T) {
	s := newTestProductOnSockets(t, named)
	defer s.close()
	startCorporateProxy(t, s, http.StatusProxyAuthRequired)
	s.start()
	a := s.ask()
	if a.status != 500 || !strings.Contains(a.text, "ErrorServerBusy") || a.header.Get("Proxy-Authenticate") != "" {
		t.Errorf("got %+v", a)
	}
	if text := s.log.text(); !strings.Contains(text, "407") || !strings.Contains(text, "HTTPS_PROXY") {
		t.Errorf("the log does not name the remedy:\n%s", text)
	}
}

func TestNoProxyExcludesHost(t *testing.T) {
	s := newTestProductOnSockets(t, named)
	defer s.close()
	p := startCorporateProxy(t, s, http.StatusOK)
	s.env["NO_PROXY"] = "mail.contoso.test"
	direct := s.emu.Exchange().Addr()
	s.env["HMA_EWS_CONNECT"] = direct // the product needs this address, because the name in HMA_EWS_URL cannot be resolved
	s.start().settle()
	if got := p.hosts(); slices.ContainsFunc(got, func(h string) bool { return strings.Contains(h, "mail") || strings.Contains(h, direct) }) {
		t.Errorf("the proxy was asked for %q", got)
	}
}

func TestEWSConnectChangesAddressAndKeepsName(t *testing.T) {
	s := newTestProductOnSockets(t, emulator.Config{ExchangeURL: "https://mail.contoso.test"})
	defer s.close()
	if _, port, err := net.SplitHostPort(s.env["HMA_EWS_CONNECT"]); err != nil || port == "" {
		t.Fatalf("HMA_EWS_CONNECT is %q", s.env["HMA_EWS_CONNECT"])
	}
	s.start().settle()
	if hop := s.emu.Exchange().LastHop(); hop.Host != "mail.contoso.test" || !hop.Executed {
		t.Errorf("Exchange was called as %q", hop.Host)
	}
}
