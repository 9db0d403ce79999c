package statuspage

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"hmaproxy/internal/health"
	"hmaproxy/internal/outcome"
	"hmaproxy/proxy"
	"hmaproxy/token"
)

// newTestAdmin returns the pages of an hmaproxy that has no token yet.
func newTestAdmin(t testing.TB) *Admin {
	t.Helper()
	return New(Config{
		Version: "v1.2.3", Exchange: "https://mail.contoso.com/EWS/Exchange.asmx",
		Source:    CertificateSource{From: "file", Name: "/etc/hmaproxy/cert.pem", KeyMode: "memory"},
		Health:    func() health.State { return health.State{NotReady: &health.NotReady{Cause: health.NoTokenYet}} },
		Token:     func() token.Status { return token.Status{} },
		AllowList: func() AllowList { return AllowList{Mode: "enforce", Scope: "impersonated", Entries: 1} },
		Responses: func() health.ExchangeState { return health.ExchangeState{} },
		Allows:    func(address string) bool { return address == "alice@contoso.com" },
		Metrics:   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics") }),
	})
}

// ask sends a request as a program on this machine does. header contains names
// and values. The names "method", "peer", "local" and "Host" set the request's
// method, its addresses and its Host.
func ask(a *Admin, uri string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, uri, nil)
	r.RemoteAddr, r.Host = "127.0.0.1:50000", "127.0.0.1:8081"
	local := "127.0.0.1:8081"
	for i := 0; i < len(header); i += 2 {
		switch name, value := header[i], header[i+1]; name {
		case "method":
			r.Method = value
		case "peer":
			r.RemoteAddr = value
		case "local":
			local = value
		case "Host":
			r.Host = value
		default:
			r.Header.Add(name, value)
		}
	}
	if local != "" {
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(local))))
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

func done(a *Admin, r *proxy.Record) { a.Done(r, outcome.Of(r)) }

// newTestRecord returns the record of a served GetFolder, changed by edit.
func newTestRecord(edit func(*proxy.Record)) *proxy.Record {
	r := &proxy.Record{
		ID: "7f3c", Start: time.Now(), Duration: 20 * time.Millisecond, Remote: "127.0.0.1:40000", Method: "POST",
		Operation: "GetFolder", Known: "GetFolder", Mailbox: "alice@contoso.com", Status: 200, Upstream: 200,
	}
	if edit != nil {
		edit(r)
	}
	return r
}

func TestHistoryDoesNotAllocate(t *testing.T) {
	a, r := newTestAdmin(t), newTestRecord(nil)
	if n := testing.AllocsPerRun(1000, func() { done(a, r) }); n != 0 {
		t.Errorf("%v allocations per request", n)
	}
}
