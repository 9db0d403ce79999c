package upstream_test

import (
	"net/http"
	"strings"
	"time"
)

// large is more than any buffer between the two sides takes.
var large = strings.Repeat("0123456789abcdef", 1<<20)

func expecting(text string) ask {
	return ask{body: text, stream: true, header: http.Header{"Expect": {"100-continue"}}}
}

// bodies are about what is sent.
var bodies = []scenario{
	{name: "a streamed body", scripts: answers(ok), asks: twice(ask{body: "<a/>", stream: true}),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "a body of unknown length", scripts: answers(ok), asks: twice(ask{body: "<a/>", stream: true, length: -1}),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "a long body goes up", scripts: answers(ok), asks: twice(ask{body: large, stream: true}),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 33554432 sent, 2 whole`},
	{name: "a long body in memory", scripts: answers(ok), asks: twice(ask{body: large}),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 33554432 sent, 2 whole`},
	{name: "a long body of unknown length", scripts: answers(ok), asks: twice(ask{body: large, stream: true, length: -1}),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 33554432 sent, 2 whole`},
	{name: "an empty body of unknown length", scripts: answers(ok), asks: twice(ask{length: -1}),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1`},
	{name: "GET with a body", scripts: answers(ok), asks: twice(ask{method: http.MethodGet, body: "<a/>"}),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "POST without a body", scripts: answers(ok), asks: twice(ask{method: http.MethodPost}),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1`},
	{name: "a body that fails", scripts: answers(ok), asks: []ask{{body: "<a/>", stream: true, length: 9, fails: true}},
		want: `broken: body; 1 on 1; 4 sent, 0 whole`},
	{name: "a body in memory that fails", scripts: answers(ok), asks: []ask{{body: "<a/>", length: 9, fails: true}},
		want: `broken: body; 0 on 0`, stock: `broken: body; 1 on 1; 4 sent, 0 whole`,
		because: "a short body is read before anything is sent"},
	{name: "a body that fails, in chunks", scripts: answers(ok), asks: []ask{{body: "<a/>", stream: true, length: -1, fails: true}},
		want: `broken: body; 1 on 1; 4 sent, 0 whole`},
	{name: "a body shorter than announced", scripts: answers(ok), asks: []ask{{body: "<a/>", stream: true, length: 5}},
		want: `broken; 1 on 1; 4 sent, 0 whole`},
	{name: "a body in memory shorter than announced", scripts: answers(ok), asks: []ask{{body: "<a/>", length: 5}},
		want: `broken; 0 on 0`, stock: `broken; 1 on 1; 4 sent, 0 whole`,
		because: "a short body is read before anything is sent"},
	{name: "a body longer than announced", scripts: answers(ok), asks: []ask{{body: "<a/>", stream: true, length: 3}},
		want: `broken; 1 on 1`, stock: varies,
		because: "nothing of the piece that is too long is sent; http.Transport sends what was announced and races the answer"},
	{name: "a body in memory longer than announced", scripts: answers(ok), asks: []ask{{body: "<a/>", length: 3}},
		want: `broken; 0 on 0`, stock: varies,
		because: "a short body is read before anything is sent"},
	{name: "100 granted", scripts: [][]step{{head, say("HTTP/1.1 100 Continue\r\n\r\n"), body, say(ok)}}, asks: []ask{expecting("<a/>")},
		want: `200 "<ok/>"; 1 on 1; 4 sent, 1 whole`},
	{name: "100 granted twice", scripts: [][]step{{head, say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"), body, say(ok)}}, asks: []ask{expecting("<a/>")},
		want: `200 "<ok/>"; 1 on 1; 4 sent, 1 whole`},
	{name: "102 before 100", fake: true, scripts: [][]step{{head, say("HTTP/1.1 102 Processing\r\n\r\n"), pause(time.Second), say("HTTP/1.1 100 Continue\r\n\r\n"), body, say(ok)}}, asks: []ask{expecting("<a/>")},
		want: `200 "<ok/>"; 1 on 1; 4 sent, 1 whole`},
	{name: "100 never", fake: true, scripts: answers(ok), asks: []ask{expecting("<a/>")},
		want: `200 "<ok/>"; 1 on 1; 4 sent, 1 whole`},
	{name: "100 too late", fake: true, scripts: [][]step{{head, pause(5 * time.Second), say("HTTP/1.1 100 Continue\r\n\r\n"), body, say(ok)}}, asks: []ask{expecting("<a/>")},
		want: `200 "<ok/>"; 1 on 1; 4 sent, 1 whole`},
	{name: "100 refused", scripts: [][]step{{head, say("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"), body, head, body, say(ok)}}, asks: []ask{expecting("<a/>"), get},
		want: `401 ""; 200 "<ok/>" reused; 2 on 1; 4 sent, 2 whole`},
	{name: "100 refused, and the end", scripts: [][]step{{head, say("HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), end}, {head, body, say(ok)}}, asks: []ask{expecting("<a/>"), get},
		want: `417 ""; 200 "<ok/>"; 2 on 2`},
	{name: "100 refused, announced to close", scripts: [][]step{{head, say("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"), body}, {head, body, say(ok)}}, asks: []ask{expecting("<a/>"), get},
		want: `401 "no"; 200 "<ok/>"; 2 on 2`, stock: varies,
		because: "a body that was refused is not sent; http.Transport may send it while the answer is read"},
	{name: "100 never, and the end", scripts: [][]step{{head, end}}, asks: []ask{expecting("<a/>")},
		want: `broken; 1 on 1`},
}

const early413 = "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"

// early are answers that come while a body goes up.
var early = []scenario{
	{name: "early, then the rest is read", fake: true, scripts: [][]step{{head, some(1000), say(early413), body, head, body, say(ok)}, {head, body, say(ok)}}, asks: []ask{{body: large, stream: true}, get},
		want: `413 "no"; 200 "<ok/>" reused; 2 on 1; 16777216 sent, 2 whole`},
	{name: "early, chunks", fake: true, scripts: [][]step{{head, some(1000), say(early413), body, head, body, say(ok)}, {head, body, say(ok)}}, asks: []ask{{body: large, stream: true, length: -1}, get},
		want: `413 "no"; 200 "<ok/>" reused; 2 on 1; 16777216 sent, 2 whole`},
	{name: "early, and the end", tcp: true, scripts: [][]step{{head, say("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"), farewell, shut}, {head, body, say(ok)}}, asks: []ask{{body: large, stream: true}, get},
		want: `413 "no"; 200 "<ok/>"; 2 on 2`},
	{name: "early, announced to close, nothing more read", scripts: [][]step{{head, say("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"), deaf}, {head, body, say(ok)}}, fake: true, deaf: true, asks: []ask{{body: large, stream: true}, get},
		want: `413 "no"; 200 "<ok/>"; 2 on 2`},
	{name: "early, nothing more read", fake: true, deaf: true, scripts: [][]step{{head, say(early413), deaf}, {head, body, say(ok)}}, asks: []ask{{body: large, stream: true}, get},
		want: `413 "no"; 200 "<ok/>"; 2 on 2`},
	{name: "cut while the body goes up", scripts: [][]step{{head, some(1000), cut}}, asks: []ask{{body: large, stream: true}},
		want: `broken; 1 on 1; 1000 sent, 0 whole`},
	{name: "reset while the body goes up", tcp: true, scripts: [][]step{{head, some(1000), reset}}, asks: []ask{{body: large, stream: true}},
		want: `broken; 1 on 1; 1000 sent, 0 whole`},
	{name: "half an answer, and the end", scripts: [][]step{{head, some(1000), say(early413[:20]), end}}, asks: []ask{{body: large, stream: true}},
		want: `broken; 1 on 1; 1000 sent, 0 whole`},
}

// kept are about a connection's second request.
var kept = []scenario{
	{name: "a second answer, with the first", scripts: [][]step{{head, body, say(ok + ok[:20])}, {head, body, say(ok)}}, asks: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2`},
	{name: "a second answer in the same packet", scripts: [][]step{{head, body, glued(ok, stray)}, {head, body, say(ok)}}, asks: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2`},
	{name: "a second answer after a long one", scripts: [][]step{{head, body, glued("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n" + strings.Repeat("x", 10000) + stray)}, {head, body, say(ok)}}, asks: twice(get),
		want: `200 10000 bytes; 200 "<ok/>"; 2 on 2`},
	{name: "a second answer after HEAD", scripts: [][]step{{head, body, glued("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "<ok/>")}, {head, body, say(ok)}}, asks: []ask{{method: http.MethodHead}, get},
		want: `200 ""; 200 "<ok/>"; 2 on 2`},
	{name: "a second answer later", scripts: [][]step{{head, body, say(ok), say(stray)}, {head, body, say(ok)}}, asks: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2`},
	{name: "408 while idle", tcp: true, scripts: [][]step{{head, body, say(ok), say("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"), end}, {head, body, say(ok)}}, asks: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2; 8 sent, 2 whole`},
	{name: "the end while idle", scripts: [][]step{{head, body, say(ok), end}, {head, body, say(ok)}}, asks: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2; 8 sent, 2 whole`},
	{name: "close_notify while idle", scripts: [][]step{{head, body, say(ok), farewell}, {head, body, say(ok)}}, asks: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2; 8 sent, 2 whole`},
	{name: "close_notify in the answer's packet", scripts: [][]step{{head, body, leaving(ok)}, {head, body, say(ok)}}, asks: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2; 8 sent, 2 whole`},
	{name: "cut while idle", scripts: [][]step{{head, body, say(ok), cut}, {head, body, say(ok)}}, asks: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2; 8 sent, 2 whole`},
	{name: "shut below TLS while idle", tcp: true, scripts: [][]step{{head, body, say(ok), shut}, {head, body, say(ok)}}, asks: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2; 8 sent, 2 whole`},
	{name: "reset while idle", tcp: true, scripts: [][]step{{head, body, say(ok), reset}, {head, body, say(ok)}}, asks: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2; 8 sent, 2 whole`},
	{name: "the end at a second POST", scripts: [][]step{{head, body, say(ok), head, body, end}, {head, body, say(ok)}}, asks: twice(post),
		want: `200 "<ok/>"; broken; 2 on 1; 8 sent, 2 whole`},
	{name: "the end at a second GET", scripts: [][]step{{head, body, say(ok), head, body, end}, {head, body, say(ok)}}, asks: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>"; 3 on 2`},
	{name: "the end within the answer to a second GET", scripts: [][]step{{head, body, say(ok), head, body, say("HTTP/1.1 2"), end}, {head, body, say(ok)}}, asks: twice(get),
		want: `200 "<ok/>"; broken; 2 on 1`},
	{name: "the end at a second POST, streamed", scripts: [][]step{{head, body, say(ok), head, body, end}, {head, body, say(ok)}}, asks: twice(ask{body: "<a/>", stream: true}),
		want: `200 "<ok/>"; broken; 2 on 1; 8 sent, 2 whole`},
	{name: "the end at every GET", scripts: [][]step{{head, body, end}}, asks: []ask{get},
		want: `broken; 1 on 1`},
}

// stray is an answer to nothing.
const stray = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nSTRAY!"

// leaving says the parts and close_notify in one packet.
func leaving(text string) step {
	return func(p *peer) error {
		p.glue.hold = true
		_ = say(text)(p)
		_ = farewell(p)
		p.glue.hold = false
		_ = p.raw.SetWriteDeadline(time.Time{}) // which TLS has set
		_, err := p.raw.Write(p.glue.held.Bytes())
		return err
	}
}
