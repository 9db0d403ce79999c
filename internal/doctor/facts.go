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

// facts holds everything that checks gather. newFacts sets the values that are
// known before the first check. All other values are written by gather
// functions, which the comments below list. A value is read by the check that
// gathers it and by later checks.
type facts struct {
	config *config.Config // nil when there is no valid configuration
	names  names
	flags  flags // the command's flags that name mailboxes

	setup     setupFacts     // from newFacts and gatherSetup
	network   networkFacts   // from gatherVaultConnection, gatherEntraConnection, gatherExchangeConnection
	source    sourceFacts    // from gatherCertificates or gatherCertificateFile
	federated federatedFacts // from gatherFederated
	signature signatureFacts // from gatherSignature
	token     tokenFacts     // from gatherToken
	ews       ewsFacts       // from the checks of claims and of Exchange
}

// flags holds the mailboxes that the command's flags name.
type flags struct {
	mailbox, forbidden string
}

type setupFacts struct {
	configError    error
	rootsError     error    // the system's trusted roots could not be read
	otherProxyVars []string // variables that name a proxy but have no effect on https
}

type networkFacts struct {
	vault, entra, exchange connection
}

// sourceFacts is the outcome of the product's own look-up of certificates. The
// fields public and secretFitsOther come from requests that only doctor sends.
type sourceFacts struct {
	certs []*tls.Certificate // newest first
	err   *certsource.Error

	public          publicHalf
	secretFitsOther bool // Entra ID accepts the client secret for HMA_APP_ID
}

// publicHalf is what the vault returns about a certificate to clients with the
// permission to get certificates. The product itself does not need this permission.
type publicHalf struct {
	status     int // status of the response; 0 without a request or a response
	thumbprint string
	exportable bool
}

type signatureFacts struct {
	keyUnusable bool // the certificate's key cannot sign, or is not RSA
	err         error
	mismatch    bool // the signature does not fit the certificate
}

// tokenFacts are the results of the attempts to get a token. The first attempt
// is made as the product makes it.
type tokenFacts struct {
	attempts []tokenAttempt
	clock    clock // Entra ID's clock, from the last response before the first attempt ended
}

type tokenAttempt struct {
	resource string
	cert     *x509.Certificate
	grant    token.Grant
	err      *token.Error
}

// grant returns the Grant of the first attempt that succeeded. If no attempt
// succeeded, it returns the zero Grant, whose Token is "".
func (t tokenFacts) grant() token.Grant {
	for _, a := range t.attempts {
		if a.err == nil {
			return a.grant
		}
	}
	return token.Grant{}
}

// ewsFacts are Exchange's responses to requests with the token.
type ewsFacts struct {
	unnamed   ewsResponse // response to a request that named no mailbox
	mailbox   ewsResponse
	forbidden ewsResponse
	expect    expectFacts
	groups    []groupFacts
}

// expectFacts is the outcome of a request with "Expect: 100-continue".
type expectFacts struct {
	response  ewsResponse
	continued bool // 100 Continue was received
	bodySent  bool // the body was sent before the first byte of the response, because 100 Continue did not come in time
}

// An ewsResponse is a response to GetFolder. Its zero value means that there
// was no request.
type ewsResponse struct {
	sent   bool
	status int
	header http.Header
	code   string // EWS response code, "" if there was no code
	err    error
}

// A connection is one request without a token, and the observations about it.
type connection struct {
	target    target
	route     route
	handshake handshake
	response  response
	err       error
	followUp  followUp
}

// vaultURI is the variable with the vault's URL.
const vaultURI = "HMA_KEY_VAULT_URI"

// A target is the destination of a connection.
type target struct {
	url      *url.URL
	variable string // the variable that holds url
	exchange bool   // the target is Exchange, so HMA_EWS_CONNECT applies
	direct   bool   // connect without a corporate proxy
}

// A route is the part of a connection below TLS.
type route struct {
	proxy       string // host:port of the corporate proxy, "" without a proxy
	proxyTLS    string // host of the corporate proxy until the TLS handshake with the proxy itself (https://proxy) has ended; then ""
	proxyStatus int    // the proxy's status when it refused CONNECT, else 0
	remote      string // address of the connection
	connected   bool
	dials       int // number of connections opened; the product's transport opens a second connection after a handshake without a response
}

// A handshake holds the observations about a TLS handshake.
type handshake struct {
	begun            bool // a handshake with the target itself has begun; a handshake with a proxy does not count
	chain            []*x509.Certificate
	trustErr         error // why the chain is not trusted
	byCAFile         bool  // trusted only because of HMA_CA_FILE
	wantsCertificate bool  // the server asked for a client certificate
	version          uint16
	suite            uint16
}

type response struct {
	status int // 0: no response
	header http.Header
	body   []byte
	clock  clock
	took   time.Duration
}

// followUp holds the result of the request that session.follow makes after a
// connection has failed. At most one field is set.
type followUp struct {
	directWorks bool      // a connection without the corporate proxy leads to a response
	noNames     bool      // public host names cannot be resolved
	serverClock clock     // clock of a server whose certificate has expired or is not yet valid
	old         handshake // handshake that offers every TLS version and cipher suite of crypto/tls
	shortHello  bool      // a ClientHello that fits into one packet leads to a response
}

// A clock holds the time in a server's Date header, and the local time at which
// the header was received. The zero value means that the server's time is
// unknown.
type clock struct {
	date, received time.Time
}

func (c clock) known() bool { return !c.date.IsZero() }

// skew returns the local clock minus the server's, in whole seconds, because
// the Date header has whole seconds.
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

// failed returns the Result of a failed check. detail is what the check
// observed.
func (f *facts) failed(detail string, e explanation) Result { return f.names.failed(detail, e) }

// fail returns the Result of a failed check with the given detail, cause and
// repair.
func (f *facts) fail(detail, cause string, repair ...string) Result {
	return f.names.failed(detail, explanation{cause: cause, repair: repair})
}
