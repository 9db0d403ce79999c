package doctor

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"hmaproxy/certsource"
	"hmaproxy/internal/certificates"
	"hmaproxy/internal/config"
)

// credentialCheck checks a federated credential, which replaces the
// certificate.
var credentialCheck = check{id: "credential", title: "federated credential (experimental)", needs: []string{"configuration"}, gather: gatherFederated, evaluate: evaluateFederated}

// federatedFacts describe the token that replaces the certificate. The claims
// of the token are not verified.
type federatedFacts struct {
	assertion func(context.Context) (string, error)
	err       *certsource.Error

	issuer, subject string
}

// gatherFederated obtains the token of the federated credential as the product
// does.
func gatherFederated(ctx context.Context, s *session, f *facts) {
	assertion, err := certificates.NewFederated(f.config, s.control)
	var token string
	if err == nil {
		token, err = assertion(ctx)
	}
	s.redactor.add(token)
	f.federated.assertion = assertion
	if err != nil && !errors.As(err, &f.federated.err) {
		f.federated.err = &certsource.Error{Op: "read federated credential", Code: codeUnknown}
	}
	f.federated.issuer, f.federated.subject = issuerOf(token)
}

// issuerOf returns the claims iss and sub of a token, or "" for a claim that
// cannot be read.
func issuerOf(token string) (issuer, subject string) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct{ Iss, Sub string }
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return "", ""
	}
	return claims.Iss, claims.Sub
}

// evaluateFederated evaluates whether the token of the federated credential
// could be obtained.
func evaluateFederated(f *facts) Result {
	e := f.federated.err
	if e == nil {
		return ok(f.federated.describe(), experimentalNote)
	}
	n := f.names.with("{remedy}", remedyOr(e.Remedy), "{token-file}", string(f.config.FederatedTokenFile))
	return n.failed("the federated credential cannot be obtained: "+e.Code, must(explain(federatedRules, e)))
}

const experimentalNote = "HMA_APP_AUTH other than certificate is experimental: only the checks of Exchange below show whether Exchange Server accepts the token (hmaproxy doctor -mailbox ADDRESS)"

func (f federatedFacts) describe() string {
	return fmt.Sprintf("issuer %s, subject %s", quote(f.issuer), quote(f.subject))
}

// federatedRules explain why the token of the federated credential could not be
// obtained.
var federatedRules = []rule[*certsource.Error]{
	{
		when: func(e *certsource.Error) bool {
			return e.Code == certsource.CodeUnreadable || e.Code == certsource.CodeEmpty
		},
		cause:  "the file of AZURE_FEDERATED_TOKEN_FILE is missing, empty or not readable for this user: the pod has no workload identity",
		repair: []string{`kubectl label pod … azure.workload.identity/use=true     # in the pod's template`, "ls -l {token-file}"},
	},
	{
		when:   func(e *certsource.Error) bool { return e.Code == certsource.CodeNotAToken },
		cause:  "the file of AZURE_FEDERATED_TOKEN_FILE does not hold a service account's token",
		repair: []string{"{remedy}"},
	},
	{
		when:   func(e *certsource.Error) bool { return e.Code == certsource.CodeTokenExpired },
		cause:  "the service account's token has expired: the platform does not renew this file, or this machine's clock is ahead",
		repair: []string{"{remedy}"},
	},
	{
		when:   func(e *certsource.Error) bool { return e.Code == certsource.CodeTokenAudience },
		cause:  "the service account's token is for another audience than Entra ID's token exchange",
		repair: []string{"{remedy}"},
	},
	{
		when:   func(e *certsource.Error) bool { return e.Code == certsource.CodeNoCredential },
		cause:  "this machine has no such managed identity (HMA_APP_AUTH=managed, HMA_APP_IDENTITY_ID)",
		repair: []string{"az vm identity assign -g GROUP -n MACHINE --identities IDENTITY     # and reach 169.254.169.254 without a proxy"},
	},
	{
		when:   func(e *certsource.Error) bool { return e.Code == certsource.CodeTimeout },
		cause:  "the machine's metadata service does not respond: this is not an Azure machine, or 169.254.169.254 is blocked",
		repair: []string{"curl -H Metadata:true 'http://169.254.169.254/metadata/instance?api-version=2021-02-01'"},
	},
	{
		cause:  "the federated credential cannot be read",
		repair: []string{"{remedy}"},
	},
}

// federatedRefusals maps AADSTS codes to the causes for which Entra ID refuses a
// federated credential.
var federatedRefusals = map[int]string{
	700211: "no federated credential of HMA-App has the issuer {issuer}",
	700212: "the federated credential of HMA-App has another audience than the token",
	700213: "the federated credential of HMA-App has another subject than {subject}",
	50013:  "Entra ID cannot verify the token's signature by the keys of {issuer}",
}

// nameFederated adds the issuer and subject of a refused federated credential to
// the result. For a code in federatedRefusals, it also replaces the cause and
// adds a repair. Without a federated credential, it changes nothing.
func nameFederated(f *facts, aadsts int, r *Result) {
	if !f.config.Federated() {
		return
	}
	r.Notes = append(r.Notes, "the token presented: "+f.federated.describe())
	if cause := federatedRefusals[aadsts]; cause != "" {
		r.Cause = strings.NewReplacer("{issuer}", quote(f.federated.issuer), "{subject}", quote(f.federated.subject)).Replace(cause)
		r.Repair = append([]string{f.names.expand("az ad app federated-credential list --id {hma-app} -o table     # compare issuer, subject and audiences")}, r.Repair...)
	}
}

func sourceOf(c *config.Config) string {
	switch {
	case c.Federated():
		return "federated credential " + string(c.AppAuth) + " (experimental)"
	case c.FromStore():
		return "certificate " + string(c.CertThumbprint) + string(c.CertSubject) + " from the Windows store " + c.CertStore.String()
	case c.FromVault():
		return fmt.Sprintf("certificate %s from %s", c.VaultCertName, c.VaultURI.Host)
	}
	return "certificate from " + quote(string(c.CertFile))
}
