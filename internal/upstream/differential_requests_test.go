package upstream_test

import (
	"net/http"
	"strings"
	"time"
)

// large is larger than all buffers between client and server.
var large = strings.Repeat("0123456789abcdef", 1<<20)

func expectContinue(text string) testRequest {
	return testRequest{body: text, stream: true, header: http.Header{"Expect": {"100-continue"}}}
}

// requestBodies are scenarios about the body of a request.
var requestBodies = []scenario{
	{name: "a streamed body", scripts: responses(ok), requests: twice(testRequest{body: "<a/>", stream: true}),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "a body of unknown length", scripts: responses(ok), requests: twice(testRequest{body: "<a/>", stream: true, length: -1}),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "a long body", scripts: responses(ok), requests: twice(testRequest{body: large, stream: true}),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 33554432 sent, 2 whole`},
	{name: "a long body in memory", scripts: responses(ok), requests: twice(testRequest{body: large}),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 33554432 sent, 2 whole`},
	{name: "a long body of unknown length", scripts: responses(ok), requests: twice(testRequest{body: large, stream: true, length: -1}),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 33554432 sent, 2 whole`},
	{name: "an empty body of unknown length", scripts: responses(ok), requests: twice(testRequest{length: -1}),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1`},
	{name: "GET with a body", scripts: responses(ok), requests: twice(testRequest{method: http.MethodGet, body: "<a/>"}),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "POST without a body", scripts: responses(ok), requests: twice(testRequest{method: http.MethodPost}),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1`},
	{name: "a body that fails", scripts: responses(ok), requests: []testRequest{{body: "<a/>", stream: true, length: 9, fails: true}},
		want: `broken: body; 1 on 1; 4 sent, 0 whole`},
	{name: "a body in memory that fails", scripts: responses(ok), requests: []testRequest{{body: "<a/>", length: 9, fails: true}},
		want: `broken: body; 0 on 0`, netHTTP: `broken: body; 1 on 1; 4 sent, 0 whole`,
		because: "a short body is read before anything is sent"},
	{name: "a body that fails, in chunks", scripts: responses(ok), requests: []testRequest{{body: "<a/>", stream: true, length: -1, fails: true}},
		want: `broken: body; 1 on 1; 4 sent, 0 whole`},
	{name: "a body shorter than announced", scripts: responses(ok), requests: []testRequest{{body: "<a/>", stream: true, length: 5}},
		want: `broken; 1 on 1; 4 sent, 0 whole`},
	{name: "a body in memory shorter than announced", scripts: responses(ok), requests: []testRequest{{body: "<a/>", length: 5}},
		want: `broken; 0 on 0`, netHTTP: `broken; 1 on 1; 4 sent, 0 whole`,
		because: "a short body is read before anything is sent"},
	{name: "a body longer than announced", scripts: responses(ok), requests: []testRequest{{body: "<a/>", stream: true, length: 3}},
		want: `broken; 1 on 1`, netHTTP: nondeterministic,
		because: "nothing of the piece that is too long is sent; http.Transport sends what was announced and races the response"},
	{name: "a body in memory longer than announced", scripts: responses(ok), requests: []testRequest{{body: "<a/>", length: 3}},
		want: `broken; 0 on 0`, netHTTP: nondeterministic,
		because: "a short body is read before anything is sent"},
	{name: "100 accepted", scripts: [][]step{{head, say("HTTP/1.1 100 Continue\r\n\r\n"), body, say(ok)}}, requests: []testRequest{expectContinue("<a/>")},
		want: `200 "<ok/>"; 1 on 1; 4 sent, 1 whole`},
	{name: "100 accepted twice", scripts: [][]step{{head, say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"), body, say(ok)}}, requests: []testRequest{expectContinue("<a/>")},
		want: `200 "<ok/>"; 1 on 1; 4 sent, 1 whole`},
	{name: "102 before 100", fakeTime: true, scripts: [][]step{{head, say("HTTP/1.1 102 Processing\r\n\r\n"), pause(time.Second), say("HTTP/1.1 100 Continue\r\n\r\n"), body, say(ok)}}, requests: []testRequest{expectContinue("<a/>")},
		want: `200 "<ok/>"; 1 on 1; 4 sent, 1 whole`},
	{name: "no 100", fakeTime: true, scripts: responses(ok), requests: []testRequest{expectContinue("<a/>")},
		want: `200 "<ok/>"; 1 on 1; 4 sent, 1 whole`},
	{name: "100 too late", fakeTime: true, scripts: [][]step{{head, pause(5 * time.Second), say("HTTP/1.1 100 Continue\r\n\r\n"), body, say(ok)}}, requests: []testRequest{expectContinue("<a/>")},
		want: `200 "<ok/>"; 1 on 1; 4 sent, 1 whole`},
	{name: "100 refused", scripts: [][]step{{head, say("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"), body, head, body, say(ok)}}, requests: []testRequest{expectContinue("<a/>"), get},
		want: `401 ""; 200 "<ok/>" reused; 2 on 1; 4 sent, 2 whole`},
	{name: "100 refused, then closed", scripts: [][]step{{head, say("HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), end}, {head, body, say(ok)}}, requests: []testRequest{expectContinue("<a/>"), get},
		want: `417 ""; 200 "<ok/>"; 2 on 2`},
	{name: "100 refused, announced to close", scripts: [][]step{{head, say("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"), body}, {head, body, say(ok)}}, requests: []testRequest{expectContinue("<a/>"), get},
		want: `401 "no"; 200 "<ok/>"; 2 on 2`, netHTTP: nondeterministic,
		because: "a refused body is not sent; http.Transport may send it while the response is read"},
	{name: "no 100, then closed", scripts: [][]step{{head, end}}, requests: []testRequest{expectContinue("<a/>")},
		want: `broken; 1 on 1`},
}

const early413 = "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"

// earlyResponses are scenarios in which the server responds, or ends the
// connection, during an upload.
var earlyResponses = []scenario{
	{name: "response first, then the rest is read", fakeTime: true, scripts: [][]step{{head, some(1000), say(early413), body, head, body, say(ok)}, {head, body, say(ok)}}, requests: []testRequest{{body: large, stream: true}, get},
		want: `413 "no"; 200 "<ok/>" reused; 2 on 1; 16777216 sent, 2 whole`},
	{name: "early response, chunks", fakeTime: true, scripts: [][]step{{head, some(1000), say(early413), body, head, body, say(ok)}, {head, body, say(ok)}}, requests: []testRequest{{body: large, stream: true, length: -1}, get},
		want: `413 "no"; 200 "<ok/>" reused; 2 on 1; 16777216 sent, 2 whole`},
	{name: "early response, then closed", tcp: true, scripts: [][]step{{head, say("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"), closeNotify, closeWrite}, {head, body, say(ok)}}, requests: []testRequest{{body: large, stream: true}, get},
		want: `413 "no"; 200 "<ok/>"; 2 on 2`},
	{name: "early response, announced to close, nothing more read", scripts: [][]step{{head, say("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"), readNothing}, {head, body, say(ok)}}, fakeTime: true, readsNothing: true, requests: []testRequest{{body: large, stream: true}, get},
		want: `413 "no"; 200 "<ok/>"; 2 on 2`},
	{name: "early response, nothing more read", fakeTime: true, readsNothing: true, scripts: [][]step{{head, say(early413), readNothing}, {head, body, say(ok)}}, requests: []testRequest{{body: large, stream: true}, get},
		want: `413 "no"; 200 "<ok/>"; 2 on 2`},
	{name: "closed below TLS while the body is sent", scripts: [][]step{{head, some(1000), closeRaw}}, requests: []testRequest{{body: large, stream: true}},
		want: `broken; 1 on 1; 1000 sent, 0 whole`},
	{name: "reset while the body is sent", tcp: true, scripts: [][]step{{head, some(1000), reset}}, requests: []testRequest{{body: large, stream: true}},
		want: `broken; 1 on 1; 1000 sent, 0 whole`},
	{name: "half a response, then closed", scripts: [][]step{{head, some(1000), say(early413[:20]), end}}, requests: []testRequest{{body: large, stream: true}},
		want: `broken; 1 on 1; 1000 sent, 0 whole`},
}

// reuse are scenarios about a connection's second request.
var reuse = []scenario{
	{name: "a second response, with the first", scripts: [][]step{{head, body, say(ok + ok[:20])}, {head, body, say(ok)}}, requests: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2`},
	{name: "a second response in the same packet", scripts: [][]step{{head, body, sayTogether(ok, extraResponse)}, {head, body, say(ok)}}, requests: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2`},
	{name: "a second response after a long one", scripts: [][]step{{head, body, sayTogether("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n" + strings.Repeat("x", 10000) + extraResponse)}, {head, body, say(ok)}}, requests: twice(get),
		want: `200 10000 bytes; 200 "<ok/>"; 2 on 2`},
	{name: "a second response after HEAD", scripts: [][]step{{head, body, sayTogether("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "<ok/>")}, {head, body, say(ok)}}, requests: []testRequest{{method: http.MethodHead}, get},
		want: `200 ""; 200 "<ok/>"; 2 on 2`},
	{name: "a second response later", scripts: [][]step{{head, body, say(ok), say(extraResponse)}, {head, body, say(ok)}}, requests: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2`},
	{name: "408 while idle", tcp: true, scripts: [][]step{{head, body, say(ok), say("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"), end}, {head, body, say(ok)}}, requests: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2; 8 sent, 2 whole`},
	{name: "closed while idle", scripts: [][]step{{head, body, say(ok), end}, {head, body, say(ok)}}, requests: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2; 8 sent, 2 whole`},
	{name: "close_notify while idle", scripts: [][]step{{head, body, say(ok), closeNotify}, {head, body, say(ok)}}, requests: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2; 8 sent, 2 whole`},
	{name: "close_notify in the response's packet", scripts: [][]step{{head, body, sayAndCloseNotify(ok)}, {head, body, say(ok)}}, requests: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2; 8 sent, 2 whole`},
	{name: "closed below TLS while idle", scripts: [][]step{{head, body, say(ok), closeRaw}, {head, body, say(ok)}}, requests: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2; 8 sent, 2 whole`},
	{name: "half closed below TLS while idle", tcp: true, scripts: [][]step{{head, body, say(ok), closeWrite}, {head, body, say(ok)}}, requests: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2; 8 sent, 2 whole`},
	{name: "reset while idle", tcp: true, scripts: [][]step{{head, body, say(ok), reset}, {head, body, say(ok)}}, requests: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2; 8 sent, 2 whole`},
	{name: "closed at a second POST", scripts: [][]step{{head, body, say(ok), head, body, end}, {head, body, say(ok)}}, requests: twice(post),
		want: `200 "<ok/>"; broken; 2 on 1; 8 sent, 2 whole`},
	{name: "closed at a second GET", scripts: [][]step{{head, body, say(ok), head, body, end}, {head, body, say(ok)}}, requests: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>"; 3 on 2`},
	{name: "closed within the response to a second GET", scripts: [][]step{{head, body, say(ok), head, body, say("HTTP/1.1 2"), end}, {head, body, say(ok)}}, requests: twice(get),
		want: `200 "<ok/>"; broken; 2 on 1`},
	{name: "closed at a second POST, streamed", scripts: [][]step{{head, body, say(ok), head, body, end}, {head, body, say(ok)}}, requests: twice(testRequest{body: "<a/>", stream: true}),
		want: `200 "<ok/>"; broken; 2 on 1; 8 sent, 2 whole`},
	{name: "closed at every GET", scripts: [][]step{{head, body, end}}, requests: []testRequest{get},
		want: `broken; 1 on 1`},
}

// extraResponse is a response for which there was no request.
const extraResponse = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nSTRAY!"

// sayAndCloseNotify returns a step that sends the text and close_notify in one
// packet.
func sayAndCloseNotify(text string) step {
	return func(p *peer) error {
		p.batcher.hold = true
		_ = say(text)(p)
		_ = closeNotify(p)
		p.batcher.hold = false
		_ = p.raw.SetWriteDeadline(time.Time{}) // removes the deadline that crypto/tls has set
		_, err := p.raw.Write(p.batcher.held.Bytes())
		return err
	}
}
