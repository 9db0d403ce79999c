package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"hmaproxy/proxy"
	"hmaproxy/proxy/policy"
)

// fixedToken is a proxy.TokenSource.
type fixedToken string

func (t fixedToken) Token(context.Context) (string, error) { return string(t), nil }

func Example() {
	exchange := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Println("Exchange gets:", r.Header.Get("Authorization"))
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		fmt.Fprint(w, `<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body/></Envelope>`)
	}))
	defer exchange.Close()

	allowed, err := policy.ParsePatterns("alice@contoso.com")
	if err != nil {
		fmt.Println(err)
		return
	}
	list, err := policy.New(policy.Config{Allowed: allowed, DefaultMailbox: "alice@contoso.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	ews, _ := url.Parse(exchange.URL + "/EWS/Exchange.asmx")
	handler, err := proxy.New(proxy.Config{
		EWS:       ews,
		Tokens:    fixedToken("a-token"),
		Transport: exchange.Client().Transport, // trusts the test server; use nil for Exchange
		Policy:    func() *policy.Policy { return list },
		Done:      func(r *proxy.Record) { fmt.Println("Record:", r.Operation, r.Mailbox, r.Status, r.Reason.Class()) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := handler.Server(nil)
	go server.Serve(listener)

	for _, mailbox := range []string{"", "bob@contoso.com"} {
		resp, err := http.Post("http://"+listener.Addr().String()+"/EWS/Exchange.asmx", "text/xml; charset=utf-8",
			strings.NewReader(string(envelope(mailbox, getFolder))))
		if err != nil {
			fmt.Println(err)
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		fmt.Printf("The client gets: %d %q\n", resp.StatusCode, resp.Header.Get("X-Hmaproxy-Error"))
	}
	_ = server.Shutdown(context.Background()) // wait for Done
	// Unordered output:
	// Exchange gets: Bearer a-token
	// Record: GetFolder alice@contoso.com 200 served
	// The client gets: 200 ""
	// Record: GetFolder bob@contoso.com 500 refused
	// The client gets: 500 "mailbox-not-allowed"
}
