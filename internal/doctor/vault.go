package doctor

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"hmaproxy/certsource"
	"hmaproxy/internal/config"
	"hmaproxy/internal/sidecar"
)

// vaultVersion is an API version that every cloud's Key Vault has.
const vaultVersion = "7.4"

// vaultURL is the address of the certificate's secret or certificate.
func (x *examination) vaultURL(collection string) *url.URL {
	u := x.config.VaultURI.JoinPath(collection, string(x.config.VaultCertName))
	u.RawQuery = "api-version=" + vaultVersion
	return u
}

// checkVaultLogin runs the product's own look-up, whose outcome this check and
// the next two judge.
func (x *examination) checkVaultLogin(ctx context.Context) Result {
	x.lookUp(ctx)
	e := x.problem()
	switch {
	case e == nil, e.Op != "log in" && e.Op != "read client secret" && (e.Host == "" || e.Host == x.vaultHost()):
		return ok(x.identity() + " signed in" + x.vaultTenant())
	case e.Op == "read client secret":
		return failed("the client secret could not be read ("+e.Code+")", "the file of HMA_KEY_VAULT_CLIENT_SECRET_FILE is missing, empty or not readable for this user",
			"ls -l the file; it must hold the secret's value alone")
	}
	return x.explainLogin(ctx, e)
}

// lookUp asks for the certificates as the product does.
func (x *examination) lookUp(ctx context.Context) {
	look, err := sidecar.Certificates(x.config, x.control.client, slog.New(slog.DiscardHandler))
	if err == nil {
		x.certs, err = look(ctx)
	}
	x.vaultErr = err
	if t := x.control.bearerFor(x.vaultHost()); t != "" {
		x.secrets = append(x.secrets, t)
		x.public = x.askPublic(ctx, t)
	}
}

func (x *examination) vaultHost() string {
	if !x.config.FromVault() {
		return ""
	}
	return x.config.VaultURI.Host
}

// problem is what was wrong with the look-up, nil when nothing was.
func (x *examination) problem() *certsource.Error {
	var e *certsource.Error
	if errors.As(x.vaultErr, &e) {
		return e
	}
	if x.vaultErr != nil {
		return &certsource.Error{Op: "get secret", Code: "Unknown"}
	}
	return nil
}

// identity names who opens the vault.
func (x *examination) identity() string {
	c := x.config
	switch {
	case c.VaultAuth == config.AuthSecret:
		return "application " + string(c.VaultApp)
	case c.VaultApp != "":
		return fmt.Sprintf("%s identity %s", c.VaultAuth, c.VaultApp)
	}
	return fmt.Sprintf("%s identity", c.VaultAuth)
}

func (x *examination) vaultTenant() string {
	if t := bearerTenant(x.probes["vault"]); t != "" {
		return " to the vault's tenant " + printable(t, 80)
	}
	return ""
}

// A publicHalf is what the vault says of a certificate to those who may get
// certificates, which the product itself does not need.
type publicHalf struct {
	status     int
	thumbprint string // SHA-1, upper-case hexadecimal
	exportable bool
	enabled    bool
}

// askPublic asks with the token that the product's look-up obtained.
func (x *examination) askPublic(ctx context.Context, bearer string) *publicHalf {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, x.vaultURL("certificates").String(), nil)
	if err != nil {
		return nil
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	resp, err := x.control.client.Do(req)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	var answer struct {
		X5T        string
		Attributes struct{ Enabled bool }
		Policy     struct {
			KeyProps struct {
				Exportable bool `json:"exportable"`
			} `json:"key_props"`
		}
	}
	half := &publicHalf{status: resp.StatusCode}
	if resp.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&answer) != nil {
		return half
	}
	sum, _ := base64.RawURLEncoding.DecodeString(strings.TrimRight(answer.X5T, "="))
	half.thumbprint, half.exportable, half.enabled = strings.ToUpper(hex.EncodeToString(sum)), answer.Policy.KeyProps.Exportable, answer.Attributes.Enabled
	return half
}

// permitted says of get certificate what is known.
func (x *examination) permitted() (text string, forbidden bool) {
	switch {
	case x.public == nil:
		return "", false
	case x.public.status == http.StatusForbidden:
		return "refused", true
	case x.public.status == http.StatusOK, x.public.status == http.StatusNotFound:
		return "permitted", false
	}
	return fmt.Sprintf("answered %d", x.public.status), false
}
