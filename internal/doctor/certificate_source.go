package doctor

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"hmaproxy/certsource"
	"hmaproxy/internal/certificates"
)

// gatherCertificateFile reads the certificate from HMA_CERT_FILE or from the
// Windows certificate store, as the product does.
func gatherCertificateFile(ctx context.Context, _ *session, f *facts) {
	lookUp, err := certificates.New(f.config, nil, slog.New(slog.DiscardHandler))
	f.source.record(ctx, lookUp, err)
}

// gatherCertificates looks the certificates up in the vault as the product does.
// If the product's code got a token for the vault, gatherCertificates also
// requests the public half of the certificate. If Entra ID refused the client
// secret although its form is right, it tests whether the secret belongs to
// HMA_APP_ID.
func gatherCertificates(ctx context.Context, s *session, f *facts) {
	lookUp, err := certificates.New(f.config, s.control, slog.New(slog.DiscardHandler))
	f.source.record(ctx, lookUp, err)
	if bearer := s.observed.bearerFor(f.config.VaultURI.Host); bearer != "" {
		s.redactor.add(bearer)
		f.source.public = askPublicHalf(ctx, s, bearer)
	}
	if e := f.source.err; e != nil && e.Code == "AADSTS7000215" && !secretMistake(f) {
		f.source.secretFitsOther = secretFits(ctx, s, f, string(f.config.App))
	}
}

// record runs lookUp and stores its result in s. A non-nil err means that the
// look-up could not be prepared.
func (s *sourceFacts) record(ctx context.Context, lookUp func(context.Context) ([]*tls.Certificate, error), err error) {
	if err == nil {
		s.certs, err = lookUp(ctx)
	}
	if err != nil && !errors.As(err, &s.err) {
		s.err = &certsource.Error{Op: "get secret", Code: codeUnknown}
	}
}

// codeUnknown is the code of an error that does not come from package
// certsource.
const codeUnknown = "Unknown"

// askPublicHalf requests the certificate without its key. It returns the zero
// publicHalf if there is no response.
func askPublicHalf(ctx context.Context, s *session, bearer string) publicHalf {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, vaultURL(s.config, "certificates").String(), nil)
	if err != nil {
		return publicHalf{}
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	resp, err := s.control.Do(req)
	if err != nil {
		return publicHalf{}
	}
	defer resp.Body.Close()
	var body struct {
		X5T    string
		Policy struct {
			KeyProps struct {
				Exportable bool `json:"exportable"`
			} `json:"key_props"`
		}
	}
	half := publicHalf{status: resp.StatusCode}
	if resp.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(&body) != nil {
		return half
	}
	sum, _ := base64.RawURLEncoding.DecodeString(strings.TrimRight(body.X5T, "="))
	half.thumbprint, half.exportable = strings.ToUpper(hex.EncodeToString(sum)), body.Policy.KeyProps.Exportable
	return half
}

// secretFits reports whether Entra ID accepts the client secret for the
// application app. The token in the response is not used.
func secretFits(ctx context.Context, s *session, f *facts, app string) bool {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	tenant := challengedTenant(f.network.vault)
	if tenant == "" {
		tenant = string(s.config.VaultTenant)
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {app}, "client_secret": {s.config.VaultSecret.Reveal()}, "scope": {vaultScope(f.network.vault)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.config.Authority.JoinPath(tenant, "oauth2/v2.0/token").String(), strings.NewReader(form.Encode()))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.control.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody))
	return err == nil && resp.StatusCode == http.StatusOK
}

// vaultScope returns the scope for the resource that the vault's challenge
// names. Without such a resource, it returns the scope of the public cloud.
func vaultScope(vault connection) string {
	if resource := bearerChallenge(vault.response.header)["resource"]; resource != "" {
		return strings.TrimSuffix(resource, "/") + "/.default"
	}
	return "https://vault.azure.net/.default"
}
