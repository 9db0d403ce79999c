package upstream_test

import (
	"net/http"
	"strings"
)

// responses returns the script of a server that twice reads a request and sends
// the parts as the response.
func responses(parts ...string) [][]step {
	return [][]step{{head, body, say(parts...), head, body, say(parts...)}}
}

// thenEnd returns the script of a server that sends the parts as its only
// response. The last step of the script is the argument "then".
func thenEnd(then step, parts ...string) [][]step {
	return [][]step{{head, body, say(parts...), then}}
}

func twice(a testRequest) []testRequest { return []testRequest{a, a} }

var (
	get  = testRequest{}
	post = testRequest{body: "<a/>"}
)

const (
	ok      = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<ok/>"
	chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
)

var wellFormed = []scenario{
	{name: "a length", scripts: responses(ok), requests: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "a length, byte by byte", scripts: responses(strings.Split(ok, "")...), requests: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1`},
	{name: "a length, nothing", scripts: responses("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), requests: twice(post),
		want: `200 ""; 200 "" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "a long body", scripts: responses("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100000)), requests: twice(post),
		want: `200 100000 bytes; 200 100000 bytes reused; 2 on 1; 8 sent, 2 whole`},
	{name: "chunks", scripts: responses(chunked+"3\r\n<ok\r\n", "2;x=y\r\n/>\r\n0\r\n\r\n"), requests: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "chunks, split oddly", scripts: responses(chunked[:40], chunked[40:]+"3", "\r", "\n<ok\r\n2\r\n/", ">\r\n0\r", "\n\r", "\n"), requests: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "chunks, none", scripts: responses(chunked + "0\r\n\r\n"), requests: twice(post),
		want: `200 ""; 200 "" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "trailers", scripts: responses("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n"), requests: twice(get),
		want: `200 "a"; 200 "a" reused; 2 on 1`},
	{name: "until the connection ends", scripts: thenEnd(end, "HTTP/1.1 200 OK\r\n\r\n<ok/>"), requests: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2; 8 sent, 2 whole`},
	{name: "until the connection ends, HTTP/1.0", scripts: thenEnd(end, "HTTP/1.0 200 OK\r\n\r\n<ok/>"), requests: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2`},
	{name: "HTTP/1.0, kept alive", scripts: responses("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n<ok/>"), requests: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1`},
	{name: "HTTP/1.0, not kept alive", scripts: responses("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n<ok/>"), requests: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2`},
	{name: "Connection: close", scripts: responses("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n<ok/>"), requests: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2; 8 sent, 2 whole`},
	{name: "Connection: close, asked for", scripts: responses(ok), requests: twice(testRequest{body: "<a/>", close: true}),
		want: `200 "<ok/>"; 200 "<ok/>"; 2 on 2; 8 sent, 2 whole`},
	{name: "HEAD", scripts: responses("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), requests: twice(testRequest{method: http.MethodHead}),
		want: `200 ""; 200 "" reused; 2 on 1`},
	{name: "HEAD, chunks announced", scripts: responses(chunked), requests: twice(testRequest{method: http.MethodHead}),
		want: `200 ""; 200 "" reused; 2 on 1`},
	{name: "204", scripts: responses("HTTP/1.1 204 No Content\r\n\r\n"), requests: twice(post),
		want: `204 ""; 204 "" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "304 with a length", scripts: responses("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"), requests: twice(get),
		want: `304 ""; 304 "" reused; 2 on 1`},
	{name: "401", scripts: responses("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 0\r\n\r\n"), requests: twice(post),
		want: `401 ""; 401 "" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "lines of LF only", scripts: responses("HTTP/1.1 200 OK\nContent-Length: 5\n\n<ok/>"), requests: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1`},
	{name: "a header in two lines", scripts: responses("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n c\r\n\r\n<ok/>"), requests: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1`},
	{name: "no reason", scripts: responses("HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n<ok/>"), requests: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1`},
	{name: "an encoding that was not requested", scripts: responses("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n<ok/>"), requests: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1`},
}

var interimResponses = []scenario{
	{name: "100 without Expect", scripts: responses("HTTP/1.1 100 Continue\r\n\r\n", ok), requests: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "102 and 103", scripts: responses("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok), requests: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "100 a hundred times", scripts: responses(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100), ok), requests: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "102 without an end", scripts: [][]step{{head, body, repeatForever("HTTP/1.1 102 Processing\r\n\r\n")}}, requests: []testRequest{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "103 then closed", scripts: thenEnd(end, "HTTP/1.1 103 Early Hints\r\n\r\n"), requests: []testRequest{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "101", scripts: thenEnd(end, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nxyz"), requests: []testRequest{get},
		want: `101 ""; 1 on 1`, netHTTP: `101 "xyz"; 1 on 1`,
		because: "another protocol was not requested"},
	{name: "199", scripts: responses("HTTP/1.1 199 Odd\r\n\r\n", ok), requests: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 8 sent, 2 whole`},
}

// repeatForever returns a step that sends text repeatedly until the client closes
// the connection.
func repeatForever(text string) step {
	return func(p *peer) error {
		for {
			if err := say(strings.Repeat(text, 100))(p); err != nil {
				return err
			}
		}
	}
}

var malformed = []scenario{
	{name: "both framings", scripts: responses("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<ok/>\r\n0\r\n\r\n"), requests: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1`},
	{name: "two lengths", scripts: responses("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n<ok/>"), requests: []testRequest{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "the same length twice", scripts: responses("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n<ok/>"), requests: twice(post),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1; 8 sent, 2 whole`},
	{name: "a negative length", scripts: responses("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n<ok/>"), requests: []testRequest{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "an unknown transfer encoding", scripts: responses("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), requests: []testRequest{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "a bad chunk size", scripts: responses(chunked + "3\r\n<ok\r\nzz\r\n"), requests: []testRequest{post},
		want: `200 "<ok" cut; 1 on 1; 4 sent, 1 whole`},
	{name: "a huge chunk size", scripts: responses(chunked + "fffffffffffffffff\r\nx"), requests: []testRequest{post},
		want: `200 "" cut; 1 on 1; 4 sent, 1 whole`},
	{name: "a chunk longer than its size", scripts: responses(chunked + "1\r\n<ok\r\n0\r\n\r\n"), requests: []testRequest{post},
		want: `200 "<" cut; 1 on 1; 4 sent, 1 whole`},
	{name: "a huge head", scripts: responses("HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: "+strings.Repeat("x", 1000)+"\r\n", 300) + "\r\n"), requests: []testRequest{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "a line without an end", scripts: [][]step{{head, body, say("HTTP/1.1 200 "), repeatForever("xxxxxxxxxx")}}, requests: []testRequest{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "a head just small enough", scripts: responses("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: " + strings.Repeat("x", 250<<10) + "\r\n\r\n<ok/>"), requests: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1`},
	{name: "NUL in a header", scripts: responses("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\x00c\r\n\r\n<ok/>"), requests: twice(get),
		want: `broken; broken; 2 on 2`},
	{name: "a header without a colon", scripts: responses("HTTP/1.1 200 OK\r\nContent-Length 5\r\n\r\n<ok/>"), requests: []testRequest{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "a space before the colon", scripts: thenEnd(end, "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n<ok/>"), requests: []testRequest{post},
		want: `200 "<ok/>"; 1 on 1; 4 sent, 1 whole`},
	{name: "HTTP/0.9", scripts: thenEnd(end, "<ok/>"), requests: []testRequest{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "HTTP/2 frames", scripts: thenEnd(end, "\x00\x00\x00\x04\x00\x00\x00\x00\x00"), requests: []testRequest{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "HTTP/2 in a status line", scripts: responses("HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\n<ok/>"), requests: twice(get),
		want: `200 "<ok/>"; 200 "<ok/>" reused; 2 on 1`},
	{name: "a status of four digits", scripts: responses("HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\n<ok/>"), requests: []testRequest{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "status 000", scripts: responses("HTTP/1.1 000 OK\r\nContent-Length: 5\r\n\r\n<ok/>"), requests: twice(get),
		want: `0 ""; 0 ""; 2 on 2`, netHTTP: `0 "<ok/>"; 0 "<ok/>"; 2 on 2`,
		because: "a status below 200 that is not interim has no body"},
	{name: "garbage", scripts: thenEnd(end, "\xff\xfe\r\n\r\n"), requests: []testRequest{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "an empty line first", scripts: responses("\r\n" + ok), requests: []testRequest{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "a body after 204", scripts: responses("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n<ok/>"), requests: twice(get),
		want: `204 ""; 204 ""; 2 on 2`},
	{name: "closed within the head", scripts: thenEnd(end, "HTTP/1.1 200 OK\r\nContent-Le"), requests: []testRequest{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "closed within the status", scripts: thenEnd(end, "HTTP/1.1 2"), requests: []testRequest{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "closed within the body", scripts: thenEnd(end, ok[:len(ok)-2]), requests: twice(post),
		want: `200 "<ok" cut; 200 "<ok" cut; 2 on 2; 8 sent, 2 whole`},
	{name: "closed within a chunk", scripts: thenEnd(end, chunked+"5\r\n<o"), requests: twice(post),
		want: `200 "<o" cut; 200 "<o" cut; 2 on 2; 8 sent, 2 whole`},
	{name: "closed before the last chunk", scripts: thenEnd(end, chunked+"5\r\n<ok/>\r\n"), requests: twice(post),
		want: `200 "<ok/>" cut; 200 "<ok/>" cut; 2 on 2; 8 sent, 2 whole`},
	{name: "closed within the trailers", scripts: thenEnd(end, chunked+"5\r\n<ok/>\r\n0\r\nX-A: b"), requests: twice(post),
		want: `200 "<ok/>" cut; 200 "<ok/>" cut; 2 on 2; 8 sent, 2 whole`},
	{name: "a body until the connection ends, closed below TLS", scripts: thenEnd(closeRaw, "HTTP/1.1 200 OK\r\n\r\n<ok/>"), requests: []testRequest{post},
		want: `200 "<ok/>"; 1 on 1; 4 sent, 1 whole`},
	{name: "a body until the connection ends, half closed below TLS", tcp: true, scripts: thenEnd(closeWrite, "HTTP/1.1 200 OK\r\n\r\n<ok/>"), requests: []testRequest{post},
		want: `200 "<ok/>"; 1 on 1; 4 sent, 1 whole`},
	{name: "a body until the connection ends, reset", tcp: true, scripts: thenEnd(reset, "HTTP/1.1 200 OK\r\n\r\n"), requests: []testRequest{post},
		want: `200 "" cut; 1 on 1; 4 sent, 1 whole`},
	{name: "no response", scripts: thenEnd(end), requests: []testRequest{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "no response, closed below TLS", scripts: thenEnd(closeRaw), requests: []testRequest{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "no response, reset", tcp: true, scripts: thenEnd(reset), requests: []testRequest{post},
		want: `broken; 1 on 1; 4 sent, 1 whole`},
	{name: "closed within the request", scripts: [][]step{{firstByte, closeRaw}}, requests: []testRequest{post},
		want: `broken; 0 on 1`},
	{name: "a server that sends first", tcp: true, scripts: [][]step{{say(ok), head, body}}, requests: []testRequest{post},
		want: `200 "<ok/>"; 1 on 1; 4 sent, 1 whole`, netHTTP: nondeterministic,
		because: "http.Transport may read the response before the request"},
	{name: "plain HTTP", raw: true, tcp: true, scripts: [][]step{{say("HTTP/1.1 400 Bad Request\r\n\r\n"), end}}, requests: []testRequest{post},
		want: `unconnected; 0 on 1`},
}

// firstByte reads the first byte of a request.
func firstByte(p *peer) error { _, err := p.br.ReadByte(); return err }
