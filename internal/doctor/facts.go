package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"time"

	"hmaproxy/certsource"
	"hmaproxy/internal/config"
	"hmaproxy/token"
)

// facts holds everything that checks gather. Each field is written by the
// gather functions that its comment names, and read by the evaluate functions of
// the same check and of later ones.
type facts struct {
	config *config.Config // nil when there is no valid configuration
	names  names
	flags  flags // of the command

	setup     setupFacts     // gatherSetup
	network   networkFacts   // gatherVaultConnection, gatherEntraConnection, gatherExchangeConnection
	source    sourceFacts    // gatherCertificates or gatherCertificateFile
	federated federatedFacts // gatherFederated
	signature signatureFacts // gatherSignature
	token     tokenFacts     // gatherToken
	ews       ewsFacts       // by the checks of claims and of Exchange
}

// flags holds the mailboxes that the command's flags name.
type flags struct {
	mailbox, forbidden string
}

type setupFacts struct {
	configError    error
	rootsError     error    // the system's trusted roots could not be read
	otherProxyVars []string // proxy variables of the environment that https ignores
}

type networkFacts struct {
	vault, entra, exchange connection
}

// sourceFacts is the outcome of the product's own look-up of certificates.
type sourceFacts struct {
	certs []*tls.Certificate // newest first
	err   *certsource.Error

	public          publicHalf
	secretFitsOther bool // Entra ID accepts the client secret for HMA_APP_ID
}

// publicHalf is what the vault says of a certificate to those who may get
// certificates, a permission that the product itself does not need.
type publicHalf struct {
	status     int // of the response; 0: not asked, or no response
	thumbprint string
	exportable bool
}

type signatureFacts struct {
	keyUnusable bool // the certificate's key cannot sign, or is not RSA
	err         error
	mismatch    bool // the signature does not fit the certificate
}

// tokenFacts are the attempts to get a token. The first is the one that the
// product would make.
type tokenFacts struct {
	attempts []tokenAttempt
	clock    clock // Entra ID's, in the last response
}

type tokenAttempt struct {
	resource string
	cert     *x509.Certificate
	grant    token.Grant
	err      *token.Error
}

// grant returns the first token that an attempt got; Token is "" when none did.
func (t tokenFacts) grant() token.Grant {
	for _, a := range t.attempts {
		if a.err == nil {
			return a.grant
		}
	}
	return token.Grant{}
}

// ewsFacts are Exchange's responses to GetFolder with the token.
type ewsFacts struct {
	unnamed   ewsResponse // without a mailbox
	mailbox   ewsResponse
	forbidden ewsResponse
	expect    expectFacts
	groups    []groupFacts
}

// expectFacts is the outcome of a request with "Expect: 100-continue".
type expectFacts struct {
	response  ewsResponse
	continued bool // 100 Continue came
	bodySent  bool // the body was sent before the first byte of a response, because 100 Continue did not come in time
}

// An ewsResponse is a response to GetFolder. Its zero value means that there
// was no request.
type ewsResponse struct {
	sent   bool
	status int
	header http.Header
	code   string // EWS response code, "" where there was none
	err    error
}

// A connection is one request without a token, and what happened on the way.
type connection struct {
	target    target
	route     route
	handshake handshake
	response  response
	err       error
	followUp  followUp
}

// vaultURI is the setting that leads to the vault.
const vaultURI = "HMA_KEY_VAULT_URI"

// A target is where a connection leads.
type target struct {
	url      *url.URL
	variable string // the setting that url comes from
	exchange bool   // HMA_EWS_CONNECT applies
	direct   bool   // without the corporate proxy
}

// A route is how far a connection came below TLS.
type route struct {
	proxy       string // host:port of the corporate proxy, "" without one
	proxyTLS    string // host of the corporate proxy while TLS to the proxy itself (https://proxy) has not ended
	proxyStatus int    // the status of its refusal of CONNECT; 0: none
	remote      string // address that was connected to
	connected   bool
	dials       int // connections that were opened; the product's transport opens a second one after a handshake without a response
}

// A handshake is what TLS showed.
type handshake struct {
	begun            bool // with the target, not with a proxy
	chain            []*x509.Certificate
	trustErr         error // why the chain is not trusted
	byCAFile         bool  // trusted because of HMA_CA_FILE alone
	wantsCertificate bool  // the server asked for a client certificate
	version          uint16
	suite            uint16
}

type response struct {
	status int // 0: none
	header http.Header
	body   []byte
	clock  clock
	took   time.Duration
}

// followUp is what was found out after a connection failed.
type followUp struct {
	directWorks bool      // without the corporate proxy there is a response
	noNames     bool      // public host names cannot be resolved
	serverClock clock     // of a server whose certificate is out of date
	old         handshake // with every TLS version and cipher suite that crypto/tls implements
	shortHello  bool      // a ClientHello that fits into one packet brings a response
}

// A clock is what a server's Date header said and when it came. The zero value
// is unknown.
type clock struct {
	date, received time.Time
}

func (c clock) known() bool { return !c.date.IsZero() }

// skew returns the local clock minus the server's, which counts whole seconds.
func (c clock) skew() time.Duration { return c.received.Sub(c.date).Truncate(time.Second) }

func newFacts(o Options) *facts {
	f := &facts{
		config: o.Config,
		flags:  flags{mailbox: o.Mailbox, forbidden: o.Forbidden},
		setup:  setupFacts{configError: o.ConfigError},
	}
	if f.config == nil {
		return f
	}
	f.names = namesOf(f.config)
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		if os.Getenv(name) != "" {
			f.setup.otherProxyVars = append(f.setup.otherProxyVars, name)
		}
	}
	return f
}

// online reports whether HMA_EWS_URL is Exchange Online.
func (f *facts) online() bool { return config.ExchangeOnline(f.config.EWS.URL) }

// failed returns the Result of a check that observed detail.
func (f *facts) failed(detail string, e explanation) Result { return f.names.failed(detail, e) }

// fail returns the Result of a check that observed detail, with cause and repair in place.
func (f *facts) fail(detail, cause string, repair ...string) Result {
	return f.names.failed(detail, explanation{cause: cause, repair: repair})
}
