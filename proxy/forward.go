package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// greet answers a probe of the endpoint itself, as DavMail sends it, without
// asking Exchange.
func (x *exchange) greet() {
	x.plain(http.StatusOK, "hmaproxy: POST SOAP requests to "+endpointPath)
}

// serveDocument fetches the WSDL or one of its schemas.
func (x *exchange) serveDocument(u *url.URL) {
	x.forward(u, x.requestHeader(), none{})
}

// forward sends the request to Exchange, once more with another token where the
// first was refused, and answers the client.
func (x *exchange) forward(u *url.URL, header http.Header, body payload) {
	ctx := x.r.Context()
	if _, streamed := body.(*stream); streamed {
		ctx, x.cancel = context.WithCancelCause(ctx)
	}
	defer x.settle()
	token, err := x.token(ctx)
	if err != nil {
		x.fail(&failure{code: codeBusy, reason: ReasonNoToken, detail: "there is no access token yet", err: err})
		return
	}
	resp, err := x.attempt(ctx, u, header, body, token)
	if err != nil && body.unspent() && ctx.Err() == nil && !unreachable(err) {
		resp, err = x.attempt(ctx, u, header.Clone(), body, token) // an idle connection had died
	}
	if err == nil && tokenRefused(resp) {
		resp, err = x.again(ctx, u, header, body, token, resp)
	}
	if err != nil {
		x.broken(err, body)
		return
	}
	defer resp.Body.Close()
	x.answer(resp, body)
}

// settle ends what goes on with Exchange: nothing of the request's body may be
// read, and none of its memory used, after the handler has returned. What the
// client still sends after an early answer is drained, so that it comes to read
// that answer.
func (x *exchange) settle() {
	x.quiesce()
	if !x.body.ended() && !x.record.Aborted && !x.body.drain() {
		hangUp(x.w)
	}
}

// quiesce ends the attempt under way and waits until the transport has let go
// of the body. A read of the client's body that is in progress gets a last
// deadline.
func (x *exchange) quiesce() {
	if x.cancel != nil {
		x.cancel(nil)
	}
	if !x.body.ended() && !x.readers.idle() {
		wait := drainTime
		if x.record.Aborted {
			wait = 0
		}
		x.body.hurry(time.Now().Add(wait))
	}
	x.readers.wait.Wait()
}

func (x *exchange) token(ctx context.Context) (string, error) {
	if token, err := x.h.config.Tokens.Token(x.h.ended); err == nil {
		return token, nil // as nearly always, without the timer of what follows
	}
	ctx, cancel := context.WithTimeout(ctx, x.h.config.TokenWait)
	defer cancel()
	return x.h.config.Tokens.Token(ctx)
}

// errStuck is why a request is broken off that Exchange has stopped reading.
var errStuck = errors.New("no more of the request was taken")

// attempt sends the request once.
func (x *exchange) attempt(ctx context.Context, u *url.URL, header http.Header, body payload, token string) (*http.Response, error) {
	s, streamed := body.(*stream)
	if streamed {
		s.gate = newGate()
		s.stuck = func() { x.cancel(errStuck) }
		header["Expect"] = []string{"100-continue"} // a refusal of the token comes before the body
		ctx = httptrace.WithClientTrace(ctx, s.gate.trace())
	}
	reader, err := body.open()
	if err != nil {
		return nil, err
	}
	req := (&http.Request{
		Method: x.r.Method, URL: u, Host: u.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: reader, ContentLength: body.length(),
		GetBody: body.open, // for a connection that dies before anything is sent
	}).WithContext(ctx)
	resp, err := x.h.send(req, token)
	if streamed {
		s.gate.decide(err == nil && !tokenRefused(resp))
	}
	return resp, err
}

// send is the one place where a request gets the token, below everything that
// a client can reach. No header that comes back with the token in it goes any
// further, neither to the client nor into the record.
func (h *Handler) send(req *http.Request, token string) (*http.Response, error) {
	req.Header["Authorization"] = h.authorization(token)
	resp, err := h.config.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	for name, values := range resp.Header {
		if holds(values, token) {
			delete(resp.Header, name)
		}
	}
	return resp, nil
}

// A bearer is a token as a header has it.
type bearer struct {
	token  string
	header []string
}

// authorization returns the header's value for a token. It is made once for
// each token, which is some kilobytes long.
func (h *Handler) authorization(token string) []string {
	b := h.bearer.Load()
	if b == nil || b.token != token {
		b = &bearer{token, []string{"Bearer " + token}}
		h.bearer.Store(b)
	}
	return b.header
}

// tokenRefused reports whether an answer is about the token and not about the
// request.
func tokenRefused(resp *http.Response) bool {
	return resp.StatusCode == http.StatusUnauthorized ||
		resp.StatusCode == http.StatusForbidden && bearerChallenged(resp.Header)
}

// bearerChallenged reports whether an answer asks for a bearer token.
func bearerChallenged(h http.Header) bool {
	for _, c := range h["Www-Authenticate"] {
		if strings.HasPrefix(lowerASCII(c), "bearer") {
			return true
		}
	}
	return false
}

// again replaces the refused token and sends the request once more. It returns
// the first answer where that cannot be done.
func (x *exchange) again(ctx context.Context, u *url.URL, header http.Header, body payload, token string, refused *http.Response) (*http.Response, error) {
	x.diagnose(refused)
	if x.h.config.Refresher == nil || !body.fresh() {
		return refused, nil
	}
	fresh, err := x.replace(ctx, token)
	if err != nil {
		x.record.Err = err
		return refused, nil
	}
	discard(refused)
	x.readers.wait.Wait()
	resp, err := x.attempt(ctx, u, header.Clone(), body, fresh)
	if errors.Is(err, errBodySpent) {
		return refused, nil
	}
	x.record.Replayed = true
	return resp, err
}

func (x *exchange) replace(ctx context.Context, token string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, replaceWait)
	defer cancel()
	return x.h.config.Refresher.Replace(ctx, token)
}

// discard reads the rest of a short answer, so that its connection serves the
// next attempt. An answer that does not end in time loses its connection.
func discard(resp *http.Response) {
	late := time.AfterFunc(discardTime, func() { resp.Body.Close() })
	defer late.Stop()
	_, _ = io.CopyN(io.Discard, resp.Body, chunk)
	resp.Body.Close()
}

// diagnose notes why Exchange refused the token.
func (x *exchange) diagnose(resp *http.Response) {
	x.record.Upstream = resp.StatusCode
	x.record.Diagnosis = Diagnose(resp.Header)
}

// broken answers for a request that got no answer.
func (x *exchange) broken(err error, body payload) {
	x.quiesce()
	if s, ok := body.(*stream); ok {
		switch {
		case errors.Is(s.err, errRefused):
			x.refuse(refusalOf(s.err))
			return
		case errors.Is(s.err, errClient):
			x.deny(&denial{http.StatusBadRequest, ReasonBody, "the request's body ended before it was whole"})
			return
		}
	}
	switch {
	case x.r.Context().Err() != nil:
		x.record.Reason, x.record.Detail = ReasonClientLeft, "the client left before Exchange answered"
		x.record.Aborted = true
		abort(x.r) // an empty answer would look like one of Exchange's
	case unreachable(err):
		x.fail(&failure{code: codeBusy, reason: ReasonUpstreamUnreachable, detail: "no connection to Exchange", err: told(err)})
	default:
		x.fail(&failure{code: codeTransient, reason: ReasonUpstreamBroken, detail: "the connection to Exchange ended before it answered", err: told(err)})
	}
}

// unreachable reports whether a request failed before any of it was sent: no
// connection, or none that could be trusted. The transport knows no timeouts
// but those of connecting; the system knows one for a peer that acknowledges
// nothing more, in the middle of a connection.
func unreachable(err error) bool {
	var network *net.OpError
	var untrusted *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	var slow net.Error
	switch {
	case errors.As(err, &untrusted), errors.As(err, &notTLS):
		return true
	case errors.As(err, &network):
		return network.Op == "dial"
	}
	return errors.As(err, &slow) && slow.Timeout()
}

// untold are answers that no client library takes for what they are; each
// becomes a fault. nil: the answer goes back as it is.
func untold(resp *http.Response) *failure {
	wait := retryAfter(value(resp.Header, "Retry-After"))
	switch code := resp.StatusCode; {
	case tokenRefused(resp):
		return &failure{code: codeBusy, reason: ReasonUpstream401, detail: "Exchange refused the access token", wait: wait}
	case code == http.StatusTooManyRequests:
		return &failure{code: codeBusy, reason: ReasonUpstream429, detail: ReasonUpstream429.Text(), wait: wait}
	case code == http.StatusBadGateway:
		return &failure{code: codeBusy, reason: ReasonUpstream502, detail: ReasonUpstream502.Text(), wait: wait}
	case code == http.StatusGatewayTimeout:
		return &failure{code: codeBusy, reason: ReasonUpstream504, detail: ReasonUpstream504.Text(), wait: wait}
	case code == http.StatusProxyAuthRequired:
		return &failure{code: codeBusy, reason: ReasonUpstream407, detail: "the corporate proxy asks for credentials: put them into HTTPS_PROXY", wait: wait}
	case 300 <= code && code < 400:
		return &failure{code: codeTransient, reason: ReasonUpstreamRedirect, detail: "Exchange answered with a redirection, which is not followed"}
	case code < 200:
		return &failure{code: codeTransient, reason: ReasonUpstreamProtocol, detail: "Exchange answered with an interim status"}
	}
	return nil
}

// retryAfter reads Retry-After in either form, 0 for none, bounded.
func retryAfter(v string) time.Duration {
	if v == "" {
		return 0
	}
	if seconds, err := strconv.Atoi(v); err == nil && seconds > 0 {
		return min(time.Duration(min(seconds, 3600))*time.Second, maxBack)
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(time.Until(at), 0), maxBack)
	}
	return 0
}
