package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A cloud emulates sign-in, Resource Manager, Graph and Key Vault for the real
// az, which connects to it through HTTPS_PROXY under the real host names. It
// records the requests. It responds to unknown requests with 501 and adds them
// to unknown.
type cloud struct {
	mu      sync.Mutex
	key     *ecdsa.PrivateKey // signs all certificates, including those of the vault
	authRaw []byte
	serving tls.Certificate
	tenant
	unknown  []string
	requests []sent // requests that changed something since the last call of the method "sent"
}

// The type "sent" describes a request that changed the cloud.
type sent struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	Body   object `json:"body,omitempty"`
}

// A tenant is the state of one scenario.
type tenant struct {
	vaults map[string]object
	apps   []object
	sps    []object
	roles  []object            // role assignments
	grants map[string][]object // assignments of app roles, by the id of the service principal
	certs  map[string]object
	serial int
}

type object = map[string]any

func newCloud() (*cloud, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	c := &cloud{key: key}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "recording"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	if c.authRaw, err = x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key); err != nil {
		return nil, err
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "cloud"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		DNSNames: []string{"login.microsoftonline.com", "management.azure.com", "graph.microsoft.com", "*.vault.azure.net"},
	}
	raw, err := x509.CreateCertificate(rand.Reader, server, ca, key.Public(), key)
	c.serving = tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
	c.reset()
	return c, err
}

func (c *cloud) authority() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.authRaw})
}

const exchange = "00000002-0000-0ff1-ce00-000000000000"

// reset creates a tenant that contains only Exchange's service principal, with
// the names that the hybrid set-up gives to it.
func (c *cloud) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tenant = tenant{vaults: map[string]object{}, grants: map[string][]object{}, certs: map[string]object{}}
	c.sps = append(c.sps, object{
		"id": "ec000000-0000-4000-8000-000000000000", "appId": exchange, "displayName": "Office 365 Exchange Online",
		"servicePrincipalNames": []any{exchange, "https://outlook.office365.com/"},
	})
}

// The method "sent" returns the requests since its last call that changed
// something.
func (c *cloud) sent() []sent {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() { c.requests = nil }()
	return c.requests
}

// id returns a GUID. Each scenario gets the same GUIDs in the same order.
func (c *cloud) id() string {
	c.serial++
	return fmt.Sprintf("%08d-0000-4000-8000-000000000000", c.serial)
}

// connect is the proxy that HTTPS_PROXY names. It does not forward connections: it
// terminates TLS for every host name, and c handles the requests.
func (c *cloud) connect(l net.Listener) {
	inner := &queue{conns: make(chan net.Conn), addr: l.Addr()}
	go (&http.Server{Handler: c}).Serve(inner)
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
				conn.Close()
				return
			}
			io.WriteString(conn, "HTTP/1.1 200 Connected\r\n\r\n")
			inner.conns <- tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{c.serving}})
		}()
	}
}

// A queue is a listener that returns connections which another listener has
// accepted.
type queue struct {
	conns chan net.Conn
	addr  net.Addr
}

func (q *queue) Accept() (net.Conn, error) { return <-q.conns, nil }
func (q *queue) Close() error              { return nil }
func (q *queue) Addr() net.Addr            { return q.addr }

// A request is a request to one of the services, which return a status and
// JSON.
type request struct {
	*http.Request
	body object
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := &request{r, object{}}
	raw, _ := io.ReadAll(r.Body)
	json.Unmarshal(raw, &q.body)
	service := map[string]func(*request) (int, any){
		"login.microsoftonline.com": c.login, "management.azure.com": c.manager, "graph.microsoft.com": c.graph,
	}[r.Host]
	if service == nil {
		service = c.vault
	}
	if strings.HasSuffix(r.Host, ".vault.azure.net") && r.Header.Get("Authorization") == "" {
		w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.microsoftonline.com/`+tenantID+`", resource="https://vault.azure.net"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.Method != http.MethodGet && r.Host != "login.microsoftonline.com" && !strings.HasSuffix(r.URL.Path, "/getByIds") {
		asked := object{} // a second copy of the body, because the services change the first
		json.Unmarshal(raw, &asked)
		for _, secret := range []string{"value", "pwd"} { // remove the content of an import: a private key and its password
			if asked[secret] != nil {
				asked[secret] = "left out"
			}
		}
		c.requests = append(c.requests, sent{r.Method, "https://" + r.Host + r.URL.Path, asked})
	}
	status, result := service(q)
	if status == 0 {
		c.unknown = append(c.unknown, r.Method+" "+r.Host+r.URL.String()+" "+string(raw))
		status, result = 501, object{"error": object{"code": "NotRecorded", "message": "the recording's cloud does not know this request"}}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if result != nil {
		json.NewEncoder(w).Encode(result)
	}
}

const (
	tenantID     = "0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e47"
	subscription = "55555555-0000-4000-8000-000000000000"
	operator     = "5d0c1b9e-0000-4000-8000-00000000aaaa"
)

func (c *cloud) login(r *request) (int, any) {
	base := "https://login.microsoftonline.com/" + tenantID
	switch {
	case strings.HasSuffix(r.URL.Path, "/discovery/instance"):
		names := []string{"login.microsoftonline.com", "login.windows.net"}
		return 200, object{"tenant_discovery_endpoint": base + "/v2.0/.well-known/openid-configuration",
			"metadata": []object{{"preferred_network": names[0], "preferred_cache": names[1], "aliases": names}}}
	case strings.HasSuffix(r.URL.Path, "/openid-configuration"):
		return 200, object{"issuer": base + "/v2.0", "authorization_endpoint": base + "/oauth2/v2.0/authorize", "token_endpoint": base + "/oauth2/v2.0/token"}
	case strings.HasSuffix(r.URL.Path, "/token"):
		claims, _ := json.Marshal(object{"oid": operator, "tid": tenantID, "appid": operator, "exp": time.Now().Add(time.Hour).Unix()})
		part := base64.RawURLEncoding.EncodeToString
		return 200, object{"token_type": "Bearer", "expires_in": 3600, "access_token": part([]byte(`{"alg":"none"}`)) + "." + part(claims) + "."}
	}
	return 0, nil
}
