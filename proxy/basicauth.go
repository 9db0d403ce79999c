package proxy

import (
	"errors"
	"net/http"

	"hmaproxy/proxy/policy"
)

// A clientUser is the result of client authentication.
type clientUser struct {
	policy   *policy.Policy // the policy for this client
	login    string         // the Basic user name, verified or not
	verified string         // the Basic user name if Config.Client has verified it, else ""
}

// authenticate checks the client's credentials if Config.Client is set.
// Otherwise it accepts any credentials unchecked, because many legacy clients
// always send credentials. The credentials are never sent to Exchange.
func (c *Config) authenticate(r *http.Request) (clientUser, *problem) {
	login, password, ok := "", "", false
	if len(r.Header["Authorization"]) == 1 {
		login, password, ok = r.BasicAuth()
	}
	if c.Client == nil {
		return clientUser{policy: c.Policy(), login: login}, nil
	}
	if !ok {
		return clientUser{}, challenged(ReasonCredentials, "the client has sent no Basic credentials")
	}
	p, err := c.Client(r.Context(), r.RemoteAddr, login, password)
	switch {
	case err == nil:
		return clientUser{policy: p, login: login, verified: login}, nil
	case errors.Is(err, ErrCredentials):
		return clientUser{}, challenged(ReasonCredentials, "")
	}
	return clientUser{}, &problem{form: plainText, status: http.StatusServiceUnavailable, code: codeBusy, reason: ReasonCredentialsUnchecked, err: err}
}
