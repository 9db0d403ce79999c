package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

const (
	sentEnvelope = `<s:Envelope><s:Header><a/></s:Header><s:Body><op/></s:Body></s:Envelope>`
	cameEnvelope = `<?xml version="1.0"?><s:Envelope><s:Header></s:Header><s:Body><op/></s:Body></s:Envelope>`
)

// exchanged returns the records of one request on both sides of the product:
// the message between client and product, and the visit of the product to
// Exchange. The product has relayed the request correctly.
func exchanged() (message, *visit) {
	m := message{
		method: "POST", target: "/EWS/Exchange.asmx", body: []byte(sentEnvelope), status: 200, content: []byte("<response/>"),
		header:         http.Header{"Authorization": {"Basic c2VjcmV0"}},
		responseHeader: http.Header{tapHeader: {"1"}, "Set-Cookie": {"a=b; path=/; HttpOnly"}, "Content-Type": {"text/xml"}, "Date": {"now"}},
	}
	v := &visit{
		method: "POST", header: http.Header{"Authorization": {"Bearer eyJ0"}}, whole: true, status: 200,
		responseHeader: http.Header{tapHeader: {"1"}, "Set-Cookie": {"a=b; path=/EWS; secure; HttpOnly; Domain=x"}, "Content-Type": {"text/xml"}, "Www-Authenticate": {"NTLM"}},
	}
	v.body.WriteString(cameEnvelope)
	v.content.WriteString("<response/>")
	return m, v
}

func TestCompareFindsDifferences(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*message, *visit)
		want   string // part of the error; "" for none
	}{
		"faithful": {func(*message, *visit) {}, ""},
		"another Body": {func(_ *message, v *visit) {
			v.body = *bytes.NewBufferString(strings.Replace(cameEnvelope, "<op/>", "<up/>", 1))
		}, "Body changed"},
		"a Body cut short":      {func(_ *message, v *visit) { v.body.Truncate(v.body.Len() - 4) }, "Body changed"},
		"a Body read in part":   {func(_ *message, v *visit) { v.body.Truncate(v.body.Len() - 4); v.whole = false }, ""},
		"another response":      {func(m *message, _ *visit) { m.content = []byte("<response />") }, "response changed"},
		"a response cut":        {func(m *message, _ *visit) { m.content, m.cut = []byte("<res"), true }, ""},
		"another status":        {func(m *message, _ *visit) { m.status = 500 }, "status 200 became 500"},
		"a header lost":         {func(_ *message, v *visit) { v.responseHeader.Set("X-DiagInfo", "EX01") }, "X-Diaginfo"},
		"a header added":        {func(m *message, _ *visit) { m.responseHeader.Set("X-New", "1") }, "X-New was added"},
		"a challenge":           {func(m *message, _ *visit) { m.responseHeader.Set("Www-Authenticate", "NTLM") }, "Www-Authenticate was added"},
		"a Secure cookie":       {func(m *message, _ *visit) { m.responseHeader.Set("Set-Cookie", "a=b; path=/; HttpOnly; Secure") }, "Set-Cookie"},
		"a cookie for a path":   {func(m *message, _ *visit) { m.responseHeader.Set("Set-Cookie", "a=b; path=/EWS; HttpOnly") }, "Set-Cookie"},
		"another cookie":        {func(m *message, _ *visit) { m.responseHeader.Set("Set-Cookie", "a=c; path=/; HttpOnly") }, "Set-Cookie"},
		"no bearer":             {func(_ *message, v *visit) { v.header.Del("Authorization") }, "0 Authorization"},
		"two bearers":           {func(_ *message, v *visit) { v.header.Add("Authorization", "Bearer eyJ1") }, "2 Authorization"},
		"the client's password": {func(_ *message, v *visit) { v.header.Set("X-Auth", "c2VjcmV0") }, "credentials"},
		"the runner's password": {func(_ *message, v *visit) { v.body.WriteString(password) }, "credentials"},
		"an unexpected refusal": {func(m *message, _ *visit) { m.responseHeader = http.Header{"X-Hmaproxy-Error": {"no-token"}} }, `"no-token"`},
		"no response":           {func(m *message, _ *visit) { m.status, m.responseHeader = 0, nil }, "no response"},
		"a client that left":    {func(m *message, _ *visit) { m.status, m.responseHeader, m.left = 0, nil, true }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m, v := exchanged()
			c.change(&m, v)
			got := ""
			for _, err := range []error{comparePairs([]message{m}, []*visit{v}, scenario{}), checkVisit(v, []message{m})} {
				if err != nil {
					got += err.Error()
				}
			}
			if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Errorf("error %q, want %q", got, c.want)
			}
		})
	}
}

func TestCompareFindsRequestSentTwice(t *testing.T) {
	m, v := exchanged()
	_, second := exchanged()
	if err := comparePairs([]message{m}, []*visit{v, second}, scenario{}); err == nil {
		t.Error("no error for a request that reached Exchange twice")
	}
	left := message{left: true}
	if err := comparePairs([]message{m, left}, []*visit{v, second}, scenario{}); err != nil {
		t.Errorf("one request of a client that left: %v", err)
	}
	_, third := exchanged()
	if err := comparePairs([]message{m, left}, []*visit{v, second, third}, scenario{}); err == nil {
		t.Error("no error for a request of a client that left and that reached Exchange twice")
	}
	second.status = http.StatusUnauthorized
	if err := comparePairs([]message{m}, []*visit{v, second}, scenario{replays: true}); err != nil {
		t.Errorf("a replay after 401: %v", err)
	}
}

func TestParseStreams(t *testing.T) {
	client := "POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab" +
		"POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\n" +
		"GET /c HTTP/1.1\r\nHost: h\r\n\r\n"
	server := "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx" +
		"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"
	list := parseStreams([]byte(client), []byte(server))
	if len(list) != 3 {
		t.Fatalf("%d messages", len(list))
	}
	if m := list[0]; string(m.body) != "ab" || m.status != 200 || string(m.content) != "x" || m.cut {
		t.Errorf("first: %+v", m)
	}
	if m := list[1]; string(m.body) != "c" || m.status != 500 || string(m.content) != "ab" || !m.cut {
		t.Errorf("second: %+v", m)
	}
	if m := list[2]; m.status != 0 {
		t.Errorf("third: %+v", m)
	}
}

// TestRelayNotesWhoEndsTheConnection checks that the relay records which side has
// ended a connection first, while a request has no response.
func TestRelayNotesWhoEndsTheConnection(t *testing.T) {
	for name, clientFirst := range map[string]bool{"client": true, "product": false} {
		t.Run(name, func(t *testing.T) {
			product, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer product.Close()
			r, err := newRelay(product.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer r.close()
			client, err := net.Dial("tcp", r.addr())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			server, err := product.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			const request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
			io.WriteString(client, request)
			if _, err := io.ReadFull(server, make([]byte, len(request))); err != nil {
				t.Fatal(err)
			}
			first, second := client, server
			if !clientFirst {
				first, second = server, client
			}
			first.Close()
			if _, err := io.ReadAll(second); err != nil {
				t.Fatal(err)
			}
			second.Close()
			for !r.ended() {
				runtime.Gosched()
			}
			list := r.messages()
			if len(list) != 1 || list[0].left != clientFirst {
				t.Errorf("messages %+v, want one with left %t", list, clientFirst)
			}
		})
	}
}
