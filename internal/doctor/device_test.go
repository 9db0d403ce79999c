package doctor_test

import (
	"context"
	"net"
	"net/http"

	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/emulator"
)

func TestWrongProxies(t *testing.T) {
	none := emulator.Config{}
	fine := func(*http.Request) int { return http.StatusOK }
	run(t, []misconfiguration{
		{"https:// for a proxy that takes http", none, func(r *testSetup) {
			r.connectProxy(fine)
			r.env["HTTPS_PROXY"] = "https://svc:" + proxyPassword + "@proxy.contoso.com:3128"
		}, "vault", "HTTPS_PROXY begins with https://", "^set HTTPS_PROXY=http://proxy.contoso.com:3128"},
		{"http:// for a proxy that takes https", none, func(r *testSetup) {
			r.connectProxy(fine)
			r.overTLS("proxy.contoso.com:3128")
		}, "vault", "not that of an HTTP proxy", "curl -v -x"},
		{"proxy that hangs", none, func(r *testSetup) {
			r.connectProxy(func(req *http.Request) int { <-req.Context().Done(); return http.StatusBadGateway })
		}, "vault", "or the proxy hangs", "NO_PROXY=contoso.vault.azure.net"},
		{"proxy down", none, func(r *testSetup) {
			r.env["HTTPS_PROXY"] = "http://proxy.contoso.com:3128"
			r.noService("proxy.contoso.com:3128")
		}, "vault", "proxy is down", "correct HTTPS_PROXY"},
		{"proxy that permits Entra alone", none, func(r *testSetup) {
			r.connectProxy(func(req *http.Request) int {
				if strings.Contains(req.Host, "vault") {
					return http.StatusForbidden
				}
				return http.StatusOK
			})
			r.noName("contoso.vault.azure.net:443")
		}, "vault", "proxy does not permit", "have contoso.vault.azure.net:443 permitted on the proxy"},
		{"a web server in place of the proxy", none, func(r *testSetup) { r.connectProxy(func(*http.Request) int { return http.StatusMethodNotAllowed }) }, "vault", "proxy does not permit", "NO_PROXY"},
		{"proxy that takes CONNECT and hangs up", none, func(r *testSetup) {
			r.connectProxy(fine)
			r.beyond = func(context.Context, string, string) (net.Conn, error) { return &cutConn{}, nil }
		}, "vault", "took CONNECT and cut the connection", "permitted on the proxy"},
		{"proxy that inspects what leads to Exchange", none, func(r *testSetup) {
			inspector, _ := r.otherAuthority("mail.contoso.com")
			r.serve("inspector:443", inspector, r.e.Exchange())
			r.connectProxy(fine)
			r.beyond = func(ctx context.Context, network, address string) (net.Conn, error) {
				if address == "mail.contoso.com:443" {
					return r.ways["inspector:443"](ctx)
				}
				return r.e.DialContext(ctx, network, address)
			}
		}, "exchange", "corporate proxy proxy.contoso.com:3128 inspects TLS", "^the direct way works: set NO_PROXY=mail.contoso.com"},
		{"DNS of the zone down", none, func(r *testSetup) { r.noDNSResponse("mail.contoso.com") }, "exchange", "DNS server .* is down", "nslookup mail.contoso.com"},
		{"handshake cut on the way to Microsoft", none, func(r *testSetup) { r.hangUp("contoso.vault.azure.net:443") }, "vault", "between this machine and Microsoft", "contoso.vault.azure.net:443 pass"},
		{"SMTP's port", none, func(r *testSetup) { r.serveBanner("mail.contoso.com:443", "220 mail.contoso.com ESMTP\r\n") }, "exchange", "the port is another service's", "HMA_EWS_URL"},
	})
}

func TestWrongDevices(t *testing.T) {
	none := emulator.Config{}
	run(t, []misconfiguration{
		{"IIS wants a client certificate", none, exchangeFault(nil, iisForbids()), "challenge", "IIS itself forbids.*403.7", "SSL Settings > Client certificates: Ignore"},
		{"sign-in page of a device", none, exchangeFault(nil, page(200)), "challenge", "pre-authentication", "pass /EWS/\\* through"},
		{"sign-in page by redirection of the site", none, exchangeFault(nil, redirect(301, "Location", "/owa")), "challenge", "Default Web Site .to /owa. that EWS inherits", "appcmd.*httpRedirect -enabled:false"},
		{"moved to Exchange Online, redirected", none, exchangeFault(nil, redirect(302, "Location", "https://outlook.office365.com/EWS/Exchange.asmx")), "challenge", "sends EWS on to Exchange Online", "Get-WebServicesVirtualDirectory"},
		{"moved to Exchange Online, 451", none, exchangeFault(nil, redirect(451, "X-Ms-Location", "https://outlook.office365.com/EWS/Exchange.asmx")), "challenge", "sends EWS on to Exchange Online", "RemoteUserMailbox"},
		{"error page of the front end", none, exchangeFault(withToken, redirect(302, "Location", "/owa/auth/errorFE.aspx?CasErrorCode=x")), "acceptance", "its own error page", "HttpProxy"},
		{"firewall forbids tokens", none, exchangeFault(withToken, page(403)), "acceptance", "WAF", "permit POST"},
		{"firewall of a content network", none, exchangeFault(nil, emulator.Fault{Status: 403, Header: http.Header{"Request-Id": {"0f3c"}, "X-Azure-Ref": {"x"}}}), "challenge", "WAF", "permit POST"},
		{"content network reaches no server", none, exchangeFault(nil, emulator.Fault{Status: 522, Header: http.Header{"Server": {"cloudflare"}}}), "challenge", "load balancer or gateway", "Get-ServerComponentState"},
		{"firewall wants a length", none, exchangeFault(withToken, emulator.Fault{Status: 411}), "acceptance", "a device in front of Exchange does not take EWS requests", "permit POST"},
		{"firewall drops tokens", none, exchangeFault(withToken, emulator.Fault{Drop: true}), "acceptance", "drops requests with a token", "HttpProxy"},
		{"header too large for a device", none, exchangeFault(withToken, emulator.Fault{Status: 431}), "acceptance", "too large", "16 KiB"},
		{"firewall's 406", none, exchangeFault(nil, page(406)), "challenge", "WAF", "pass /EWS/\\* through"},
		{"TLS ends at the load balancer", none, expected("http://mail.contoso.com"), "acceptance", "TLS ends at a device in front", "SSL bridging"},
		{"Host header replaced", none, expected("https://ex01.corp.contoso.com"), "acceptance", "replaces the Host header", "pass the Host header on unchanged"},
		{"nothing but Negotiate once a token comes", none, exchangeFault(withToken, emulator.Fault{Status: 401, Header: http.Header{"Www-Authenticate": {"Negotiate", "NTLM"}, "X-Feserver": {"EX01"}}}), "acceptance", "OAuth is off", "OAuthAuthentication"},
		{"autodiscover's name", none, func(r *testSetup) {
			r.env["HMA_EWS_URL"] = "https://autodiscover.contoso.com/EWS/Exchange.asmx"
			r.env["HMA_RESOURCE_ID"] = "https://mail.contoso.com"
			r.serve("autodiscover.contoso.com:443", r.tlsConfig("autodiscover.contoso.com"), r.e.Exchange())
		}, "claims", "not the host of HMA_EWS_URL .autodiscover.contoso.com", "HMA_RESOURCE_ID=https://autodiscover.contoso.com"},
		{"server's own name, not registered", none, func(r *testSetup) {
			r.env["HMA_EWS_URL"] = "https://ex01.corp.contoso.com/EWS/Exchange.asmx"
			delete(r.env, "HMA_RESOURCE_ID")
			r.serve("ex01.corp.contoso.com:443", r.tlsConfig("ex01.corp.contoso.com"), r.e.Exchange())
		}, "token", "no spelling of https://ex01.corp.contoso.com is registered", "Update-MgServicePrincipal"},
		{"only the Auth certificate's partner trusted", none, func(r *testSetup) {
			challenge(r, 401, http.Header{"X-Feserver": {"EX01"}, "Www-Authenticate": {strings.ReplaceAll(goodChallenge(r), r.e.Config().TenantID, "contoso.com"), "Negotiate"}}, false)
		}, "challenge", "does not trust the tenant", "Hybrid Configuration Wizard"},
	})
}

func TestWrongMailboxes(t *testing.T) {
	none := emulator.Config{}
	run(t, []misconfiguration{
		{"moved to Exchange Online", none, ewsError("ErrorNonExistentMailbox"), "mailbox", "moved to Exchange Online", "Get-Recipient alice@contoso.com"},
		{"EWS off for the mailbox", none, ewsError("ErrorAccessDenied"), "mailbox", "EWS is for it", "Get-CASMailbox alice@contoso.com"},
		{"alias", none, ewsError("ErrorNonPrimarySmtpAddress"), "mailbox", "alias", "PrimarySmtpAddress"},
		{"database dismounted", none, ewsError("ErrorMailboxStoreUnavailable"), "mailbox", "database is not available", "Get-MailboxDatabaseCopyStatus"},
		{"throttled", none, ewsError("ErrorServerBusy"), "mailbox", "throttles", "Get-ThrottlingPolicy"},
		{"no domain controller", none, ewsError("ErrorADUnavailable"), "mailbox", "no domain controller", "Get-ExchangeServer -Status"},
		{"other site does not respond", none, ewsError("ErrorNoRespondingCASInDestinationSite"), "mailbox", "site that holds the mailbox", "InternalUrl"},
		{"no inbox", none, ewsError("ErrorFolderNotFound"), "mailbox", "has no inbox", "RecipientTypeDetails"},
		{"password must be changed", none, ewsError("ErrorPasswordExpired"), "mailbox", "must change its password", "Get-ADUser"},
		{"Exchange's own error", none, ewsError("ErrorInternalServerError"), "mailbox", "an error of its own", "request-id"},
		{"document altered", none, ewsError("ErrorSchemaValidation"), "mailbox", "a device in front alters it", "WAF"},
		{"unknown code", none, ewsError("ErrorOfTomorrow"), "mailbox", "not known here", "ErrorOfTomorrow"},
		{"back end down", none, exchangeFault(asMailbox, emulator.Fault{Status: 503, Header: http.Header{"X-Feserver": {"EX01"}}}), "mailbox", "front end works.*holds this mailbox does not", "Get-MailboxDatabaseCopyStatus"},
		{"back end hangs", none, exchangeFault(asMailbox, emulator.Fault{Hang: true}), "mailbox", "front end works.*holds this mailbox does not", "another database"},
	})
}

// TestUnresponsiveHostsEndWithin30Seconds checks that a host that does not
// respond is reported within 30 seconds, even on a network that drops every
// packet.
func TestUnresponsiveHostsEndWithin30Seconds(t *testing.T) {
	hosts := []string{"mail.contoso.com:443", "login.microsoftonline.com:443", "contoso.vault.azure.net:443"}
	each := func(break1 func(*testSetup, string)) func(*testSetup) {
		return func(r *testSetup) {
			for _, h := range hosts {
				break1(r, h)
			}
		}
	}
	hang := emulator.Fault{Hang: true}
	for name, setup := range map[string]func(*testSetup){
		"packets dropped":             each((*testSetup).blackHole),
		"DNS down":                    each(func(r *testSetup, h string) { r.noDNSResponse(strings.TrimSuffix(h, ":443")) }),
		"every service hangs":         func(r *testSetup) { exchangeFault(nil, hang)(r); vaultFault(nil, hang)(r); entraFault(nil, hang)(r) },
		"the vault hangs at tokens":   vaultFault(withToken, hang),
		"the sign-in hangs":           entraFault(posted, hang),
		"the token request hangs":     entraFault(assertion, hang),
		"Exchange hangs at tokens":    exchangeFault(withToken, hang),
		"Exchange hangs at a mailbox": exchangeFault(asMailbox, hang),
		"proxy hangs, no other way": func(r *testSetup) {
			each((*testSetup).blackHole)(r)
			r.connectProxy(func(req *http.Request) int { <-req.Context().Done(); return http.StatusBadGateway })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTestSetup(t, emulator.Config{})
				setup(r)
				began := time.Now()
				took := time.Duration(0)
				r.ended = append(r.ended, func() { took = time.Since(began) - grace })
				if o := r.examine(); o.code != 1 || took > 30*time.Second {
					t.Errorf("exit code %d after %s\n%s", o.code, took, o.text)
				}
			})
		})
	}
}

// TestSlowResponsesEndWithinTwoMinutes checks that a run ends within two
// minutes, as the text of -help promises, although doctor waits for slow
// responses one after the other.
func TestSlowResponsesEndWithinTwoMinutes(t *testing.T) {
	late := func(s *emulator.Service, d time.Duration) {
		s.InjectWhile(func() bool { return true }, emulator.Fault{Latency: d})
	}
	for name, setup := range map[string]func(*testSetup){
		"Exchange": func(r *testSetup) { late(r.e.Exchange().Service, 19*time.Second) },
		"the vault, which signs": func(r *testSetup) {
			r.env["HMA_KEY_MODE"] = "vault"
			late(r.e.KeyVault().Service, 8*time.Second)
		},
		"everything": func(r *testSetup) {
			r.env["HMA_KEY_MODE"] = "vault"
			late(r.e.KeyVault().Service, 2*time.Second)
			late(r.e.Entra().Service, 2*time.Second)
			late(r.e.Exchange().Service, 15*time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTestSetup(t, emulator.Config{})
				r.opts.Forbidden = "ceo@contoso.com"
				setup(r)
				began := time.Now()
				took := time.Duration(0)
				r.ended = append(r.ended, func() { took = time.Since(began) - grace })
				if o := r.examine(); o.code != 0 || o.longest > 40*time.Second || took > 2*time.Minute {
					t.Errorf("exit code %d after %s, a check took %s\n%s", o.code, took, o.longest, o.text)
				}
			})
		})
	}
}

// noDNSResponse makes DNS queries for a host time out.
func (r *testSetup) noDNSResponse(host string) {
	r.ways[host+":443"] = func(context.Context) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "i/o timeout", Name: host, IsTimeout: true, IsTemporary: true}}
	}
}

// hangUp makes a device close every connection when the first bytes arrive.
func (r *testSetup) hangUp(address string) {
	r.ways[address] = func(context.Context) (net.Conn, error) { return &cutConn{}, nil }
}

// A cutConn accepts everything that is written; every read returns "connection
// reset by peer".
type cutConn struct{ net.Conn }

func (*cutConn) Write(b []byte) (int, error)      { return len(b), nil }
func (*cutConn) Read([]byte) (int, error)         { return 0, syscall.ECONNRESET }
func (*cutConn) Close() error                     { return nil }
func (*cutConn) SetDeadline(time.Time) error      { return nil }
func (*cutConn) SetReadDeadline(time.Time) error  { return nil }
func (*cutConn) SetWriteDeadline(time.Time) error { return nil }
func (*cutConn) LocalAddr() net.Addr              { return pipeAddr{} }
func (*cutConn) RemoteAddr() net.Addr             { return pipeAddr{} }

// serveBanner imitates a server of a protocol other than TLS, which sends a
// line of text as soon as a client connects.
func (r *testSetup) serveBanner(address, line string) {
	l := r.listen(address)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				go func() { _, _ = c.Read(make([]byte, 4096)) }()
				_, _ = c.Write([]byte(line))
				time.Sleep(time.Second)
				c.Close()
			}()
		}
	}()
	r.ended = append(r.ended, func() { l.Close() })
}
