package proxy_test

import (
	"bufio"
	"errors"
	"hmaproxy/proxy"
	"hmaproxy/proxy/policy"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRequestIsNeverExecutedTwice uses an Exchange that reads the second request on
// a connection and closes the connection without a response. That request may have
// been executed, so the proxy must not retry it. No header of the client may change
// this.
func TestRequestIsNeverExecutedTwice(t *testing.T) {
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key", "X-Vendor"} {
		t.Run(name, func(t *testing.T) {
			executed := 0
			synctest.Test(t, func(t *testing.T) {
				l := &scripted{t: t}
				transport := &http.Transport{DialTLSContext: l.dialer(func(_ int, c net.Conn, r *bufio.Reader) {
					for range 2 {
						readBodyOf(r, contentLength(readHead(r)))
						executed++
						if executed == 2 {
							return // executed, but without a response
						}
						_, _ = io.WriteString(c, shortOK)
					}
				})}
				handler, err := proxy.New(proxy.Config{
					EWS:    &url.URL{Scheme: "https", Host: "mail.contoso.com", Path: "/EWS/Exchange.asmx"},
					Tokens: &tokens{current: goodToken}, Transport: transport, ForwardHeaders: []string{name},
					Policy: func() *policy.Policy { return only(t, "alice@contoso.com") },
				})
				if err != nil {
					t.Fatal(err)
				}
				for range 2 {
					w := newWriter()
					r := newRequest(envelope("alice@contoso.com", getFolder))
					r.Header.Set(name, "1")
					handler.ServeHTTP(w, r)
					synctest.Wait()
				}
				transport.CloseIdleConnections()
			})
			if executed != 2 {
				t.Errorf("two requests were executed %d times", executed)
			}
		})
	}
}

// TestAuditedReferenceWhileTheResponseFails checks for a data race: one
// goroutine records a refusal in the body, while another records the failure of
// the response.
func TestAuditedReferenceWhileTheResponseFails(t *testing.T) {
	c := targetsConfig(t)
	c.Audit = true
	body := string(envelope("alice@contoso.com", createItem(400<<10)))
	body = strings.Replace(body, "</t:Message>",
		"<t:From><t:Mailbox><t:EmailAddress>ceo@contoso.com</t:EmailAddress></t:Mailbox></t:From></t:Message>", 1)
	done := make(chan proxy.Record, 1)
	handler, err := proxy.New(proxy.Config{
		EWS:    &url.URL{Scheme: "https", Host: "mail.contoso.com", Path: "/EWS/Exchange.asmx"},
		Tokens: &tokens{current: goodToken},
		Policy: func() *policy.Policy { return mustPolicy(t, c) },
		Done:   func(r *proxy.Record) { done <- *r },
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			go func() {
				_, _ = io.Copy(io.Discard, r.Body)
				r.Body.Close()
			}()
			return &http.Response{StatusCode: 200, ContentLength: -1, Header: http.Header{"Content-Type": {"text/xml"}}, Body: io.NopCloser(cutBody{})}, nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		handler.ServeHTTP(newWriter(), newRequest([]byte(body)))
	}()
	if rec := <-done; rec.Reason != proxy.ReasonUpstreamCut || !strings.Contains(rec.Detail, "response") {
		t.Errorf("reason %q, detail %q", rec.Reason, rec.Detail)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// cutBody is a response body that fails after its first bytes.
type cutBody struct{}

func (cutBody) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return copy(p, "<Envelope>"), errors.New("cut")
}
