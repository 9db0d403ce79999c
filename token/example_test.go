package token_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"hmaproxy/token"
)

// This example runs a keeper in the background while a server runs.
func ExampleKeeper() {
	entra := exampleEntra()
	defer entra.Close()
	authority, err := url.Parse(entra.URL) // in production: "https://login.microsoftonline.com"
	if err != nil {
		log.Fatal(err)
	}

	keeper, err := token.New(token.Config{
		Authority:  authority,
		TenantID:   "contoso.example",
		ClientID:   "11111111-2222-3333-4444-555555555555",
		Resource:   "https://mail.contoso.example",
		HTTPClient: entra.Client(),
		Certificates: func(context.Context) ([]*tls.Certificate, error) {
			return []*tls.Certificate{exampleCertificate}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go keeper.Run(ctx)

	wait, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	bearer, err := keeper.Token(wait)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(bearer != "", keeper.Status().Claims.Roles)
	// Output: true [full_access_as_app]
}

// This example makes one attempt. It fails because the tenant does not exist.
func ExampleAcquire() {
	entra := exampleEntra()
	defer entra.Close()
	authority, err := url.Parse(entra.URL)
	if err != nil {
		log.Fatal(err)
	}
	cfg := token.Config{Authority: authority, TenantID: "elsewhere.example", ClientID: "c", Resource: "https://mail.contoso.example", HTTPClient: entra.Client()}
	_, err = token.Acquire(context.Background(), cfg, exampleCertificate)
	fmt.Println(err)
	// Output: token: Entra's metadata endpoint responded 400 with AADSTS90002: the tenant was not found, or none was named; remedy: check the tenant id and that the authority belongs to the tenant's cloud
}

func ExampleExplain() {
	meaning, remedy, _ := token.Explain(700016)
	fmt.Println(meaning)
	fmt.Println(remedy)
	// Output:
	// the application was not found in the tenant
	// check the application id and the tenant id; the application needs a service principal (enterprise application) in that tenant
}

var exampleCertificate = func() *tls.Certificate {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		log.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		log.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}()

// exampleEntra returns a double of Entra that has one tenant and accepts every
// assertion.
func exampleEntra() *httptest.Server {
	var server *httptest.Server
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/contoso.example/v2.0/.well-known/openid-configuration":
			fmt.Fprintf(w, `{"issuer":"%[1]s/contoso.example/v2.0","authorization_endpoint":"%[1]s/a","token_endpoint":"%[1]s/token"}`, server.URL)
		case "/token":
			claims := base64.RawURLEncoding.EncodeToString([]byte(`{"roles":["full_access_as_app"]}`))
			fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":3599,"access_token":"e30.%s.c2ln"}`, claims)
		default:
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"invalid_tenant","error_codes":[90002]}`)
		}
	}))
	return server
}
