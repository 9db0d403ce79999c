package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"hmaproxy/internal/ascii"
	"hmaproxy/proxy/internal/body"
)

// An upstream sends requests with an access token to Exchange. It is shared by
// all requests and safe for concurrent use.
type upstream struct {
	transport http.RoundTripper
	tokens    TokenSource
	refresher Refresher // may be nil
	tokenWait time.Duration
	settings  Settings
	expect    expectation
	bearer    atomic.Pointer[bearer]
}

func newUpstream(config *Config) *upstream {
	return &upstream{
		transport: config.Transport, tokens: config.Tokens, refresher: config.Refresher,
		tokenWait: config.TokenWait, settings: config.Settings,
		expect: expectation{never: config.NeverExpectContinue},
	}
}

// replace returns a usable token other than the rejected one.
func (u *upstream) replace(ctx context.Context, rejected string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, replaceWait)
	defer cancel()
	return u.refresher.Replace(ctx, rejected)
}

// send sets the token of a request and sends the request. No other function sets
// the token. No header of the client is processed after the token is set. A
// response header that contains the token is neither sent to the client nor
// recorded.
func (u *upstream) send(req *http.Request, token string) (*http.Response, error) {
	req.Header["Authorization"] = u.authorization(token)
	resp, err := u.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	for name, values := range resp.Header {
		if contain(values, token) {
			delete(resp.Header, name)
		}
	}
	return resp, nil
}

// contain reports whether one of the values contains a secret.
func contain(values []string, secret string) bool {
	for _, v := range values {
		if len(v) >= len(secret) && secret != "" && strings.Contains(v, secret) {
			return true
		}
	}
	return false
}

// A bearer is a token and the value of the Authorization header for it.
type bearer struct {
	token  string
	header []string
}

// authorization returns the Authorization header's value for a token. The value
// is made once for each token, because a token has several kilobytes.
func (u *upstream) authorization(token string) []string {
	b := u.bearer.Load()
	if b == nil || b.token != token {
		b = &bearer{token, []string{"Bearer " + token}}
		u.bearer.Store(b)
	}
	return b.header
}

// An outgoing is a request to send to Exchange.
type outgoing struct {
	url     *url.URL
	header  http.Header // header without the token
	payload body.Payload
}

// A roundTrip sends one request to Exchange in one attempt. Further attempts
// follow if the first attempt was certainly not processed or the token was
// refused.
type roundTrip struct {
	upstream  *upstream
	method    string
	operation string // "" if unknown
	outgoing
	cancel context.CancelCauseFunc // ends the attempt in progress
	wait   lazyTimeout             // context for the wait for a token
	ended  atomic.Bool             // the last attempt has a response or an error

	nothing   bool       // no byte was sent in the last attempt, which has failed
	sent      string     // the token of the last attempt
	replayed  bool       // the request was replayed with another token
	refused   int        // status of the last response that refused a token, 0 if none did
	diagnosis *Diagnosis // diagnosis of the last refusal of a token
	tokenErr  error      // why the refused token was not replaced
}

// errNoToken means that there is no token yet.
var errNoToken = errors.New("there is no access token yet")

// do returns Exchange's response. If the token is refused and the request
// cannot be replayed, it returns the response that refused the token.
func (t *roundTrip) do(ctx context.Context) (*http.Response, error) {
	token, err := t.token(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoToken, err)
	}
	resp, err := t.send(ctx, t.header, token)
	if err != nil || !tokenRefused(resp) {
		return resp, err
	}
	t.diagnose(resp)
	resp, err = t.replay(ctx, token, resp)
	if err == nil && t.replayed && tokenRefused(resp) {
		t.diagnose(resp)
	}
	return resp, err
}

// token returns a usable token. It waits at most tokenWait for a token.
func (t *roundTrip) token(ctx context.Context) (string, error) {
	t.wait.Context, t.wait.timeout = ctx, t.upstream.tokenWait
	defer t.wait.stop()
	return t.upstream.tokens.Token(&t.wait)
}

// send sends the request. For a streamed body it makes a second attempt, without an
// Expect header, if the first one ended before any byte of the body was sent: an
// established connection broke, or 100 Continue did not come. This is not a replay,
// because the request cannot have been processed. send makes no second attempt if it
// could not connect, or if the token was refused.
func (t *roundTrip) send(ctx context.Context, header http.Header, token string) (*http.Response, error) {
	if !t.payload.Streamed() {
		return t.attempt(ctx, header, token, nil)
	}
	gate := newGate(t.upstream.expect.wanted())
	resp, err := t.attempt(ctx, header, token, gate)
	switch {
	case !t.payload.Unsent(), ctx.Err() != nil:
		return resp, err
	case err != nil && (t.nothing || unreachable(err)):
		return resp, err
	case err == nil && (!gate.expecting || tokenRefused(resp)):
		return resp, err
	}
	status := 0
	if err == nil {
		status = resp.StatusCode
		discard(resp)
	}
	t.payload.Wait()
	resp, err = t.attempt(ctx, header.Clone(), token, newGate(false))
	if err == nil && gate.refused(status, resp.StatusCode) {
		t.upstream.expect.refused()
	}
	return resp, err
}

// refused reports whether the upstream has refused or ignored the Expect header of
// an attempt that sent no byte of the body. The parameter first is the status of
// the response to that attempt, 0 if there was none. The parameter second is the
// status of the response to the next attempt, which had no Expect header. If both
// statuses are the same, the Expect header is not their cause.
func (g *gate) refused(first, second int) bool {
	switch {
	case !g.expecting:
		return false
	case first != 0:
		return first != second
	}
	// There was no response. A reused connection may have failed by itself. So with
	// a reused connection, the header counts as ignored only if the wait for 100
	// Continue has timed out.
	return g.ignored.Load() || g.fresh.Load()
}

// attempt sends the request once. gate is nil for a body that is buffered.
func (t *roundTrip) attempt(ctx context.Context, header http.Header, token string, gate *gate) (*http.Response, error) {
	t.sent = token
	open, trace := t.payload.Open, gate
	if t.payload.Len() == 0 {
		trace = newGate(false)
		ctx = httptrace.WithClientTrace(ctx, trace.trace())
	}
	t.ended.Store(false)
	if mayStick(t.payload) {
		stuck := func() {
			if gate != nil || !t.ended.Load() { // an early response is complete without the rest of a buffered body
				t.cancel(errStuck)
			}
		}
		open = func() (io.ReadCloser, error) {
			reader, err := t.payload.Open()
			if err != nil {
				return nil, err
			}
			if gate != nil {
				reader = &gatedReader{ReadCloser: reader, gate: gate}
			}
			return newStuckReader(reader, stuck), nil
		}
	}
	if gate != nil {
		delete(header, "Expect")
		if gate.expecting {
			header["Expect"] = []string{"100-continue"}
		}
		ctx = httptrace.WithClientTrace(ctx, gate.trace())
	}
	reader, err := open()
	if err != nil {
		return nil, err
	}
	req := (&http.Request{
		Method: t.method, URL: t.url, Host: t.url.Host, Header: header, Pattern: t.operation,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: reader, ContentLength: t.payload.Len(),
		GetBody: open, // the transport calls it to send the request again after the connection has failed
	}).WithContext(ctx)
	resp, err := t.upstream.send(req, token)
	t.ended.Store(true)
	// A buffered body is written together with the header. So nothing was sent
	// if the body was not read.
	t.nothing = err != nil && t.payload.Unsent() && (trace == nil || !trace.connected.Load())
	if gate != nil {
		gate.decide(err == nil && !gate.expecting && !tokenRefused(resp))
	}
	return resp, err
}

// mayStick reports whether the upstream can stop reading a body in the middle.
// A shorter body fits into the system's buffer; then only the time limit of the
// response applies.
func mayStick(p body.Payload) bool { return p.Streamed() || p.Len() > stuckSize }

// errStuck means that a request was aborted because Exchange has stopped
// reading it.
var errStuck = errors.New("upstream has stopped reading the request")

// replay replaces the refused token and sends the request again. If the token
// cannot be replaced or the body cannot be sent again, replay returns the refusal.
// A new token is used by the next request, even if this one cannot be replayed.
func (t *roundTrip) replay(ctx context.Context, token string, refusal *http.Response) (*http.Response, error) {
	if t.upstream.refresher == nil {
		return refusal, nil
	}
	fresh, err := t.upstream.replace(ctx, token)
	if err != nil {
		t.tokenErr = err
		return refusal, nil
	}
	if !t.payload.CanOpen() {
		return refusal, nil
	}
	discard(refusal)
	t.payload.Wait()
	resp, err := t.send(ctx, t.header.Clone(), fresh)
	if errors.Is(err, body.ErrSpent) {
		return refusal, nil
	}
	t.replayed = true
	return resp, err
}

// discard reads the rest of a short response, so that the next attempt can use the
// connection. If the response does not end in time, discard closes the connection.
func discard(resp *http.Response) {
	late := time.AfterFunc(discardTime, func() { resp.Body.Close() })
	defer late.Stop()
	_, _ = io.CopyN(io.Discard, resp.Body, chunk)
	resp.Body.Close()
}

func (t *roundTrip) diagnose(resp *http.Response) {
	t.refused, t.diagnosis = resp.StatusCode, Diagnose(resp.Header, t.upstream.settings)
}

// describe adds the results of the round trip to the Record.
func (t *roundTrip) describe(record *Record) {
	record.Replayed, record.Diagnosis = t.replayed, t.diagnosis
	record.Upstream, record.Err = t.refused, t.tokenErr
}

// tokenRefused reports whether a response refuses the access token. A response
// with status 403 refuses the token only if it asks for a bearer token.
func tokenRefused(resp *http.Response) bool {
	return resp.StatusCode == http.StatusUnauthorized ||
		resp.StatusCode == http.StatusForbidden && bearerChallenged(resp.Header)
}

// bearerChallenged reports whether a response asks for a bearer token.
func bearerChallenged(h http.Header) bool {
	for _, c := range h["Www-Authenticate"] {
		if ascii.HasPrefixFold(c, "bearer") {
			return true
		}
	}
	return false
}

// problemFor maps the error of a round trip to the client's response. The
// parameter "nothing" says that no byte of the request was sent.
func problemFor(err error, nothing bool) *problem {
	switch {
	case errors.Is(err, errNoToken):
		return failed(codeBusy, ReasonNoToken, err)
	case unreachable(err), nothing && !says(err):
		return failed(codeBusy, ReasonUpstreamUnreachable, redactError(err))
	case noResponse(err):
		return failed(codeTransient, ReasonUpstreamTimeout, redactError(err))
	}
	return failed(codeTransient, ReasonUpstreamBroken, redactError(err))
}

// says reports whether err has a method NotSent() bool. That method reports
// whether no byte of the request was sent.
func says(err error) bool {
	var attempt interface{ NotSent() bool }
	return errors.As(err, &attempt)
}

// noResponse reports whether Exchange did not respond in time to a request that
// was sent. It returns false for an error without a method NotSent() bool:
// transports with such errors have no timeout for Exchange's response.
func noResponse(err error) bool {
	var attempt interface{ NotSent() bool }
	var timeout net.Error
	return errors.As(err, &attempt) && !attempt.NotSent() && errors.As(err, &timeout) && timeout.Timeout()
}

// unreachable reports whether a request failed before any byte was sent: no
// connection was made, or the server was not trusted. A transport's error may
// report this with a method NotSent() bool. Other transports, such as
// http.Transport, have timeouts only for connecting. The system also has a
// timeout for a peer that no longer acknowledges. That timeout may occur in the
// middle of a request, so a net.OpError counts only if it occurred while
// dialling.
func unreachable(err error) bool {
	var attempt interface{ NotSent() bool }
	if errors.As(err, &attempt) {
		return attempt.NotSent()
	}
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
		return true
	}
	if _, notTLS := errors.AsType[tls.RecordHeaderError](err); notTLS {
		return true
	}
	if network, ok := errors.AsType[*net.OpError](err); ok {
		return network.Op == "dial"
	}
	slow, ok := errors.AsType[net.Error](err)
	return ok && slow.Timeout()
}

// redactError returns err in a form that is safe to log. Errors about malformed
// HTTP quote the bytes read. These bytes may repeat the request, with its token
// and mail.
func redactError(err error) error {
	text, _, quotes := strings.Cut(err.Error(), `"`)
	var network net.Error
	var untrusted *tls.CertificateVerificationError
	if !quotes || errors.As(err, &network) || errors.As(err, &untrusted) {
		return err
	}
	return errors.New(strings.TrimRight(text, ": "))
}
