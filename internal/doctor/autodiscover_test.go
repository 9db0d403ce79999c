package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hmaproxy/internal/health"
	"hmaproxy/internal/memnet"
	"hmaproxy/internal/privateca"
	"hmaproxy/proxy"
	"hmaproxy/proxy/policy"
)

// A surrounding holds the names, servers and trusted roots of a machine on
// which clients look for Exchange.
type surrounding struct {
	t       *testing.T
	network *memnet.Network
	places  map[string]string // maps host and port, such as "autodiscover.contoso.com:443", to an address in the network
	srv     string            // target of the service record; "": no record
	srvPort uint16            // port in the service record
	roots   *x509.CertPool
	age     time.Duration // time since the begin of the certificates
	left    time.Duration // time until the end of the certificates
	options AutodiscoverOptions
}

func newSurrounding(t *testing.T) *surrounding {
	s := &surrounding{t: t, network: memnet.New(), places: map[string]string{}, srvPort: 443, roots: x509.NewCertPool(), age: 2 * time.Hour, left: health.CertificateWarning + time.Minute}
	s.options = AutodiscoverOptions{Mailbox: "alice@contoso.com", Resolver: s, Dial: s.dial, Roots: s.roots, Temp: t.TempDir()}
	return s
}

func (s *surrounding) LookupHost(_ context.Context, host string) ([]string, error) {
	for place, address := range s.places {
		if name, _, _ := net.SplitHostPort(place); name == host {
			ip, _, _ := net.SplitHostPort(address)
			return []string{ip}, nil
		}
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func (s *surrounding) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	if s.srv == "" {
		return "", nil, &net.DNSError{Err: "no such host", IsNotFound: true}
	}
	return "", []*net.SRV{{Target: s.srv + ".", Port: s.srvPort}}, nil
}

func (s *surrounding) dial(ctx context.Context, network, address string) (net.Conn, error) {
	return s.network.DialContext(ctx, network, s.places[address])
}

// serve starts the server h at an address over TLS, with a certificate for names.
// The machine trusts the certificate unless the first name begins with
// "untrusted:". If there are no names, the server uses plain HTTP.
func (s *surrounding) serve(address string, h *http.Server, names ...string) {
	s.t.Helper()
	l, err := s.network.Listen(context.Background(), "tcp", address)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(names) > 0 {
		name, untrusted := strings.CutPrefix(names[0], "untrusted:")
		b, err := privateca.Issue(privateca.Request{Names: append([]string{name}, names[1:]...), Now: time.Now().Add(-s.age), Valid: s.age + s.left})
		if err != nil {
			s.t.Fatal(err)
		}
		if !untrusted {
			s.roots.AppendCertsFromPEM(b.Authority)
		}
		pair, err := tls.X509KeyPair(b.Chain, b.Key)
		if err != nil {
			s.t.Fatal(err)
		}
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}})
	}
	h.ErrorLog = log.New(io.Discard, "", 0)
	go h.Serve(l)
	s.t.Cleanup(func() { h.Close() })
}

// hmaproxy returns the product as a server that accepts the host names and serves
// Autodiscover. adjust may change the configuration.
func (s *surrounding) hmaproxy(adjust func(*proxy.Config), names ...string) *http.Server {
	s.t.Helper()
	entries, err := policy.ParsePatterns("alice@contoso.com")
	if err != nil {
		s.t.Fatal(err)
	}
	p, err := policy.New(policy.Config{Allowed: entries})
	if err != nil {
		s.t.Fatal(err)
	}
	c := proxy.Config{
		EWS: &url.URL{Scheme: "https", Host: "mail.contoso.com", Path: "/EWS/Exchange.asmx"}, Tokens: noTokens{}, Policy: func() *policy.Policy { return p },
		HostNames: names, Autodiscover: &proxy.Autodiscover{},
	}
	if adjust != nil {
		adjust(&c)
	}
	h, err := proxy.New(c)
	if err != nil {
		s.t.Fatal(err)
	}
	return h.Server(nil)
}

type noTokens struct{}

func (noTokens) Token(ctx context.Context) (string, error) { return "", context.Canceled }

// respondWith returns a server other than hmaproxy. It responds to every request
// with status and with the header, given as names and values in turn.
func respondWith(status int, header ...string) *http.Server {
	return &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	})}
}

const (
	atDomain = "contoso.com:443"
	atHost   = "autodiscover.contoso.com:443"
	atPlain  = "autodiscover.contoso.com:80"
	ourIP    = "127.0.0.1:443"
	otherIP  = "192.0.2.7:443"
)

// exchangeServer returns a server that responds as Exchange does to a request
// without credentials.
func exchangeServer() *http.Server {
	return respondWith(401, "X-SOAP-Enabled", "True", "WWW-Authenticate", "Negotiate", "X-FEServer", "EX01")
}

func TestAutodiscoverWalk(t *testing.T) {
	const host = "autodiscover.contoso.com"
	good := func(s *surrounding) {
		s.places[atHost] = ourIP
		s.serve(ourIP, s.hmaproxy(nil, host, "contoso.com"), host, "contoso.com")
	}
	for _, tc := range []struct {
		name  string
		setUp func(*surrounding)
		check string // text of the first failure; "": no failure
		want  string // text in the result of check, or in any result if check is ""
	}{
		{"works", good, "", "clients get https://autodiscover.contoso.com/EWS/Exchange.asmx, which leads to hmaproxy"},
		{"a web site at the domain", func(s *surrounding) {
			good(s)
			s.places[atDomain] = otherIP
			s.serve(otherIP, respondWith(404, "Content-Type", "text/html"), "contoso.com")
		}, "", "is not Exchange; clients go on"},
		{"Exchange at the domain", func(s *surrounding) {
			good(s)
			s.places[atDomain] = otherIP
			s.serve(otherIP, exchangeServer(), "contoso.com")
		}, "autodiscover-domain", "first location that leads to another server"},
		{"a redirect at the domain", func(s *surrounding) {
			good(s)
			s.places[atDomain] = otherIP
			s.serve(otherIP, respondWith(302, "Location", "https://autodiscover-s.outlook.com/autodiscover/autodiscover.xml"), "contoso.com")
		}, "autodiscover-domain", "a redirect to autodiscover-s.outlook.com"},
		{"Exchange at the domain with a certificate that nothing trusts", func(s *surrounding) {
			good(s)
			s.places[atDomain] = otherIP
			s.serve(otherIP, exchangeServer(), "untrusted:contoso.com")
		}, "", "does not trust; clients go on"},
		{"Exchange at the host", func(s *surrounding) {
			s.places[atHost] = otherIP
			s.serve(otherIP, exchangeServer(), host)
		}, "autodiscover-host", "first location that leads to another server"},
		{"Exchange in the service record", func(s *surrounding) {
			good(s)
			s.srv = "mail.contoso.com"
		}, "", "bypasses hmaproxy"},
		{"hmaproxy in the service record", func(s *surrounding) {
			s.srv, s.places["mail.contoso.com:443"] = "mail.contoso.com", ourIP
			s.serve(ourIP, s.hmaproxy(nil, "mail.contoso.com"), "mail.contoso.com")
		}, "", "clients get https://mail.contoso.com/EWS/Exchange.asmx, which leads to hmaproxy"},
		{"hmaproxy in the service record, at another port", func(s *surrounding) {
			s.srv, s.srvPort = "mail.contoso.com", 8443
			s.places["mail.contoso.com:8443"] = ourIP
			s.serve(ourIP, s.hmaproxy(nil, "mail.contoso.com"), "mail.contoso.com")
		}, "", "clients get https://mail.contoso.com:8443/EWS/Exchange.asmx, which leads to hmaproxy"},
		{"hmaproxy in the service record, which refuses the name", func(s *surrounding) {
			s.srv, s.places["mail.contoso.com:443"] = "mail.contoso.com", ourIP
			s.serve(ourIP, s.hmaproxy(nil), "mail.contoso.com")
		}, "autodiscover-srv", "HMA_HOST_NAMES=mail.contoso.com"},
		{"hmaproxy in the service record, with a certificate for another name", func(s *surrounding) {
			s.srv, s.places["mail.contoso.com:443"] = "mail.contoso.com", ourIP
			s.serve(ourIP, s.hmaproxy(nil, "mail.contoso.com"), host)
		}, "autodiscover-srv", "hmaproxy tls-setup mail.contoso.com autodiscover.contoso.com contoso.com"},
		{"nothing anywhere", func(s *surrounding) {}, "autodiscover-found", "no place leads to hmaproxy"},
		{"nothing responds", func(s *surrounding) { s.places[atHost] = ourIP }, "autodiscover-found", "no place leads to hmaproxy"},
		{"name that is not in HMA_HOST_NAMES", func(s *surrounding) {
			s.places[atHost] = ourIP
			s.serve(ourIP, s.hmaproxy(nil), host)
		}, "autodiscover-host", "HMA_HOST_NAMES=autodiscover.contoso.com"},
		{"HMA_AUTODISCOVER not set", func(s *surrounding) {
			s.places[atHost] = ourIP
			s.serve(ourIP, s.hmaproxy(func(c *proxy.Config) { c.Autodiscover = nil }, host), host)
		}, "autodiscover-host", "HMA_AUTODISCOVER is not set"},
		{"certificate for another name", func(s *surrounding) {
			s.places[atHost] = ourIP
			s.serve(ourIP, s.hmaproxy(nil, host), "ews-proxy.contoso.com")
		}, "autodiscover-host", "hmaproxy tls-setup autodiscover.contoso.com contoso.com"},
		{"certificate that is not trusted", func(s *surrounding) {
			s.places[atHost] = ourIP
			s.serve(ourIP, s.hmaproxy(nil, host), "untrusted:"+host)
		}, "autodiscover-host", "does not trust"},
		{"certificate that ends within 30 days", func(s *surrounding) {
			s.left = health.CertificateWarning - time.Minute
			good(s)
		}, "", "its certificate ends in 29 days: clients will refuse to connect"},
		{"certificate that has ended", func(s *surrounding) {
			s.left = -time.Hour
			good(s)
		}, "autodiscover-host", "it ended 60 min ago"},
		{"certificate that is not valid yet", func(s *surrounding) {
			s.age = -4 * time.Hour // Issue subtracts an hour, so the certificate begins in 3 hours
			good(s)
		}, "autodiscover-host", "it begins in 2 h"},
		{"mailbox that is not listed", func(s *surrounding) {
			good(s)
			s.options.Mailbox = "ceo@contoso.com"
		}, "autodiscover-mailbox", "HMA_ALLOWED_MAILBOXES=ceo@contoso.com"},
		{"no mailbox", func(s *surrounding) { s.options.Mailbox = "alice" }, "autodiscover-mailbox", "address of a mailbox"},
		{"URL that leads to Exchange", func(s *surrounding) {
			s.places[atHost], s.places["mail.contoso.com:443"] = ourIP, otherIP
			s.serve(otherIP, exchangeServer(), "mail.contoso.com")
			s.serve(ourIP, s.hmaproxy(func(c *proxy.Config) {
				c.Autodiscover.URL = &url.URL{Scheme: "https", Host: "mail.contoso.com", Path: "/EWS/Exchange.asmx"}
			}, host), host)
		}, "autodiscover-mailbox", "leads to another server"},
		{"client users", func(s *surrounding) {
			s.places[atHost] = ourIP
			s.serve(ourIP, s.hmaproxy(func(c *proxy.Config) {
				c.Client = func(context.Context, string, string, string) (*policy.Policy, error) {
					return nil, proxy.ErrCredentials
				}
			}, host), host)
		}, "", "asks for the credentials of a client user"},
		{"domain of Active Directory", func(s *surrounding) {
			good(s)
			s.options.Domain = "corp.contoso.com"
		}, "", "EnableScpLookup=false"},
		{"what exchangelib has kept", func(s *surrounding) {
			good(s)
			if err := os.WriteFile(filepath.Join(s.options.Temp, "exchangelib.2.cache.root.py311"), nil, 0o600); err != nil {
				s.t.Fatal(err)
			}
		}, "", "asks there first"},
		{"redirect without TLS", func(s *surrounding) {
			s.places[atPlain] = "192.0.2.7:80"
			s.serve("192.0.2.7:80", respondWith(301, "Location", "https://mail.contoso.com/autodiscover/autodiscover.xml"))
		}, "autodiscover-redirect", "a redirect to mail.contoso.com"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newSurrounding(t)
			tc.setUp(s)
			all := Autodiscover(t.Context(), s.options)
			first, texts := "", ""
			for _, r := range all {
				text := strings.Join(append(append([]string{r.Detail, r.Cause}, r.Repair...), append(r.Warnings, r.Notes...)...), "\n")
				if r.Status == Failed && first == "" {
					first, texts = r.Check, text
				}
				if first == "" {
					texts += text
				}
			}
			if first != tc.check || !strings.Contains(texts, tc.want) {
				t.Errorf("first failure %q, want %q that says %q:\n%s", first, tc.check, tc.want, texts)
			}
			if strings.Contains(texts, "certificate ends") != (tc.name == "certificate that ends within 30 days") {
				t.Errorf("about the end of the certificate:\n%s", texts)
			}
			if code := ExitCode(all); (code == exitOK) != (tc.check == "") {
				t.Errorf("exit code %d", code)
			}
		})
	}
}
