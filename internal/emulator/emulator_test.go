package emulator_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/emulator"
)

// TestImportsNothingOfTheProduct checks that the emulator's packages import only
// the standard library, each other, and memnet, which has no code of the product.
// Tests may import more.
func TestImportsNothingOfTheProduct(t *testing.T) {
	const own = "hmaproxy/internal/emulator/"
	seen := map[string]int{} // files, by folder
	err := filepath.WalkDir(".", func(file string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		seen[filepath.Dir(file)]++
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range f.Imports {
			path, err := strconv.Unquote(i.Path.Value)
			first, _, _ := strings.Cut(path, "/")
			if err != nil || strings.Contains(first, ".") || first == "hmaproxy" && !strings.HasPrefix(path, own) && path != "hmaproxy/internal/memnet" || path == "testing" {
				t.Errorf("%s imports %s", file, i.Path.Value)
			}
		}
		return nil
	})
	if err != nil || seen["."] == 0 || seen["device"] == 0 || seen["exchange"] == 0 {
		t.Fatalf("files read: %v, %v", seen, err)
	}
}

func TestStartListensOnLoopbackWithTLS(t *testing.T) {
	e := listening(t, emulator.Config{})
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(e.CAPEM()) {
		t.Fatal("CAPEM is not PEM")
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer client.CloseIdleConnections()
	for _, s := range []interface{ URL() string }{e.Entra(), e.KeyVault(), e.Exchange()} {
		u, err := url.Parse(s.URL())
		if err != nil || u.Hostname() != "127.0.0.1" {
			t.Errorf("URL %s, %v", s.URL(), err)
		}
		resp, err := client.Get(s.URL())
		if err != nil {
			t.Fatal(err)
		}
		readAll(t, resp)
	}
	x := &ews{t: t, e: e, client: client, token: hmaToken(t, e, client), header: http.Header{}}
	x.call(getInbox)
}

// listening returns an emulator on TCP.
func listening(t *testing.T, c emulator.Config) *emulator.Emulator {
	t.Helper()
	c.SigningKey = signingKey()
	c.Cert = newCert(t, emulator.CertOptions{})
	e, err := emulator.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestServeRefusesListenerBeyondLoopback(t *testing.T) {
	e, err := emulator.New(emulator.Config{Cert: newCert(t, emulator.CertOptions{})})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(10*time.Second, e.Close).Stop() // ends Serve if Serve accepts the listener by mistake
	if err := e.Entra().Serve(l); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("error: %v", err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("the listener is still open")
	}
}

func TestEnvOfTheEmulator(t *testing.T) {
	e := listening(t, emulator.Config{ExchangeURL: "https://mail.contoso.com", TenantID: "tid"})
	c := e.Config()
	want := map[string]string{
		"HMA_EWS_URL":                 "https://mail.contoso.com/EWS/Exchange.asmx",
		"HMA_RESOURCE_ID":             "https://mail.contoso.com",
		"HMA_EWS_CONNECT":             e.Exchange().Addr(),
		"HMA_TENANT_ID":               "tid",
		"HMA_APP_ID":                  c.HMAAppID,
		"HMA_KEY_VAULT_URI":           e.KeyVault().URL(),
		"HMA_KEY_VAULT_CERT_NAME":     "HMA-Cert",
		"HMA_KEY_VAULT_APP_ID":        c.VaultAppID,
		"HMA_KEY_VAULT_CLIENT_SECRET": c.VaultSecret,
		"HMA_AUTHORITY_HOST":          e.Entra().URL(),
	}
	if got := e.Env(); !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if c.VaultSecret == "" || e.Exchange().Addr() == "" {
		t.Error("a setting is empty")
	}
	client := e.Client()
	defer client.CloseIdleConnections()
	x := &ews{t: t, e: e, client: client, token: hmaToken(t, e, client), header: http.Header{}}
	x.call(getInbox)
	if got := x.e.Exchange().LastHop().Host; got != "mail.contoso.com" {
		t.Errorf("Host is %q", got)
	}
}

func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		fault  emulator.Fault
		status int // 0: no response
		body   int // number of bytes in the response's body; -1: the body is cut short
	}{
		"status":            {emulator.Fault{Status: 503}, 503, 0},
		"page":              {emulator.Fault{Status: 502, Body: "<html>Bad Gateway</html>"}, 502, 24},
		"redirect":          {emulator.Fault{Status: 307, Header: http.Header{"Location": {"https://elsewhere.example/"}}}, 307, 0},
		"huge":              {emulator.Fault{Status: 200, Body: "{", Filler: 5 << 20}, 200, 5<<20 + 1},
		"dropped":           {emulator.Fault{Drop: true}, 0, 0},
		"cut short":         {emulator.Fault{TruncateAt: 20}, 200, -1},
		"proper but slow":   {emulator.Fault{Latency: time.Millisecond}, 200, 0},
		"matches only POST": {emulator.Fault{Status: 500, Match: func(r *http.Request) bool { return r.Method == "POST" }}, 200, 0},
	} {
		t.Run(name, func(t *testing.T) {
			e, client := start(t, emulator.Config{})
			e.Entra().Inject(1, c.fault)
			resp, err := client.Get(e.Entra().URL() + "/common/discovery/instance")
			if c.status == 0 {
				if err == nil {
					t.Error("a response arrived")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			if resp.StatusCode != c.status || c.body > 0 && len(b) != c.body || (err != nil) != (c.body < 0) {
				t.Errorf("status %d, %d bytes, %v", resp.StatusCode, len(b), err)
			}
			if hop := e.Entra().LastHop(); hop.Status != c.status || c.body > 0 && hop.Sent != int64(c.body) {
				t.Errorf("hop: %+v", hop)
			}
		})
	}
}

func TestFaultsApplyInOrderOfInjection(t *testing.T) {
	e, client := start(t, emulator.Config{})
	broken := true
	e.Entra().Inject(2, emulator.Fault{Status: 503, Header: http.Header{"Retry-After": {"7"}}})
	e.Entra().InjectWhile(func() bool { return broken }, emulator.Fault{Status: 429})
	get := func() int {
		resp, err := client.Get(e.Entra().URL() + "/common/discovery/instance")
		if err != nil {
			t.Fatal(err)
		}
		readAll(t, resp)
		if resp.StatusCode == 503 && resp.Header.Get("Retry-After") != "7" {
			t.Errorf("Retry-After is %q", resp.Header.Get("Retry-After"))
		}
		return resp.StatusCode
	}
	got := []int{get(), get(), get(), get()}
	broken = false
	got = append(got, get())
	if want := []int{503, 503, 429, 429, 200}; !slices.Equal(got, want) {
		t.Errorf("statuses %v, want %v", got, want)
	}
	if n := e.Entra().Count(); n != 5 {
		t.Errorf("%d requests", n)
	}
}

func TestTokenWithoutExpiresIn(t *testing.T) {
	e, client := start(t, emulator.Config{})
	e.Entra().Inject(1, emulator.Fault{NoExpiresIn: true})
	got := postToken(t, client, tokenURL(e), secretForm(e))
	if got.Token == "" || got.ExpiresIn != 0 {
		t.Errorf("response: %+v", got)
	}
}

func TestHangEndsWithTheClientOrTheEmulator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, client := start(t, emulator.Config{})
		e.KeyVault().Inject(2, emulator.Fault{Hang: true})
		impatient := *client
		impatient.Timeout = time.Hour
		began := time.Now()
		if _, err := impatient.Get(e.KeyVault().URL()); err == nil || time.Since(began) != time.Hour {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		time.AfterFunc(48*time.Hour, e.Close)
		if _, err := client.Get(e.KeyVault().URL()); err == nil {
			t.Error("a response arrived")
		}
		if got := time.Since(began); got != 49*time.Hour {
			t.Errorf("the emulator closed after %v", got)
		}
	})
}

func TestStopRefusesConnectionsUntilRestart(t *testing.T) {
	for name, up := range map[string]func(*emulator.Emulator) error{
		"TCP": (*emulator.Emulator).Start, "pipes": (*emulator.Emulator).StartPipes,
	} {
		t.Run(name, func(t *testing.T) {
			e, err := emulator.New(emulator.Config{Cert: newCert(t, emulator.CertOptions{})})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			if err := up(e); err != nil {
				t.Fatal(err)
			}
			client, target := e.Client(), e.KeyVault().URL()+"/secrets/x"
			defer client.CloseIdleConnections()
			e.KeyVault().Stop()
			if _, err := client.Get(target); err == nil {
				t.Error("a response arrived")
			}
			if err := e.KeyVault().Restart(); err != nil {
				t.Fatal(err)
			}
			resp, err := client.Get(target)
			if err != nil {
				t.Fatal(err)
			}
			readAll(t, resp)
			if e.KeyVault().URL()+"/secrets/x" != target || resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: status %d", e.KeyVault().URL(), resp.StatusCode)
			}
		})
	}
}

func TestObserverSeesEveryHop(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	x := newEWS(t, emulator.Config{Observe: func(h emulator.Hop) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, h.Service+" "+h.Method+" "+strconv.Itoa(h.Status))
	}})
	x.call(getInbox)
	x.e.Close()
	if want := []string{"entra POST 200", "exchange POST 200"}; !slices.Equal(seen, want) {
		t.Errorf("hops %q, want %q", seen, want)
	}
}

func TestHopsAreCopies(t *testing.T) {
	e, client := start(t, emulator.Config{})
	postToken(t, client, tokenURL(e), secretForm(e))
	e.Entra().Hops()[0].Header.Set("Content-Type", "changed")
	e.Entra().Hops()[0].Form.Set("grant_type", "changed")
	got := e.Entra().LastHop()
	if got.Header.Get("Content-Type") == "changed" || got.Form.Get("grant_type") != "client_credentials" {
		t.Errorf("hop: %+v", got)
	}
	e.Entra().ClearHops()
	if len(e.Entra().Hops()) != 0 || e.Entra().Count() != 0 || e.Entra().LastHop().Service != "" {
		t.Error("a hop remains after ClearHops")
	}
}

func TestManyClientsAtOnce(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				resp, err := x.client.Do(x.request(soapEnvelope(asAlice, createDraft)))
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				x.e.Exchange().Hops()
			}
		})
	}
	wg.Wait()
	if n := len(x.e.Exchange().Subjects("alice@contoso.com", "drafts")); n != 40 || x.e.Exchange().Executed("CreateItem") != 40 {
		t.Errorf("%d drafts", n)
	}
}

func TestClosedEmulatorServesNoRequests(t *testing.T) {
	e, client := start(t, emulator.Config{})
	e.Close()
	e.Close()
	if _, err := client.Get(e.Entra().URL()); err == nil {
		t.Error("a response arrived")
	}
	if err := e.Start(); err == nil {
		t.Error("a closed emulator started")
	}
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("recovered %v", err)
		}
	}()
	e.Entra().ServeHTTP(nil, nil)
}

func ExampleEmulator() {
	e, err := emulator.New(emulator.Config{Mailboxes: []string{"alice@contoso.com"}})
	if err != nil {
		panic(err)
	}
	defer e.Close()
	if err := e.Start(); err != nil {
		panic(err)
	}
	env := e.Env() // set these for the program under test, and HMA_CA_FILE to a file with e.CAPEM()
	_ = env["HMA_EWS_URL"]

	e.Entra().Inject(3, emulator.Fault{Status: http.StatusServiceUnavailable})
	version := e.KeyVault().Upload("HMA-Cert", e.Certificate())
	e.KeyVault().Disable(version)
	// Output:
}
