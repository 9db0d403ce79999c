package device

import (
	"crypto/tls"
	"net"
	"net/http"
)

// Table returns every device.
func Table() []Device {
	var all []Device
	for _, part := range [][]Device{expectations(), early(), pages(), heads(), handshakes(), certificates()} {
		all = append(all, part...)
	}
	return all
}

// expectations returns the devices that mishandle "Expect: 100-continue".
func expectations() []Device {
	return []Device{
		{
			Name: "expect-417", Source: "github.com/otris/ews-cpp/issues/193; curl/curl/pull/4964; RFC 9110, 10.1.1",
			Does:    "responds to any request with Expect with 417, before it has read the body, and keeps the connection",
			session: refuseExpectation("417 Expectation Failed"),
		},
		{
			Name: "expect-501-kemp", Source: "c7solutions.com, EWS and 501 Error; Kemp Exchange 2019 guide 2.3",
			Does:    "sends no 100, takes the body that comes nevertheless for a new request, responds with 501 and closes",
			session: takeBodyForRequest,
		},
		{
			Name: "expect-swallowed", Source: "bhargavs.com, Mac Mail and Kemp",
			Does:    "drops Expect and waits for the body",
			session: swallowExpectation,
		},
	}
}

// pages returns the devices that respond in place of Exchange.
func pages() []Device {
	return []Device{
		{
			Name: "page-200", Source: "F5 APM and AD FS sign-in pages; github.com/ecederstrand/exchangelib/issues/844",
			Does:    "responds to every request with 200 and a sign-in form, and sets a session cookie",
			handler: respond(http.StatusOK, signInForm, "Content-Type", "text/html; charset=utf-8", "Set-Cookie", "MRHSession=0f3c9a52; path=/; secure"),
		},
		{
			Name: "empty-200", Source: "github.com/mguessan/davmail/issues/109",
			Does:    "responds with 200 without a body and without Content-Type",
			handler: respond(http.StatusOK, ""),
		},
		{
			Name: "status-440", Source: "infinitec.de, 440 Login Timeout",
			Does:    "responds with 440 Login Timeout and a page",
			handler: respond(440, signInForm, "Content-Type", "text/html"),
		},
		{
			Name: "status-404-page", Source: "github.com/ecederstrand/exchangelib/issues/1034",
			Does:    "responds with 404 and a page",
			handler: respond(http.StatusNotFound, "<html><head><title>404 - File or directory not found.</title></head></html>", "Content-Type", "text/html"),
		},
		{
			Name: "redirect-owa", Source: "github.com/jamesiarmes/php-ews/issues/270",
			Does:    "redirects every request to Outlook on the web",
			handler: respond(http.StatusFound, "", "Location", "/owa/auth/logon.aspx?url=%2fEWS%2fExchange.asmx&reason=0"),
		},
		{
			Name: "401-negotiate-only", Source: "github.com/OfficeDev/ews-managed-api/issues/26",
			Does:    "offers Negotiate and NTLM and no bearer authentication",
			handler: respond(http.StatusUnauthorized, "", "Www-Authenticate", "Negotiate", "Www-Authenticate", "NTLM", "X-Feserver", "EX01"),
		},
		{
			Name: "401-forms", Source: "github.com/OfficeDev/ews-managed-api/issues/26, TMG",
			Does:    "offers Basic for its own sign-in",
			handler: respond(http.StatusUnauthorized, signInForm, "Www-Authenticate", `Basic realm="gateway"`, "Content-Type", "text/html"),
		},
	}
}

const signInForm = `<html><head><title>Sign in</title></head><body><form action="/my.policy" method="post"><input name="username"><input name="password" type="password"></form></body></html>`

// respond returns a function for the field handler of a Device. The handler
// that the function returns sends a response with the given status, headers and
// body, and forwards nothing to Exchange. headers are alternating names and
// values.
func respond(status int, body string, headers ...string) func(http.Handler) http.Handler {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(headers); i += 2 {
				w.Header().Add(headers[i], headers[i+1])
			}
			if body == "" {
				w.Header()["Content-Type"] = w.Header()["Content-Type"] // an existing key, even with a nil value, prevents net/http from adding a Content-Type
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		})
	}
}

// handshakes returns the devices with TLS stacks that differ from current ones.
func handshakes() []Device {
	return []Device{
		{
			Name: "tls-rsa-key-exchange", Source: "github.com/golang/go/issues/66512; xhit/go-simple-mail/issues/100",
			Does: "speaks TLS 1.2 with suites of RSA key exchange only",
			tls:  tls12(tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_128_CBC_SHA),
		},
		{
			Name: "tls-2012r2-hardened", Source: "github.com/Icinga/icinga-powershell-framework/issues/771; microsoft/go/pull/1768",
			Does: "speaks TLS 1.2 with ECDHE-RSA-AES128-SHA256 (CBC) only, as a hardened Windows Server 2012 R2",
			tls:  tls12(tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256),
		},
		{
			Name: "tls-2012r2-default", Source: "github.com/minio/minio/pull/5245",
			Does: "speaks TLS 1.2 with ECDHE-RSA-AES-SHA, as Windows Server 2012 R2 without changes",
			tls:  tls12(tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA),
		},
		{
			Name: "tls-1.0-only", Source: "aka.ms/ExchangeTLS",
			Does: "speaks TLS 1.0 only",
			tls:  func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 },
		},
		{
			Name: "hello-in-two-packets-reset", Source: "github.com/canonical/lxd/issues/14839; golang/go/issues/80573; tldr.fail",
			Does: "resets a connection whose ClientHello does not fit into one segment",
			conn: func(c net.Conn) net.Conn { return &shortHelloConn{Conn: c, onLong: reset} },
		},
		{
			Name: "hello-in-two-packets-dropped", Source: "tldr.fail",
			Does: "never responds to a ClientHello that does not fit into one segment",
			conn: func(c net.Conn) net.Conn { return &shortHelloConn{Conn: c, onLong: wait} },
		},
		{
			Name: "client-certificate-accepted", Source: "IIS, SSL settings: client certificates Accept",
			Does: "speaks TLS 1.2, asks for a client certificate and goes on without one",
			tls:  func(c *tls.Config) { c.ClientAuth, c.MaxVersion = tls.RequestClientCert, tls.VersionTLS12 },
		},
		{
			Name: "client-certificate-required", Source: "IIS, SSL settings: client certificates Require",
			Does: "ends the handshake without a client certificate",
			tls:  func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert },
		},
		{
			Name: "tls-h2-only", Source: "RFC 7301, 3.2; load balancers with HTTP/2 on the front side",
			Does: "accepts no application protocol other than h2",
			tls:  func(c *tls.Config) { c.NextProtos = []string{"h2"} },
		},
		{
			Name: "tls-unrecognized-name", Source: "RFC 6066, 3; reverse proxies that know other names",
			Does: "refuses the server name in the ClientHello with a fatal alert",
			conn: func(c net.Conn) net.Conn { return &helloConn{Conn: c, reply: "\x15\x03\x01\x00\x02\x02\x70"} },
		},
		{
			Name: "tls-not", Source: "load balancers that end TLS on another port",
			Does: "speaks HTTP without TLS",
			conn: func(c net.Conn) net.Conn {
				return &helloConn{Conn: c, reply: "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"}
			},
		},
		{
			Name: "tls-small-records", Source: "countermeasures to BEAST; embedded TLS stacks",
			Does: "writes every byte in a TLS record of its own",
			session: writeHeadWith(func(r response) string {
				return "HTTP/1.1 " + r.status + "\r\n" + r.headers + r.length() + "\r\n" + r.body
			},
				func(conn net.Conn, text string) error {
					for i := range len(text) {
						if !write(conn, text[i:i+1]) {
							return net.ErrClosed
						}
					}
					return nil
				}),
		},
	}
}

func tls12(suites ...uint16) func(*tls.Config) {
	return func(c *tls.Config) {
		c.MaxVersion = tls.VersionTLS12
		c.CipherSuites = suites
	}
}
