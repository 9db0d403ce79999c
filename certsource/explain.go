package certsource

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// explain completes e from a library's error and the trace of the latest request.
// It takes only numbers, codes and the result of safeCause from the error, because
// its other parts may hold secrets.
func explain(err error, t *trace, cfg *KeyVaultConfig, s *session, e *Error) *Error {
	host, status, failure := t.last()
	var response *azcore.ResponseError
	var login *azidentity.AuthenticationFailedError
	switch {
	case errors.As(err, &response):
		e.Status, e.Code = response.StatusCode, vaultCode(response)
		e.Remedy = vaultRemedy(e)
	case errors.As(err, &login) && login.RawResponse != nil:
		logIn(cfg, e, host)
		e.Status, e.Code = login.RawResponse.StatusCode, entraCode(login.RawResponse)
		e.Remedy = entraRemedy(e, cfg.Auth, s)
	case failure != nil && host != cfg.Vault.Host && (cfg.Auth == AuthManaged || cfg.Auth == AuthDefault):
		// These credentials try several endpoints. So the failure of the last
		// endpoint is not the cause, and e must not contain it.
		logIn(cfg, e, "")
		e.Code, e.Remedy = CodeNoCredential, loginRemedy(cfg.Auth)
	case failure != nil:
		e.Host, e.Code, e.Err = host, networkCode(failure), safeCause(failure)
		e.Remedy = networkRemedy(e.Code)
	case errors.Is(err, context.DeadlineExceeded):
		e.Host, e.Status, e.Code = host, status, CodeTimeout
		e.Remedy = networkRemedy(e.Code)
	case errors.As(err, &login) || status == 0:
		logIn(cfg, e, host)
		e.Status, e.Code = status, CodeNoCredential
		e.Remedy = loginRemedy(cfg.Auth)
	default:
		// The response does not come from Key Vault: it has no challenge or an
		// unexpected challenge, the challenge causes a panic, or the body is
		// not JSON.
		e.Host, e.Status, e.Code = host, status, CodeNotKeyVault
		e.Remedy = networkRemedy(e.Code)
	}
	return e
}

// logIn changes e to an error of the log-in at host. Its field Name becomes the
// application's id or, if no id is configured, the way to log in.
func logIn(cfg *KeyVaultConfig, e *Error, host string) {
	e.Op, e.Name, e.Version, e.Host = "log in", cmp.Or(cfg.ClientID, string(cfg.Auth)), "", host
}

// ofVersion reports whether Key Vault refused only the requested version. Other
// versions may then be readable.
func (e *Error) ofVersion() bool {
	switch e.Code {
	case "SecretDisabled", "SecretExpired", "SecretNotYetValid":
		return true
	}
	return false
}

// vaultCode returns Key Vault's inner code if there is one, because the outer
// code is "Forbidden" for many reasons.
func vaultCode(err *azcore.ResponseError) string {
	var body struct {
		Error struct {
			Code       string
			InnerError struct{ Code string }
		}
	}
	payload, _ := runtime.Payload(err.RawResponse)
	_ = json.Unmarshal(payload, &body) // a body that is not JSON has no code
	for _, code := range []string{body.Error.InnerError.Code, body.Error.Code, err.ErrorCode} {
		if code != "" && isWord(code) {
			return code
		}
	}
	return ""
}

// entraCode returns the first error code of Entra ID as "AADSTS7000215", or
// else the OAuth error such as "invalid_client". It returns "" if the body has
// no error code and no OAuth error.
func entraCode(resp *http.Response) string {
	var body struct {
		Error string
		Codes []int `json:"error_codes"`
	}
	payload, _ := runtime.Payload(resp)
	_ = json.Unmarshal(payload, &body) // a body that is not JSON has no code
	switch {
	case len(body.Codes) > 0:
		return "AADSTS" + strconv.Itoa(body.Codes[0])
	case isWord(body.Error):
		return body.Error
	}
	return ""
}

// isWord reports whether s has the form of an error code. Errors and logs show
// a code from a response only if it has this form.
func isWord(s string) bool {
	return len(s) <= 64 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == ""
}

func networkCode(err error) string {
	var dns *net.DNSError
	var untrusted *tls.CertificateVerificationError
	var name x509.HostnameError
	var timeout net.Error
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return CodeUnknownHost
	case errors.As(err, &untrusted), errors.As(err, &name):
		return CodeUntrusted
	case errors.As(err, &timeout) && timeout.Timeout():
		return CodeTimeout
	}
	return CodeUnreachable
}

// safeCause returns the part of a network error that holds only addresses and
// names. Other parts may hold a proxy's password.
func safeCause(err error) error {
	var op *net.OpError
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted):
		return untrusted.Err
	case errors.As(err, &op):
		return op
	}
	return nil
}
