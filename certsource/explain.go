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

// explain completes e from a library's error and the trace of its requests. It
// takes numbers and codes from the former, never its text.
func (k *KeyVault) explain(err error, t *trace, s *session, e *Error) *Error {
	host, status, failure := t.last()
	var answer *azcore.ResponseError
	var login *azidentity.AuthenticationFailedError
	switch {
	case errors.As(err, &answer):
		e.Status, e.Code = answer.StatusCode, vaultCode(answer)
		e.Remedy = vaultRemedy(e)
	case errors.As(err, &login) && login.RawResponse != nil:
		k.login(e, host)
		e.Status, e.Code = login.RawResponse.StatusCode, entraCode(login.RawResponse)
		e.Remedy = k.entraRemedy(e, s)
	case failure != nil && host != k.cfg.Vault.Host && (k.cfg.Auth == AuthManaged || k.cfg.Auth == AuthDefault):
		// They try one endpoint after another; the last one's failure is not
		// the reason.
		k.login(e, "")
		e.Code, e.Remedy = CodeNoCredential, loginRemedy(k.cfg.Auth)
	case failure != nil:
		e.Host, e.Code, e.Err = host, networkCode(failure), safeCause(failure)
		e.Remedy = networkRemedy(e.Code)
	case errors.Is(err, context.DeadlineExceeded):
		e.Host, e.Status, e.Code = host, status, CodeTimeout
		e.Remedy = networkRemedy(e.Code)
	case errors.As(err, &login) || status == 0:
		k.login(e, host)
		e.Status, e.Code = status, CodeNoCredential
		e.Remedy = loginRemedy(k.cfg.Auth)
	default:
		// An answer that is none of Key Vault's: no or another challenge, a
		// challenge that panics, a body that is not JSON.
		e.Host, e.Status, e.Code = host, status, CodeNotKeyVault
		e.Remedy = networkRemedy(e.Code)
	}
	return e
}

// login makes e an error of logging in: who, and where.
func (k *KeyVault) login(e *Error, host string) {
	e.Op, e.Name, e.Version, e.Host = "log in", cmp.Or(k.cfg.ClientID, string(k.cfg.Auth)), "", host
}

// notKeyVault is the error about an answer without its essentials.
func (k *KeyVault) notKeyVault(op, version string) *Error {
	return &Error{Op: op, Name: k.cfg.Name, Version: version, Host: k.cfg.Vault.Host, Code: CodeNotKeyVault, Remedy: networkRemedy(CodeNotKeyVault)}
}

// ofVersion tells a refusal that is about one version from one of the request.
func (e *Error) ofVersion() bool {
	switch e.Code {
	case "SecretDisabled", "SecretExpired", "SecretNotYetValid":
		return true
	}
	return false
}

// vaultCode prefers Key Vault's inner code: outside it says "Forbidden" of
// everything.
func vaultCode(err *azcore.ResponseError) string {
	var body struct {
		Error struct {
			Code       string
			InnerError struct{ Code string }
		}
	}
	payload, _ := runtime.Payload(err.RawResponse)
	_ = json.Unmarshal(payload, &body) // what is no JSON has no code
	for _, code := range []string{body.Error.InnerError.Code, body.Error.Code, err.ErrorCode} {
		if code != "" && isWord(code) {
			return code
		}
	}
	return ""
}

// entraCode returns "AADSTS" and the number, or OAuth's error.
func entraCode(resp *http.Response) string {
	var body struct {
		Error string
		Codes []int `json:"error_codes"`
	}
	payload, _ := runtime.Payload(resp)
	_ = json.Unmarshal(payload, &body) // what is no JSON has no code
	switch {
	case len(body.Codes) > 0:
		return "AADSTS" + strconv.Itoa(body.Codes[0])
	case isWord(body.Error):
		return body.Error
	}
	return ""
}

// isWord keeps anything but a code out of errors and logs.
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

// safeCause returns the part of a network error that says what happened and is
// known to hold addresses and names only. Others might hold a proxy's password.
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
