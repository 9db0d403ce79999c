package doctor_test

import (
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf16"

	"hmaproxy/internal/emulator"
)

const (
	clusterIssuer  = "https://oidc.contoso.com/cluster"
	serviceAccount = "system:serviceaccount:mail:hmaproxy"
)

// withoutCertificate removes the settings of Key Vault.
func (r *testSetup) withoutCertificate() {
	for name := range r.env {
		if strings.HasPrefix(name, "HMA_KEY_VAULT_") {
			delete(r.env, name)
		}
	}
}

// workload sets up HMA_APP_AUTH=workload: HMA-App trusts the service account of a
// cluster. change may alter the credential and the claims of the token.
func workload(change func(r *testSetup, c *emulator.FederatedCredential, subject, audience *string, issued *time.Time)) func(*testSetup) {
	return func(r *testSetup) {
		issuer, err := emulator.NewFederatedIssuer(clusterIssuer)
		if err != nil {
			r.t.Fatal(err)
		}
		c := emulator.FederatedCredential{Issuer: issuer, Subject: serviceAccount}
		subject, audience, issued := serviceAccount, emulator.FederatedAudience, time.Now()
		change(r, &c, &subject, &audience, &issued)
		if c.Issuer != nil {
			r.e.Entra().AddFederatedCredential(c)
		}
		token, err := issuer.Token(subject, audience, issued)
		if err != nil {
			r.t.Fatal(err)
		}
		r.withoutCertificate()
		r.env["HMA_APP_AUTH"] = "workload"
		r.env["AZURE_FEDERATED_TOKEN_FILE"] = r.file("token", []byte(token+"\n"))
	}
}

func unchanged(*testSetup, *emulator.FederatedCredential, *string, *string, *time.Time) {}

// managed sets up HMA_APP_AUTH=managed. The function metadata sets up the machine's
// metadata service. Each test has its own identity, because the Azure SDK caches
// tokens by identity as long as the process runs.
func managed(identity string, metadata func(*testSetup)) func(*testSetup) {
	return func(r *testSetup) {
		r.withoutCertificate()
		r.env["HMA_APP_AUTH"], r.env["HMA_APP_IDENTITY_ID"] = "managed", identity
		metadata(r)
	}
}

// identityOf imitates the metadata service of an Azure machine. The service returns
// tokens that issuer makes for subject.
func identityOf(issuer *emulator.FederatedIssuer, subject string) func(*testSetup) {
	return func(r *testSetup) {
		r.serve("169.254.169.254:80", nil, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Header.Get("Metadata") != "true" || req.FormValue("resource") != emulator.FederatedAudience {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			token, err := issuer.Token(subject, req.FormValue("resource"), time.Now())
			if err != nil {
				panic(err)
			}
			w.Header().Set("Content-Type", "application/json")
			w.Write([]byte(`{"access_token":"` + token + `","expires_in":"86399","resource":"` + emulator.FederatedAudience + `","token_type":"Bearer"}`))
		}))
	}
}

// TestFederatedCredentials checks that both kinds of federated credentials work
// and are reported as experimental. Only the mailbox check shows whether
// Exchange accepts their tokens.
func TestFederatedCredentials(t *testing.T) {
	identity, err := emulator.NewFederatedIssuer("https://login.microsoftonline.com/0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e47/v2.0")
	if err != nil {
		t.Fatal(err)
	}
	for name, setup := range map[string]func(*testSetup){
		"workload": workload(unchanged),
		"managed": managed("10000000-2222-4333-8444-555555555555", func(r *testSetup) {
			r.e.Entra().AddFederatedCredential(emulator.FederatedCredential{Issuer: identity, Subject: "principal"})
			identityOf(identity, "principal")(r)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTestSetup(t, emulator.Config{})
				setup(r)
				report := r.examine()
				for _, want := range []string{"federated credential (experimental)", "HMA_APP_AUTH other than certificate is experimental", "appidacr “2”", "hmaproxy doctor -mailbox"} {
					if !report.contains(want) {
						t.Errorf("the report lacks %q", want)
					}
				}
				if report.contains("✗") {
					t.Errorf("a check failed:\n%s", report.text)
				}
			})
		})
	}
}

func TestWrongFederatedCredentials(t *testing.T) {
	other, err := emulator.NewFederatedIssuer(clusterIssuer)
	if err != nil {
		t.Fatal(err)
	}
	type change = func(r *testSetup, c *emulator.FederatedCredential, subject, audience *string, issued *time.Time)
	tokenFile := func(content string) func(*testSetup) {
		return func(r *testSetup) {
			workload(unchanged)(r)
			r.env["AZURE_FEDERATED_TOKEN_FILE"] = r.file("token", []byte(content))
		}
	}
	none := emulator.Config{}
	run(t, []misconfiguration{
		{"no token file", none, func(r *testSetup) {
			workload(unchanged)(r)
			if err := os.Remove(r.env["AZURE_FEDERATED_TOKEN_FILE"]); err != nil {
				r.t.Fatal(err)
			}
		}, "credential", "the pod has no workload identity", "azure.workload.identity/use"},
		{"empty token file", none, tokenFile("\n"), "credential", "the pod has no workload identity", "azure.workload.identity/use"},
		{"file of another kind", none, tokenFile("secret"), "credential", "does not hold a service account's token", "projects for the service account"},
		{"copy of a token, not renewed", none, workload(change(func(_ *testSetup, _ *emulator.FederatedCredential, _, _ *string, issued *time.Time) {
			*issued = issued.Add(-2 * time.Hour)
		})), "credential", "token has expired", "projected volume and not a copy"},
		{"token of the API server's audience", none, workload(change(func(_ *testSetup, _ *emulator.FederatedCredential, _, audience *string, _ *time.Time) {
			*audience = "https://kubernetes.default.svc"
		})), "credential", "another audience", "api://AzureADTokenExchange"},
		{"no federated credential", none, workload(change(func(_ *testSetup, c *emulator.FederatedCredential, _, _ *string, _ *time.Time) {
			c.Issuer = nil
		})), "token", "no federated credential of HMA-App has the issuer .https://oidc.contoso.com/cluster.", "federated-credential list"},
		{"another namespace", none, workload(change(func(_ *testSetup, _ *emulator.FederatedCredential, subject, _ *string, _ *time.Time) {
			*subject = "system:serviceaccount:default:hmaproxy"
		})), "token", "another subject than .system:serviceaccount:default:hmaproxy.", "federated-credential list"},
		{"credential for another audience", none, workload(change(func(_ *testSetup, c *emulator.FederatedCredential, _, _ *string, _ *time.Time) {
			c.Audience = "api://AzureADTokenExchangeUSGov"
		})), "token", "another audience than the token", "federated-credential list"},
		{"the cluster was rebuilt with other keys", none, workload(change(func(_ *testSetup, c *emulator.FederatedCredential, _, _ *string, _ *time.Time) {
			c.Issuer = other
		})), "token", "cannot verify the token's signature by the keys of .https://oidc.contoso.com/cluster.", "openid-configuration"},
		{"Entra says appidacr 1", none, func(r *testSetup) {
			workload(unchanged)(r)
			editEWS("appidacr", "1")(r)
		}, "claims", "another appidacr than 2", "HMA_APP_AUTH=certificate"},
		{"no managed identity", none, managed("20000000-2222-4333-8444-555555555555", func(r *testSetup) {
			r.serve("169.254.169.254:80", nil, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				w.Write([]byte(`{"error":"invalid_request","error_description":"Identity not found"}`))
			}))
		}), "credential", "no such managed identity", "az vm identity assign"},
		{"not an Azure machine", none, managed("30000000-2222-4333-8444-555555555555", func(r *testSetup) { r.noService("169.254.169.254:80") }), "credential", "no such managed identity|metadata service does not respond", "169.254.169.254"},
		{"metadata service blocked", none, managed("40000000-2222-4333-8444-555555555555", func(r *testSetup) { r.blackHole("169.254.169.254:80") }), "credential", "no such managed identity|metadata service does not respond", "169.254.169.254"},
		{"certificate and federated credential", none, set("HMA_APP_AUTH", "managed"), "configuration", "replaces the certificate", "remove HMA_KEY_VAULT"},
		{"workload without the webhook", none, func(r *testSetup) {
			r.withoutCertificate()
			r.env["HMA_APP_AUTH"] = "workload"
		}, "configuration", "azure.workload.identity/use", "AZURE_FEDERATED_TOKEN_FILE"},
		{"Windows store on another system", none, func(r *testSetup) {
			r.withoutCertificate()
			r.env["HMA_CERT_STORE"], r.env["HMA_CERT_SUBJECT"] = "LocalMachine/My", "CN=HMA-Cert"
		}, "configuration", "this is not Windows", "HMA_CERT_STORE"},
	})
}

// TestWrongMountedFiles checks that doctor explains why a certificate file that
// another program wrote cannot be used.
func TestWrongMountedFiles(t *testing.T) {
	from := func(path func(*testSetup) string) func(*testSetup) {
		return func(r *testSetup) {
			r.withoutCertificate()
			r.env["HMA_CERT_FILE"] = path(r)
		}
	}
	whole := func(r *testSetup) []byte {
		content, err := r.e.Certificate().PEM()
		if err != nil {
			r.t.Fatal(err)
		}
		return content
	}
	none := emulator.Config{}
	run(t, []misconfiguration{
		{"folder of a mounted secret", none, from(func(r *testSetup) string { return filepath.Dir(r.file("tls.crt", whole(r))) }),
			"configuration", "HMA_CERT_FILE .*(directory|folder)", "HMA_CERT_FILE"},
		{"tls.crt of cert-manager", none, from(func(r *testSetup) string { return r.file("tls.crt", pemOf(r.e.Certificate().Leaf)) }),
			"certificate", "private key is missing", "with its private key"},
		{"tls.key of cert-manager", none, from(func(r *testSetup) string {
			var key []byte
			for rest := whole(r); ; {
				var block *pem.Block
				if block, rest = pem.Decode(rest); block == nil {
					break
				}
				if strings.HasSuffix(block.Type, "PRIVATE KEY") {
					key = pem.EncodeToMemory(block)
				}
			}
			return r.file("tls.key", key)
		}), "certificate", "private key alone", "CombinedPEM"},
		{"Out-File of Windows PowerShell", none, from(func(r *testSetup) string {
			content := []byte{0xff, 0xfe}
			for _, c := range utf16.Encode([]rune(string(whole(r)))) {
				content = append(content, byte(c), byte(c>>8))
			}
			return r.file("hma.pem", content)
		}), "certificate", "UTF-16", "UTF-8"},
		{"cut off while it was copied", none, from(func(r *testSetup) string {
			content := whole(r)
			return r.file("hma.pem", content[:len(content)*2/3])
		}), "certificate", "cut off or altered", "export it again"},
		{"certificate chain from a certificate authority", none, from(func(r *testSetup) string {
			return r.file("hma.p7b", []byte("-----BEGIN PKCS7-----\nMAA=\n-----END PKCS7-----\n"))
		}), "certificate", "p7b", "PFX"},
	})
}
