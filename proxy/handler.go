package proxy

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"net/url"
	"time"

	"hmaproxy/proxy/internal/autodiscover"
	"hmaproxy/proxy/internal/body"
	"hmaproxy/proxy/policy"
)

// A TokenSource supplies the access token for upstream requests.
// It is safe for concurrent use.
type TokenSource interface {
	// Token returns a usable token. It blocks only while there is none, and
	// returns ctx.Err() when ctx ends first.
	Token(ctx context.Context) (string, error)
}

// A Refresher replaces a token that Exchange refused. It is safe for concurrent
// use; it combines concurrent requests for a token and limits their rate.
type Refresher interface {
	// Replace returns a usable token other than the rejected one. It returns an
	// error if it cannot fetch one now, or if its rate limit forbids that.
	Replace(ctx context.Context, rejected string) (string, error)
}

// ErrCredentials is the error of Config.Client for wrong credentials.
var ErrCredentials = errors.New("wrong credentials")

// Config configures a Handler.
type Config struct {
	EWS       *url.URL    // "https://mail.contoso.com/EWS/Exchange.asmx"
	Tokens    TokenSource // required
	Refresher Refresher   // nil: the Handler does not replace a token that Exchange refused

	// Transport sends requests to Exchange. It must use HTTP/1.1 and must not
	// follow redirects. If the body of its responses has a method
	// HeaderName(canonical string) string, clients get header names in the
	// spelling that it returns. If its errors have a method NotSent() bool, that
	// method says whether no byte of the request was sent. The Pattern of the
	// requests is their EWS operation, from which the transport can choose a
	// timeout. A Timeout error of a request that was sent is reported to the
	// client as a request that may have been executed. nil: the transport of
	// NewTransport, which hmaproxy itself never uses.
	Transport http.RoundTripper

	// Policy returns the current policy, a snapshot. It is called concurrently, at
	// most once for each request, and must not block. It is not called if Client is
	// set. Required.
	Policy func() *policy.Policy

	// Client checks the Basic credentials of a client at the address remote and
	// returns the policy for that client. It returns ErrCredentials for wrong
	// credentials, and another error if they could not be checked; the client
	// then gets 503 and may try again. It is called concurrently, at most once
	// for each request. It may block until ctx ends, for example to limit the
	// cost of guessing. nil: clients need no credentials.
	Client func(ctx context.Context, remote, user, password string) (*policy.Policy, error)

	// Autodiscover says how to respond to Autodiscover requests. nil: their paths
	// are not served.
	Autodiscover *Autodiscover

	// HostNames are names that a Host header may have besides localhost,
	// 127.0.0.1 and [::1]: "exchange-proxy.contoso.com".
	HostNames []string

	// ForwardHeaders are names of request headers to send to Exchange in
	// addition to those that the package always sends: "X-Trace-Id".
	ForwardHeaders []string

	// NeverExpectContinue says that no request to Exchange has an Expect header.
	// Otherwise the Handler sends Expect: 100-continue for a body that it cannot
	// send twice, so that the request is not lost when its token is refused. If an
	// upstream refuses or ignores this header, the Handler does not send it for a
	// day. Set NeverExpectContinue if a device in front of Exchange fails on
	// requests with an Expect header.
	NeverExpectContinue bool

	// BufferBudget limits the memory, in bytes, for the bodies of all requests
	// together: bodies that are buffered for a replay, read before the
	// decision, or on their way to Exchange. This includes the buffers of the
	// transport and the system. A request for which there is no room gets
	// ErrorServerBusy. Zero: 32 MiB.
	BufferBudget int64

	// SchedulerDelay returns how long runnable goroutines currently wait for a
	// processor. While this delay is long, a new request waits for up to two
	// seconds until other requests end. If it cannot be served within that
	// time, it gets ErrorServerBusy. SchedulerDelay is called at most ten times
	// a second and must not block. nil: requests never wait.
	SchedulerDelay func() time.Duration

	// TokenWait is the longest time that a request waits for a token if there is
	// none. Zero: 4 s, so that the client gets a response within 5 s.
	TokenWait time.Duration

	// Settings are the names of the caller's settings, for use in messages.
	Settings Settings

	// Done is called once for every request, including refused requests, after
	// the last byte of the response was written. It is called concurrently.
	// While it blocks, the client's connection serves no further request. It
	// must not keep the Record. nil: no call.
	Done func(*Record)
}

// A Handler serves EWS clients. It is safe for concurrent use.
type Handler struct {
	config   Config
	routes   routes
	hosts    map[string]bool
	headers  requestHeaders
	cookies  *cookieNames
	budget   *body.Budget
	upstream *upstream
	browser  http.CrossOriginProtection
	busy     busyDelay
	streams  streams

	admission admission
}

// New returns a Handler, or an error that names the first field that is missing
// or invalid.
func New(config Config) (*Handler, error) {
	switch {
	case config.EWS == nil || config.EWS.Scheme != "https" || config.EWS.Host == "":
		return nil, errors.New("proxy: the EWS URL must be an https URL")
	case config.Tokens == nil:
		return nil, errors.New("proxy: Config.Tokens is nil")
	case config.Policy == nil:
		return nil, errors.New("proxy: Config.Policy is nil")
	}
	if config.Transport == nil {
		config.Transport = NewTransport()
	}
	if config.TokenWait == 0 {
		config.TokenWait = tokenWait
	}
	if config.BufferBudget == 0 {
		config.BufferBudget = bufferedTotal
	}
	if config.Done == nil {
		config.Done = func(*Record) {}
	}
	cookies := newCookieNames()
	return &Handler{
		config:   config,
		routes:   newRoutes(config.EWS, config.Autodiscover != nil),
		hosts:    hostNames(config.HostNames),
		headers:  requestHeaders{carried: carriedHeaders(config.ForwardHeaders), cookies: cookies},
		cookies:  cookies,
		budget:   body.NewBudget(config.BufferBudget),
		upstream: newUpstream(&config),
		streams:  newStreams(),

		admission: admission{delay: config.SchedulerDelay},
	}, nil
}

// Server returns the http.Server that h must run in. It speaks HTTP/1 only,
// does not respond to OPTIONS by itself, and limits the cost of a client. The
// caller adds only the fields for its listeners.
func (h *Handler) Server(errors *log.Logger) *http.Server {
	var http1 http.Protocols
	http1.SetHTTP1(true)
	return &http.Server{
		Handler:                      h,
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            headerTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               serverHeaders,
		Protocols:                    &http1,
		ErrorLog:                     errors,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
	}
}

// EndStreams ends all notification streams, and refuses further streams with
// ErrorServerBusy. Call it when the process stops: other requests end soon, but
// a stream may last for half an hour, and its client opens another stream.
// EndStreams does not wait.
//
// If the operation of a request is unknown, the beginning of its response shows
// whether it is a stream. Such a request is not refused. Its stream is ended after
// the beginning.
//
// If the response is not compressed and the last document in it is complete,
// the client gets the document with which Exchange itself ends a stream. Any
// other stream is aborted, so that it does not look complete.
func (h *Handler) EndStreams() { h.streams.end() }

// ServeBusy responds with ErrorServerBusy on a client's connection that has
// lost its slot: the listener closes the connection to make room for another
// one. No request was read from the connection. The server that runs h calls
// ServeBusy.
func (h *Handler) ServeBusy(w http.ResponseWriter, remote string) {
	c := newCall(h, w, &http.Request{Method: http.MethodPost, Header: http.Header{}, Body: http.NoBody, RemoteAddr: remote})
	defer c.finish()
	w.Header().Set("Connection", "close")
	c.respond.problem(withoutSlot())
}

// ServeHTTP serves one request. It panics with http.ErrAbortHandler when a
// response that has begun cannot be completed, so that the client does not read
// it as complete. It also panics when the client leaves while Exchange works on the
// request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := newCall(h, w, r)
	defer c.finish()
	route, problem := h.check(r)
	if problem != nil {
		if problem.reason == ReasonPath {
			c.record.Asked = serviceOf(r.RequestURI)
			problem.detail = h.config.pathDetail(c.record.Asked)
		}
		c.respond.problem(problem)
		return
	}
	if route.autodiscover != autodiscover.NoForm {
		c.beginAutodiscover(route.autodiscover)
	}
	client, problem := h.config.authenticate(r)
	if problem != nil {
		c.respond.problem(problem)
		return
	}
	c.record.Client = client.verified
	out := outgoing{url: route.document, payload: body.Empty{}}
	switch {
	case r.ContentLength == 0 && ntlmStep(r.Header) != nil:
		problem = ntlmStep(r.Header)
	case route.autodiscover != autodiscover.NoForm:
		c.serveAutodiscover(route.autodiscover, client)
		return
	case r.Method == http.MethodPost:
		if problem = c.enter(); problem == nil {
			out, problem = c.inspect(client)
		}
	case route.document == nil: // DavMail sends such requests to probe the endpoint
		problem = probeResponse()
	default:
		out.header = h.headers.plain(r.Header)
	}
	if problem != nil {
		c.respond.problem(problem)
		return
	}
	c.forward(out)
}
