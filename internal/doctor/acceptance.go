package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"hmaproxy/internal/config"
	"hmaproxy/internal/printable"
	"hmaproxy/proxy"
)

// gatherAcceptance sends Exchange a request with the token and without a
// mailbox, unless an earlier check has done so.
func gatherAcceptance(ctx context.Context, s *session, f *facts) {
	if !f.ews.unnamed.sent {
		f.ews.unnamed = getFolder(ctx, s, f, "")
	}
}

func evaluateAcceptance(f *facts) Result {
	r := f.ews.unnamed
	if failure, bad := evaluateEWSFailure(f, r); bad {
		return failure
	}
	if r.code != "ErrorInvalidExchangeImpersonationHeaderData" {
		return ok(r.describe() + ": the token was accepted")
	}
	return ok(r.describe() + ": the token was accepted, and the missing mailbox noticed")
}

// evaluateEWSFailure explains why EWS did not process a request with a token:
// there was no response, Exchange refused the token, or another program
// responded. It returns false if EWS processed the request.
func evaluateEWSFailure(f *facts, r ewsResponse) (Result, bool) {
	switch {
	case r.err != nil:
		return f.fail("no response to a request with a token ("+networkReason(r.err)+")", "Exchange, or a device in front of it, drops requests with a token or a body",
			"try again; look into Logging\\HttpProxy\\Ews on the server"), true
	case r.code != "":
		return Result{}, false
	case r.status == http.StatusUnauthorized:
		return evaluateRefusedToken(f, r), true
	}
	return newForeignResponse(f, r.status, r.header).evaluate(r.describe(), responsesWithToken), true
}

// A refusedToken is the input of the rules about 401.
type refusedToken struct {
	facts     *facts
	response  ewsResponse
	diagnosis *proxy.Diagnosis
	expected  *url.URL // the audience that Exchange expected, from its diagnosis; nil if the diagnosis names no audience
}

// evaluateRefusedToken explains Exchange's x-ms-diagnostics.
func evaluateRefusedToken(f *facts, r ewsResponse) Result {
	d := proxy.Diagnose(r.header, config.ProxySettings())
	detail := r.describe()
	if d.Code != 0 {
		detail += fmt.Sprintf("; x-ms-diagnostics %d %s: %s", d.Code, d.Category, quote(d.Reason))
	}
	t := refusedToken{f, r, d, expectedAudience(d)}
	n := f.names.with(
		"{server}", printable.Short(r.header.Get("X-Feserver"), 40),
		"{other-server}", printable.Short(f.network.exchange.response.header.Get("X-Feserver"), 40),
		"{meaning}", d.Meaning,
		"{remedy}", d.Remedy,
		"{skew}", aheadOrBehind(readClock(r.header).skew()),
	)
	if t.expected != nil {
		n = n.with("{expected}", t.expected.Scheme+"://"+t.expected.Host)
	}
	return n.failed(detail, must(explain(tokenRefusals, t)))
}

// expectedAudience returns the audience that Exchange expected, as its
// diagnosis reports it, or nil if the diagnosis contains no audience.
func expectedAudience(d *proxy.Diagnosis) *url.URL {
	_, rest, found := strings.Cut(d.Reason, "Expected '")
	expected, _, closed := strings.Cut(rest, "'")
	u, err := url.Parse(expected)
	if d.Code != 2000003 || !found || !closed || err != nil || u.Host == "" {
		return nil
	}
	return u
}

// tokenRefusals explain why Exchange refused the token.
var tokenRefusals = []rule[refusedToken]{
	{
		when:   refusedToken.byUnequalServer,
		cause:  "the server {server} offers no bearer authentication and is not set up as {other-server}, which offered it before: OAuth is off on its EWS virtual directory",
		repair: []string{"on Exchange: Get-WebServicesVirtualDirectory | fl Server,OAuthAuthentication     # the same on all servers behind the load balancer"},
	},
	{
		when: func(t refusedToken) bool {
			c := readClock(t.response.header)
			return t.diagnosis.Code == 2000002 && c.known() && c.skew().Abs() > remarkableSkew
		},
		cause:  "{meaning}: this machine's clock is {skew} Exchange's",
		repair: []string{"{remedy}"},
	},
	{
		when:   func(t refusedToken) bool { return t.expected != nil && t.expected.Scheme == "http" },
		cause:  "TLS ends at a device in front of Exchange, which passes the request on as plain http: Exchange then expects the audience {expected}, which no token has",
		repair: []string{"have the load balancer speak https to Exchange too (SSL bridging instead of offloading)"},
	},
	{
		when: func(t refusedToken) bool {
			return t.expected != nil && !strings.EqualFold(origin(t.expected), origin(t.facts.config.EWS.URL))
		},
		cause:  "a device in front of Exchange replaces the Host header, so that Exchange expects the audience {expected} and not the host of HMA_EWS_URL",
		repair: []string{"have the device pass the Host header on unchanged ({ews})", "or set HMA_EWS_URL and HMA_RESOURCE_ID to {expected}, and HMA_EWS_CONNECT to where it is reached from here"},
	},
	{
		cause:  "{meaning}",
		repair: []string{"{remedy}"},
	},
}

// byUnequalServer reports whether this Exchange server does not offer bearer
// authentication, although another server did before.
func (t refusedToken) byUnequalServer() bool {
	before, now := t.facts.network.exchange.response.header, t.response.header
	a, b := before.Get("X-Feserver"), now.Get("X-Feserver")
	return bearerChallenge(before) != nil && bearerChallenge(now) == nil && a != "" && b != "" && !strings.EqualFold(a, b)
}
