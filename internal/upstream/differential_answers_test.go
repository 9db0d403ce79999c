package upstream_test

import (
	"net/http"
	"strings"
)

// answers is the script of a server that reads a request and says the parts,
// again and again.
func answers(parts ...string) [][]step {
	return [][]step{{head, body, say(parts...), head, body, say(parts...)}}
}

// last is the script of a server that says the parts to each first request and
// then does as told.
func last(then step, parts ...string) [][]step {
	return [][]step{{head, body, say(parts...), then}}
}

func twice(a ask) []ask { return []ask{a, a} }

var (
	get  = ask{}
	post = ask{body: "<a/>"}
)

const (
	ok      = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<ok/>"
	chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
)

var wellFormed = []scenario{
	{name: "a length", scripts: answers(ok), asks: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "a length, byte by byte", scripts: answers(strings.Split(ok, "")...), asks: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1`},
	{name: "a length, nothing", scripts: answers("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), asks: twice(post),
		want: `200 ""; 200 "" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "a long body", scripts: answers("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100000)), asks: twice(post),
		want: `200 100000 bytes; 200 100000 bytes reused; 2 on 1; 8 sent, 2 whole`},
	{name: "chunks", scripts: answers(chunked+"3\r\n<ok\r\n", "2;x=y\r\n/>\r\n0\r\n\r\n"), asks: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "chunks, split oddly", scripts: answers(chunked[:40], chunked[40:]+"3", "\r", "\n<ok\r\n2\r\n/", ">\r\n0\r", "\n\r", "\n"), asks: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "chunks, none", scripts: answers(chunked + "0\r\n\r\n"), asks: twice(post),
		want: `200 ""; 200 "" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "trailers", scripts: answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n"), asks: twice(get),
		want: `200 "a"; 200 "a" reused; 2 on 1`},
	{name: "until the end", scripts: last(end, "HTTP/1.1 200 OK\r\n\r\n<ok/>"), asks: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2; 8 sent, 2 whole`},
	{name: "until the end, HTTP/1.0", scripts: last(end, "HTTP/1.0 200 OK\r\n\r\n<ok/>"), asks: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2`},
	{name: "HTTP/1.0, kept alive", scripts: answers("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n<ok/>"), asks: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1`},
	{name: "HTTP/1.0, not kept alive", scripts: answers("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n<ok/>"), asks: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2`},
	{name: "Connection: close", scripts: answers("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n<ok/>"), asks: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2; 8 sent, 2 whole`},
	{name: "Connection: close, asked for", scripts: answers(ok), asks: twice(ask{body: "<a/>", close: true}),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2; 8 sent, 2 whole`},
	{name: "HEAD", scripts: answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), asks: twice(ask{method: http.MethodHead}),
		want: `200 ""; 200 "" reused; 2 on 1`},
	{name: "HEAD, chunks announced", scripts: answers(chunked), asks: twice(ask{method: http.MethodHead}),
		want: `200 ""; 200 "" reused; 2 on 1`},
	{name: "204", scripts: answers("HTTP/1.1 204 No Content\r\n\r\n"), asks: twice(post),
		want: `204 ""; 204 "" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "304 with a length", scripts: answers("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"), asks: twice(get),
		want: `304 ""; 304 "" reused; 2 on 1`},
	{name: "401", scripts: answers("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 0\r\n\r\n"), asks: twice(post),
		want: `401 ""; 401 "" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "lines of LF only", scripts: answers("HTTP/1.1 200 OK\nContent-Length: 5\n\n<ok/>"), asks: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1`},
	{name: "a header in two lines", scripts: answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n c\r\n\r\n<ok/>"), asks: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1`},
	{name: "no reason", scripts: answers("HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n<ok/>"), asks: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1`},
	{name: "an encoding nobody asked for", scripts: answers("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n<ok/>"), asks: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1`},
}

var interim = []scenario{
	{name: "100 unasked", scripts: answers("HTTP/1.1 100 Continue\r\n\r\n", ok), asks: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "102 and 103", scripts: answers("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok), asks: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "100 a hundred times", scripts: answers(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100), ok), asks: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "102 without end", scripts: [][]step{{head, body, endlessly("HTTP/1.1 102 Processing\r\n\r\n")}}, asks: []ask{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "103 and the end", scripts: last(end, "HTTP/1.1 103 Early Hints\r\n\r\n"), asks: []ask{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "101", scripts: last(end, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nxyz"), asks: []ask{get},
		want: `101 ""; 1 on 1`, stock: `101 "xyz"; 1 on 1`,
		because: "nobody asked for another protocol, and what follows belongs to none"},
	{name: "199", scripts: answers("HTTP/1.1 199 Odd\r\n\r\n", ok), asks: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 8 sent, 2 whole`},
}

// endlessly says the same until the client hangs up.
func endlessly(text string) step {
	return func(p *peer) error {
		for {
			if err := say(strings.Repeat(text, 100))(p); err != nil {
				return err
			}
		}
	}
}

var hostile = []scenario{
	{name: "both framings", scripts: answers("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<ok/>\r\n0\r\n\r\n"), asks: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1`},
	{name: "two lengths", scripts: answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n<ok/>"), asks: []ask{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "the same length twice", scripts: answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n<ok/>"), asks: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "a negative length", scripts: answers("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n<ok/>"), asks: []ask{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "an unknown transfer encoding", scripts: answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), asks: []ask{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "a bad chunk size", scripts: answers(chunked + "3\r\n<ok\r\nzz\r\n"), asks: []ask{post},
		want: `200 "<ok" cut; 1 on 1; 4 sent, 1 whole`},
	{name: "a huge chunk size", scripts: answers(chunked + "fffffffffffffffff\r\nx"), asks: []ask{post},
		want: `200 "" cut; 1 on 1; 4 sent, 1 whole`},
	{name: "a chunk longer than it says", scripts: answers(chunked + "1\r\n<ok\r\n0\r\n\r\n"), asks: []ask{post},
		want: `200 "<" cut; 1 on 1; 4 sent, 1 whole`},
	{name: "a huge head", scripts: answers("HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: "+strings.Repeat("x", 1000)+"\r\n", 300) + "\r\n"), asks: []ask{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "a line without end", scripts: [][]step{{head, body, say("HTTP/1.1 200 "), endlessly("xxxxxxxxxx")}}, asks: []ask{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "a head just small enough", scripts: answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: " + strings.Repeat("x", 250<<10) + "\r\n\r\n<ok/>"), asks: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1`},
	{name: "NUL in a header", scripts: answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\x00c\r\n\r\n<ok/>"), asks: twice(get),
		want: `broken; broken; 2 on 2`},
	{name: "a header without a colon", scripts: answers("HTTP/1.1 200 OK\r\nContent-Length 5\r\n\r\n<ok/>"), asks: []ask{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "a space before the colon", scripts: last(end, "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n<ok/>"), asks: []ask{post},
		want: `200 "<ok/>"; 1 on 1; 4 sent, 1 whole`},
	{name: "HTTP/0.9", scripts: last(end, "<ok/>"), asks: []ask{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "HTTP/2 frames", scripts: last(end, "\x00\x00\x00\x04\x00\x00\x00\x00\x00"), asks: []ask{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "HTTP/2 in a status line", scripts: answers("HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\n<ok/>"), asks: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1`},
	{name: "a status of four digits", scripts: answers("HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\n<ok/>"), asks: []ask{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "status 000", scripts: answers("HTTP/1.1 000 OK\r\nContent-Length: 5\r\n\r\n<ok/>"), asks: twice(get),
		want: `0 ""; 0 ""; 2 on 2`, stock: `0 "<ok/>"; 0 "<ok/>"; 2 on 2`,
		because: "what is below 200 and not interim is taken for no answer with a body"},
	{name: "garbage", scripts: last(end, "\xff\xfe\r\n\r\n"), asks: []ask{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "an empty line first", scripts: answers("\r\n" + ok), asks: []ask{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "a body after 204", scripts: answers("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n<ok/>"), asks: twice(get),
		want: `204 ""; 204 ""; 2 on 2`},
	{name: "the end within the head", scripts: last(end, "HTTP/1.1 200 OK\r\nContent-Le"), asks: []ask{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "the end within the status", scripts: last(end, "HTTP/1.1 2"), asks: []ask{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "the end within the body", scripts: last(end, ok[:len(ok)-2]), asks: twice(post),
		want: `200 "<ok" cut; 200 "<ok" cut; 2 on 2; 8 sent, 2 whole`},
	{name: "the end within a chunk", scripts: last(end, chunked+"5\r\n<o"), asks: twice(post),
		want: `200 "<o" cut; 200 "<o" cut; 2 on 2; 8 sent, 2 whole`},
	{name: "the end before the last chunk", scripts: last(end, chunked+"5\r\n<ok/>\r\n"), asks: twice(post),
		want: `200 "<ok/>" cut; 200 "<ok/>" cut; 2 on 2; 8 sent, 2 whole`},
	{name: "the end within the trailers", scripts: last(end, chunked+"5\r\n<ok/>\r\n0\r\nX-A: b"), asks: twice(post),
		want: `200 "<ok/>" cut; 200 "<ok/>" cut; 2 on 2; 8 sent, 2 whole`},
	{name: "a body until the end, cut below TLS", scripts: last(cut, "HTTP/1.1 200 OK\r\n\r\n<ok/>"), asks: []ask{post},
		want: `200 "<ok/>"; 1 on 1; 4 sent, 1 whole`},
	{name: "a body until the end, shut below TLS", tcp: true, scripts: last(shut, "HTTP/1.1 200 OK\r\n\r\n<ok/>"), asks: []ask{post},
		want: `200 "<ok/>"; 1 on 1; 4 sent, 1 whole`},
	{name: "a body until the end, reset", tcp: true, scripts: last(reset, "HTTP/1.1 200 OK\r\n\r\n"), asks: []ask{post},
		want: `200 "" cut; 1 on 1; 4 sent, 1 whole`},
	{name: "no answer", scripts: last(end), asks: []ask{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "no answer, cut", scripts: last(cut), asks: []ask{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "no answer, reset", tcp: true, scripts: last(reset), asks: []ask{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "the request cut off", scripts: [][]step{{some0, cut}}, asks: []ask{post},
		want: `broken; 0 on 1`},
	{name: "a server that speaks first", tcp: true, scripts: [][]step{{say(ok), head, body}}, asks: []ask{post},
		want: `200 "<ok/>"; 1 on 1; 4 sent, 1 whole`, stock: varies,
		because: "http.Transport may see the answer before there is a request"},
	{name: "plain HTTP", raw: true, tcp: true, scripts: [][]step{{say("HTTP/1.1 400 Bad Request\r\n\r\n"), end}}, asks: []ask{post},
		want: `unconnected; 0 on 1`},
}

// some0 reads the first bytes of a request.
func some0(p *peer) error { _, err := p.br.ReadByte(); return err }
