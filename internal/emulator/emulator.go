package emulator

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hmaproxy/internal/emulator/device"
	"hmaproxy/internal/emulator/entra"
	"hmaproxy/internal/emulator/exchange"
	"hmaproxy/internal/emulator/keyvault"
	"hmaproxy/internal/emulator/pki"
	"hmaproxy/internal/emulator/service"
	"hmaproxy/internal/memnet"
)

// A Config describes the emulated organisation. The zero value describes
// contoso.com with the mailboxes alice, bob and ceo.
type Config struct {
	TenantID    string // default: "0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e47"
	HMAAppID    string // the application that may open mailboxes
	VaultAppID  string // the application that may read the vault
	VaultSecret string // client secret of VaultAppID
	CertName    string // name of the certificate in the vault; default: "HMA-Cert"

	// Mailboxes are primary SMTP addresses, which are also the user principal
	// names. Use Exchange.AddMailbox for mailboxes with aliases.
	Mailboxes []string

	TokenLifetime time.Duration // default: one hour
	RefreshIn     bool          // token responses contain refresh_in, half the token's lifetime

	// EntraURL, VaultURL and ExchangeURL are scheme and host as clients use
	// them. Empty means the URL of the service's own TCP listener. Without a
	// TCP listener it means a name such as https://mail.contoso.com. A client
	// with a URL that differs from the listener must connect to the listener
	// nevertheless; Emulator.Client does.
	EntraURL, VaultURL, ExchangeURL string

	// Resource is the service principal name under which Exchange is registered
	// in Entra. The default is the URL of Exchange.
	Resource string

	// Cert is the first certificate in the vault. New uploads it to the vault
	// and registers it in Entra. Nil means a new RSA 2048 certificate, valid
	// for a year.
	Cert *Certificate

	// SigningKey is Entra's first key. Nil means a new key, made when it is first
	// needed. Tests share one to save the time to make it.
	SigningKey *rsa.PrivateKey

	// Observe, when set, is called at the end of every request to any of the
	// services, by the goroutine that served it.
	Observe func(Hop)
}

// An Emulator consists of the three services, the authority of their TLS
// certificates, and their lifetime. It is safe for concurrent use.
type Emulator struct {
	config   Config
	life     *service.Lifetime
	ca       *pki.Authority
	cert     *Certificate
	entra    *Entra
	vault    *KeyVault
	exchange *Exchange
}

// New makes the authority of the TLS certificates and, unless Config.Cert is
// set, the first certificate. It uploads that certificate to the vault and
// registers it in Entra. It opens no listener: see Start, StartPipes and
// Service.Serve.
func New(config Config) (*Emulator, error) {
	e := &Emulator{config: config.withDefaults(), life: service.NewLifetime()}
	var err error
	if e.ca, err = pki.NewAuthority(); err != nil {
		return nil, fmt.Errorf("emulator: certificate authority: %w", err)
	}
	if e.cert = config.Cert; e.cert == nil {
		if e.cert, err = NewCertificate(CertOptions{}); err != nil {
			return nil, err
		}
	}
	c := e.config
	e.entra = entra.New(entra.Config{
		TenantID: c.TenantID, Domain: c.domain(), HMAAppID: c.HMAAppID, VaultAppID: c.VaultAppID, VaultSecret: c.VaultSecret,
		Resource: e.Resource, TokenLifetime: c.TokenLifetime, RefreshIn: c.RefreshIn, SigningKey: c.SigningKey,
	}, e.service(c.EntraURL))
	e.vault = keyvault.New(keyvault.Config{TenantID: c.TenantID, Issuer: e.entra, AppID: c.VaultAppID}, e.service(c.VaultURL))
	e.exchange = exchange.New(exchange.Config{
		TenantID: c.TenantID, Domain: c.domain(), Issuer: e.entra, Mailboxes: c.Mailboxes,
	}, e.service(c.ExchangeURL))
	e.vault.Upload(c.CertName, e.cert)
	e.entra.Register(e.cert)
	return e, nil
}

// service returns a configuration with the values that all services share.
func (e *Emulator) service(url string) service.Config {
	return service.Config{URL: url, Lifetime: e.life, TLS: e.TLSConfig, Observe: e.config.Observe}
}

func (c Config) withDefaults() Config {
	fallback := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fallback(&c.TenantID, "0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e47")
	fallback(&c.HMAAppID, "6a1de0b4-41c7-4c2f-8f5d-93f0b7a2d611")
	fallback(&c.VaultAppID, "b87c2d35-0e94-4f6a-a1c8-5d7e3b9f0a26")
	fallback(&c.VaultSecret, "fake~vault.secret-"+service.RandomHex(8))
	fallback(&c.CertName, "HMA-Cert")
	if c.Mailboxes == nil {
		c.Mailboxes = []string{"alice@contoso.com", "bob@contoso.com", "ceo@contoso.com"}
	}
	if c.TokenLifetime == 0 {
		c.TokenLifetime = time.Hour
	}
	return c
}

// domain returns the domain of the first mailbox, or contoso.com if there is no
// mailbox.
func (c Config) domain() string {
	if len(c.Mailboxes) > 0 {
		_, domain, _ := strings.Cut(c.Mailboxes[0], "@")
		return domain
	}
	return "contoso.com"
}

// Entra returns the identity provider.
func (e *Emulator) Entra() *Entra { return e.entra }

// KeyVault returns the vault.
func (e *Emulator) KeyVault() *KeyVault { return e.vault }

// Exchange returns the mail server.
func (e *Emulator) Exchange() *Exchange { return e.exchange }

// Certificate returns the first certificate: the one that New uploaded.
func (e *Emulator) Certificate() *Certificate { return e.cert }

// Config returns the configuration with its defaults filled in.
func (e *Emulator) Config() Config { return e.config }

func (e *Emulator) services() []*Service {
	return []*Service{e.entra.Service, e.vault.Service, e.exchange.Service}
}

// Start opens a TLS listener for each service on a free port of 127.0.0.1.
func (e *Emulator) Start() error {
	return e.start(func(string) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") })
}

// StartPipes serves TLS over in-memory connections, which Client opens. Unlike
// sockets, they block durably in a testing/synctest bubble.
func (e *Emulator) StartPipes() error {
	return e.start(func(name string) (net.Listener, error) {
		return memnet.NewListener(&net.UnixAddr{Name: name, Net: "pipe"}), nil
	})
}

func (e *Emulator) start(listen func(name string) (net.Listener, error)) error {
	for _, s := range e.services() {
		if err := s.Open(listen); err != nil {
			e.Close()
			return fmt.Errorf("emulator: %s: %w", s.Name(), err)
		}
	}
	return nil
}

// Close ends every connection and waits for every goroutine that the emulator
// started.
func (e *Emulator) Close() {
	e.life.Close()
	for _, s := range e.services() {
		s.Stop()
	}
	e.life.Wait()
}

// CAPEM returns the certificate of the authority that signs the services'
// TLS certificates, for the client's roots.
func (e *Emulator) CAPEM() []byte { return e.ca.PEM() }

// TLSConfig returns a server configuration with a new certificate for the names,
// localhost and the loopback addresses. It offers HTTP/1.1 only.
func (e *Emulator) TLSConfig(names ...string) (*tls.Config, error) {
	return e.ca.ServerConfig(names...)
}

// ServeBehind serves connections of l as a device in front of Exchange, until l
// is closed. The emulator's authority signs the device's certificate. names are
// the names in this certificate, and key is its private key; a nil key means a
// new one.
func (e *Emulator) ServeBehind(d device.Device, l net.Listener, key *rsa.PrivateKey, names ...string) error {
	return e.ServeHandlerBehind(d, l, key, e.exchange, names...)
}

// ServeHandlerBehind is like ServeBehind, but requests go to the handler
// exchange instead of the emulated Exchange. The handler may forward requests
// to the emulated Exchange.
func (e *Emulator) ServeHandlerBehind(d device.Device, l net.Listener, key *rsa.PrivateKey, exchange http.Handler, names ...string) error {
	return d.Serve(l, device.Identity{Authority: e.ca.Cert, Key: e.ca.Key, Names: names, LeafKey: key}, exchange)
}

// Client returns an HTTP client that trusts the emulator's authority and
// connects to the services' listeners. The host names in the services' URLs
// need not be resolvable. The client follows no redirects. The caller must call
// CloseIdleConnections.
func (e *Emulator) Client() *http.Client {
	return &http.Client{Transport: e.Transport(), CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// Transport returns a new transport. It is configured like the transport of the
// client that Client returns.
func (e *Emulator) Transport() *http.Transport {
	roots := x509.NewCertPool()
	roots.AddCert(e.ca.Cert)
	return &http.Transport{DialContext: e.DialContext, TLSClientConfig: &tls.Config{RootCAs: roots}}
}

// DialContext connects to the service whose URL or listener has the host and port
// in address. It refuses every other address.
func (e *Emulator) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	for _, s := range e.services() {
		if u, err := url.Parse(s.URL()); (err == nil && hostPort(u) == address) || s.ListensAt(address) {
			return s.Dial(ctx)
		}
	}
	return nil, fmt.Errorf("emulator: no service at %s", address)
}

func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), "443")
}

// Env returns the environment variables of a program that uses the three services.
// The authority's certificate is not among them: write CAPEM to a file and name
// that file in HMA_CA_FILE.
func (e *Emulator) Env() map[string]string {
	env := map[string]string{
		"HMA_EWS_URL":                 e.exchange.URL() + "/EWS/Exchange.asmx",
		"HMA_RESOURCE_ID":             e.Resource(),
		"HMA_TENANT_ID":               e.config.TenantID,
		"HMA_APP_ID":                  e.config.HMAAppID,
		"HMA_KEY_VAULT_URI":           e.vault.URL(),
		"HMA_KEY_VAULT_CERT_NAME":     e.config.CertName,
		"HMA_KEY_VAULT_APP_ID":        e.config.VaultAppID,
		"HMA_KEY_VAULT_CLIENT_SECRET": e.config.VaultSecret,
		"HMA_AUTHORITY_HOST":          e.entra.URL(),
	}
	if addr := e.exchange.Addr(); addr != "" && e.config.ExchangeURL != "" {
		env["HMA_EWS_CONNECT"] = addr
	}
	return env
}

// Resource returns the service principal name under which Exchange is registered
// in Entra.
func (e *Emulator) Resource() string {
	if e.config.Resource != "" {
		return e.config.Resource
	}
	return e.exchange.URL()
}
