package doctor

import (
	"context"
	"io"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"

	"hmaproxy/internal/config"
)

// gatherExpect sends a request with "Expect: 100-continue", as the product does
// for large bodies, because some devices in front of Exchange mishandle this
// header. It sends nothing when the configuration turns the header off.
func gatherExpect(ctx context.Context, s *session, f *facts) {
	if f.config.ExpectContinue == config.ExpectNever {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	e := &f.ews.expect
	var continued, bodySent atomic.Bool
	body := new(countedBody)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		Got100Continue:       func() { continued.Store(true) },
		GotFirstResponseByte: func() { bodySent.Store(body.read.Load()) },
	})
	req, err := newGetFolder(ctx, f, "")
	if err != nil {
		e.response = ewsResponse{sent: true, err: err}
		return
	}
	body.ReadCloser = req.Body
	req.Body, req.GetBody = body, nil
	req.Header.Set("Expect", "100-continue")
	e.response = sendEWS(s, req)
	e.continued, e.bodySent = continued.Load(), bodySent.Load()
}

// A countedBody records whether the body was read.
type countedBody struct {
	io.ReadCloser
	read atomic.Bool
}

func (b *countedBody) Read(p []byte) (int, error) {
	b.read.Store(true)
	return b.ReadCloser.Read(p)
}

// evaluateExpect reports how Exchange, or a device in front of it, treated the
// header "Expect: 100-continue". No outcome is a failure, because the product
// handles all outcomes.
func evaluateExpect(f *facts) Result {
	e := f.ews.expect
	n := f.names.with("{status}", strconv.Itoa(e.response.status), "{reason}", networkReason(e.response.err))
	ex := must(explain(expectOutcomes, e))
	r := ok(n.expand(ex.detail))
	if ex.cause != "" {
		r.Warnings = []string{n.expand(ex.cause)}
	}
	return r
}

// expectOutcomes explain how a device treats the expectation. In these rules the
// field "cause" is the text of a warning.
var expectOutcomes = []rule[expectFacts]{
	{
		when:   func(e expectFacts) bool { return !e.response.sent },
		detail: "“Expect: 100-continue” is not used (HMA_EXPECT_CONTINUE=never)",
	},
	{
		when:   func(e expectFacts) bool { return e.continued },
		detail: "“Expect: 100-continue” works: large requests are sent after the token was accepted",
	},
	{
		when:   func(e expectFacts) bool { return e.response.err != nil },
		detail: "a request with “Expect: 100-continue” got no response ({reason})",
		cause:  "a device in front of Exchange drops requests with “Expect: 100-continue”, which hmaproxy uses for large ones: " + neverExpect,
	},
	{
		when:   func(e expectFacts) bool { return !e.bodySent },
		detail: "“Expect: 100-continue” is refused with {status}",
		cause:  "a device in front of Exchange refuses “Expect: 100-continue” with {status}; hmaproxy sends such a request again without it: " + neverExpect,
	},
	{
		when:   func(e expectFacts) bool { return e.response.code != "" },
		detail: "“Expect: 100-continue” is ignored",
		cause:  "a device in front of Exchange swallows “Expect: 100-continue”, so that a large request waits two seconds for it: " + neverExpect,
	},
	{
		detail: "a request with “Expect: 100-continue” got {status} after its body was sent",
		cause:  "a device in front of Exchange does not understand “Expect: 100-continue”, treats the body as another request and responds with {status}: " + neverExpect,
	},
}

const neverExpect = "set HMA_EXPECT_CONTINUE=never"
