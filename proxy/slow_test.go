package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"hmaproxy/proxy"
)

// TestIncompleteBodyIsAFault checks that a client whose body is incomplete gets
// a SOAP fault. In one case the body is short. In the other case it is long,
// and the proxy has already sent a part of it to Exchange.
func TestIncompleteBodyIsAFault(t *testing.T) {
	text := string(envelope("alice@contoso.com", getFolder))
	long := strings.Replace(text, "<m:GetFolder>", "<m:GetFolder><!--"+strings.Repeat("x", 400<<10)+"-->", 1)
	if long == text {
		long = text[:len(text)-20] + strings.Repeat(" ", 400<<10)
	}
	for name, sent := range map[string]string{"short": text[:len(text)-30], "long": long[:len(long)-30]} {
		t.Run(name, func(t *testing.T) {
			r := newTestProxy(t, testConfig{})
			conn, err := net.Dial("tcp", r.address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "POST /EWS/Exchange.asmx HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s", len(sent)+30, sent)
			_ = conn.(*net.TCPConn).CloseWrite()
			response, _ := io.ReadAll(conn)
			if !strings.HasPrefix(string(response), "HTTP/1.1 500 ") || !strings.Contains(string(response), "ErrorInternalServerTransientError") {
				t.Errorf("got %.300q", response)
			}
		})
	}
}

// TestIncompleteDocumentIsAFault checks that an Autodiscover request whose body
// is incomplete gets the fault ErrorInternalServerTransientError. The proxy must
// not read a mailbox from the incomplete document.
func TestIncompleteDocumentIsAFault(t *testing.T) {
	for path, document := range map[string][]byte{svcPath: getUserSettings("alice@contoso.com"), poxPath: outlookSettings("alice@contoso.com")} {
		for name, missing := range map[string]int{"without its last byte": 1, "without its last 30 bytes": 30, "without any byte": len(document)} {
			t.Run(path+" "+name, func(t *testing.T) {
				r := newTestProxy(t, testConfig{adjust: discovering})
				conn, err := net.Dial("tcp", r.address)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s", path, len(document), document[:len(document)-missing])
				_ = conn.(*net.TCPConn).CloseWrite()
				response, _ := io.ReadAll(conn)
				if !strings.HasPrefix(string(response), "HTTP/1.1 500 ") || !strings.Contains(string(response), "ErrorInternalServerTransientError") {
					t.Errorf("got %.300q", response)
				}
				if got := r.last(t).Reason; got != proxy.ReasonBody {
					t.Errorf("reason %q, want %q", got, proxy.ReasonBody)
				}
			})
		}
	}
}

// timeoutError is the error of a transport when Exchange did not respond in time.
type timeoutError struct{ notSent bool }

func (timeoutError) Error() string   { return "no response in time" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }
func (e timeoutError) NotSent() bool { return e.notSent }

type timeoutTransport struct {
	err       error
	operation string
}

func (f *timeoutTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Body.Close()
	f.operation = r.Pattern
	return nil, f.err
}

// TestTimeoutSaysWhetherItWasSent checks the response after a timeout. It is
// ErrorServerBusy only if the request was not sent. Otherwise its text says that the
// request may have been executed.
func TestTimeoutSaysWhetherItWasSent(t *testing.T) {
	for _, c := range []struct {
		err          error
		code, reason string
		text         string
	}{
		{timeoutError{notSent: false}, "ErrorInternalServerTransientError", "upstream-timeout", "may have been executed"},
		{timeoutError{notSent: true}, "ErrorServerBusy", "upstream-unreachable", "no connection"},
		{context.DeadlineExceeded, "ErrorServerBusy", "upstream-unreachable", "no connection"},
	} {
		transport := &timeoutTransport{err: c.err}
		r := newTestProxy(t, testConfig{adjust: func(config *proxy.Config) { config.Transport = transport }})
		resp, text := r.post(t, envelope("alice@contoso.com", getFolder))
		if f := readFault(t, text); f.Detail != c.code || resp.Header.Get("X-Hmaproxy-Error") != c.reason || !strings.Contains(text, c.text) {
			t.Errorf("%v: %s, %s\n%s", c.err, f.Detail, resp.Header.Get("X-Hmaproxy-Error"), text)
		}
		if transport.operation != "GetFolder" {
			t.Errorf("the request's operation is %q", transport.operation)
		}
	}
}
