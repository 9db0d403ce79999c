package doctor_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/doctor"
	"hmaproxy/internal/emulator"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func TestWorkingSetups(t *testing.T) {
	for _, c := range []struct {
		name  string
		setup func(*testSetup)
		note  string // a part of the notes
	}{
		{"as set up", func(*testSetup) {}, ""},
		{"every mailbox on purpose", func(r *testSetup) { r.env["HMA_ALLOWED_MAILBOXES"] = "*" }, "every mailbox, on purpose"},
		{"groups", func(r *testSetup) {
			delete(r.env, "HMA_ALLOWED_MAILBOXES")
			r.env["HMA_ALLOWED_GROUPS"], r.env["HMA_ALLOWED_GROUPS_AS"] = "erp@contoso.com", "bob@contoso.com"
			r.e.Exchange().AddGroup("erp@contoso.com", "alice@contoso.com", "team@contoso.com")
			r.e.Exchange().AddGroup("team@contoso.com", "bob@contoso.com")
		}, "MemberJoinRestriction"},
		{"through a corporate proxy", func(r *testSetup) {
			r.connectProxy(func(*http.Request) int { return http.StatusOK })
			for _, host := range []string{"login.microsoftonline.com", "contoso.vault.azure.net", "mail.contoso.com"} {
				r.noName(host + ":443")
			}
		}, ""},
		{"through a corporate proxy that speaks TLS", func(r *testSetup) {
			r.connectProxy(func(*http.Request) int { return http.StatusOK })
			r.overTLS("proxy.contoso.com:3128")
			r.noName("contoso.vault.azure.net:443")
			r.env["HTTPS_PROXY"] = strings.Replace(r.env["HTTPS_PROXY"], "http:", "https:", 1)
		}, ""},
		{"connected to by another address", func(r *testSetup) {
			r.env["HMA_EWS_CONNECT"] = "ex01.corp.contoso.com:8443"
			r.noName("mail.contoso.com:443")
			r.serve("ex01.corp.contoso.com:8443", r.tlsConfig("mail.contoso.com"), r.e.Exchange())
		}, ""},
		{"certificate ends soon", func(r *testSetup) {
			upload(emulator.CertOptions{NotBefore: time.Now().AddDate(0, -11, 0), NotAfter: time.Now().Add(10*24*time.Hour + time.Hour)})(r)
		}, "expires in 10 days"},
		{"two versions", func(r *testSetup) {
			c := newCert(r.t, emulator.CertOptions{})
			uploadLater(r, c)
			r.e.Entra().Register(c)
		}, "the version before it is usable too"},
		{"clock a little behind", func(r *testSetup) {
			r.e.Entra().SetClockSkew(2 * time.Minute)
			r.e.KeyVault().SetClockSkew(2 * time.Minute)
			r.e.Exchange().SetClockSkew(2 * time.Minute)
		}, "the clock is off by 2 minutes"},
		{"another tenant named for the vault", set("HMA_KEY_VAULT_TENANT_ID", otherID), "hmaproxy uses the vault's"},
		{"resource with a slash, registered so", func(r *testSetup) {
			r.env["HMA_RESOURCE_ID"] = "https://mail.contoso.com/"
			r.e.Entra().AddResource("https://mail.contoso.com/", false)
		}, ""},
		{"mailbox by an alias", func(r *testSetup) {
			r.e.Exchange().AddMailbox(emulator.Mailbox{Primary: "carol@contoso.com", Aliases: []string{"o'carol+x@contoso.com"}})
			r.opts.Mailbox = "o'carol+x@contoso.com"
		}, ""},
		{"vault signs", func(r *testSetup) { r.env["HMA_KEY_MODE"] = "vault" }, ""},
		{"get certificate is not needed", func(r *testSetup) {
			r.e.KeyVault().Permit(r.e.Config().VaultAppID, emulator.GetSecrets)
		}, "get on certificates is missing: hmaproxy works without it"},
		{"tenant by its domain", func(r *testSetup) { r.env["HMA_TENANT_ID"] = "contoso.com" }, ""},
		{"certificate from a file", func(r *testSetup) {
			for name := range r.env {
				if strings.HasPrefix(name, "HMA_KEY_VAULT_") {
					delete(r.env, name)
				}
			}
			pem, err := r.e.Certificate().PEM()
			if err != nil {
				r.t.Fatal(err)
			}
			r.env["HMA_CERT_FILE"] = r.file("hma.pem", pem)
		}, ""},
		{"HMA is not the default and the token is taken", func(r *testSetup) {
			challenge(r, http.StatusUnauthorized, http.Header{"Www-Authenticate": {strings.Replace(goodChallenge(r), "authorization_uri", "x", 1)}}, true)
		}, "not the default on this server"},
		{"audience is another host, which a device makes Exchange's", func(r *testSetup) {
			r.env["HMA_EWS_URL"] = "https://ews.contoso.com/EWS/Exchange.asmx"
			r.env["HMA_RESOURCE_ID"] = "https://mail.contoso.com"
			r.serve("ews.contoso.com:443", r.tlsConfig("ews.contoso.com"), http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				req.Host = "mail.contoso.com"
				r.e.Exchange().ServeHTTP(w, req)
			}))
		}, "audience is not the host of HMA_EWS_URL, and Exchange accepts it"},
		{"default mailbox", func(r *testSetup) {
			r.opts.Mailbox, r.env["HMA_DEFAULT_MAILBOX"] = "", "bob@contoso.com"
		}, ""},
		{"first of the allow-list", func(r *testSetup) { r.opts.Mailbox = "" }, ""},
		{"no mailbox at all", func(r *testSetup) {
			r.opts.Mailbox = ""
			r.env["HMA_ALLOWED_MAILBOXES"] = "*"
		}, ""},
		{"mailbox off the allow-list is said", func(r *testSetup) { r.opts.Mailbox = "ceo@contoso.com" }, "-mailbox is not on the allow-list"},
		{"mailbox off every client user's list is said", func(r *testSetup) {
			narrowed("*@contoso.com", "alice@contoso.com")(r)
			r.opts.Mailbox = "ceo@contoso.com"
		}, "-mailbox is not on the allow-list"},
		{"only the allow-list refuses", func(r *testSetup) { r.opts.Forbidden = "ceo@contoso.com" }, "only protection of this mailbox"},
		{"Exchange refuses too", func(r *testSetup) {
			r.opts.Forbidden = "ceo@contoso.com"
			deny(r, "ceo@contoso.com")
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTestSetup(t, emulator.Config{})
				c.setup(r)
				o := r.examine()
				if f := o.first(); f.Check != "none" || o.code != 0 {
					t.Fatalf("%s failed, exit code %d\n%s", f.Check, o.code, o.text)
				}
				if !o.contains(c.note) {
					t.Errorf("no note %q\n%s", c.note, o.text)
				}
				if !strings.Contains(o.text, "Nothing wrong was found.") {
					t.Errorf("no last line\n%s", o.text)
				}
			})
		})
	}
}

// TestNoAllowList checks that a missing allow-list is a warning in the summary
// even if everything works.
func TestNoAllowList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTestSetup(t, emulator.Config{})
		delete(r.env, "HMA_ALLOWED_MAILBOXES")
		o := r.examine()
		if got := o.get("allow-list"); got.Status != doctor.Warning || !strings.Contains(strings.Join(got.Repair, " "), "HMA_ALLOWED_MAILBOXES (to * where every mailbox is meant)") {
			t.Errorf("got %+v", got)
		}
		if o.first().Check != "none" || o.code != 1 || !o.contains("with a warning: no allow-list is set: clients can open every mailbox of the organisation.") {
			t.Errorf("exit code %d\n%s", o.code, o.text)
		}
	})
}

func TestForbiddenMailbox(t *testing.T) {
	for _, c := range []struct {
		name   string
		setup  func(*testSetup)
		status doctor.Status
		detail string
		cause  string
	}{
		{"not closed at all", func(r *testSetup) { delete(r.env, "HMA_ALLOWED_MAILBOXES") }, doctor.Failed, "Exchange opens it", "no allow-list is set"},
		{"allow-list holds it", func(r *testSetup) { r.env["HMA_ALLOWED_MAILBOXES"] = "*@contoso.com" }, doctor.Failed, "Exchange opens it", "the allow-list contains it"},
		{"list of a client user holds it", clientUser("ceo@contoso.com"), doctor.Failed, "Exchange opens it", "the allow-list contains it"},
		{"client users narrow the allow-list", narrowed("*@contoso.com", "alice@contoso.com"), doctor.OK, "hmaproxy's allow-list refuses it", ""},
		{"one client user of two narrows it", narrowed("*@contoso.com", "alice@contoso.com", "ceo@contoso.com"), doctor.Failed, "Exchange opens it", "the allow-list contains it"},
		{"one client user of two has no list", narrowed("*@contoso.com", "alice@contoso.com", ""), doctor.Failed, "Exchange opens it", "the allow-list contains it"},
		{"a client user's list does not widen it", narrowed("alice@contoso.com", "ceo@contoso.com"), doctor.OK, "hmaproxy's allow-list refuses it", ""},
		{"lists of the client users alone", clientUser("alice@contoso.com"), doctor.OK, "hmaproxy's allow-list refuses it", ""},
		{"client user without a list", clientUser(""), doctor.Failed, "Exchange opens it", "no allow-list is set"},
		{"audit mode", func(r *testSetup) { r.env["HMA_ALLOW_LIST_MODE"] = "audit" }, doctor.Failed, "Exchange opens it", "audit refuses nothing"},
		{"allow-list alone", func(*testSetup) {}, doctor.OK, "hmaproxy's allow-list refuses it", ""},
		{"Exchange too", func(r *testSetup) { deny(r, "ceo@contoso.com") }, doctor.OK, "Exchange itself refuses it", ""},
		{"no such mailbox", func(r *testSetup) { r.opts.Forbidden = "nobody@contoso.com" }, doctor.Failed, "ErrorNonExistentMailbox", "says nothing about permissions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTestSetup(t, emulator.Config{})
				r.opts.Forbidden = "ceo@contoso.com"
				c.setup(r)
				o := r.examine()
				got := o.get("forbidden")
				if got.Status != c.status || !strings.Contains(got.Detail, c.detail) || !strings.Contains(got.Cause, c.cause) {
					t.Errorf("got %+v\n%s", got, o.text)
				}
			})
		})
	}
}

// clientUser returns a function that replaces the allow-list by a client user's
// own list.
func clientUser(list string) func(*testSetup) {
	return func(r *testSetup) {
		narrowed("", list)(r)
		delete(r.env, "HMA_ALLOWED_MAILBOXES")
	}
}

// narrowed returns a function that sets the allow-list and adds a client user
// for each of lists. A user whose list is "" may open the whole allow-list.
func narrowed(allowed string, lists ...string) func(*testSetup) {
	return func(r *testSetup) {
		r.env["HMA_ALLOWED_MAILBOXES"] = allowed
		var users strings.Builder
		for i, list := range lists {
			fmt.Fprintf(&users, "crm%d:$2a$10$%s %s\n", i, strings.Repeat(".", 53), list)
		}
		r.env["HMA_CLIENT_USERS_FILE"] = r.file("users", []byte(users.String()))
	}
}

// uploadLater waits for two seconds and then uploads a new version, because
// the vault's times have a resolution of one second. It returns the version's id.
func uploadLater(r *testSetup, c *emulator.Certificate) string {
	time.Sleep(2 * time.Second)
	return r.e.KeyVault().Upload("HMA-Cert", c)
}

// TestContinuesAfterTolerableFailure checks that doctor continues after a
// failure that does not stop the product.
func TestContinuesAfterTolerableFailure(t *testing.T) {
	for _, c := range []struct {
		name, check, note string
		setup             func(*testSetup)
	}{
		{"newest version not registered", "token", "the version before it is accepted", func(r *testSetup) {
			uploadLater(r, newCert(r.t, emulator.CertOptions{}))
		}},
		{"newest version disabled", "vault-secret", "", func(r *testSetup) {
			r.e.KeyVault().Disable(uploadLater(r, newCert(r.t, emulator.CertOptions{})))
		}},
		{"newest version not yet valid", "certificate", "an older version is used until then", func(r *testSetup) {
			uploadLater(r, newCert(r.t, emulator.CertOptions{NotBefore: time.Now().AddDate(0, 1, 0)}))
		}},
		{"registered by another spelling", "token", "", func(r *testSetup) {
			r.e.Entra().RemoveResource(r.e.Resource())
			r.e.Entra().AddResource(r.e.Resource()+"/", false)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTestSetup(t, emulator.Config{})
				c.setup(r)
				o := r.examine()
				f := o.get(c.check)
				if f.Status != doctor.Failed || o.get("mailbox").Status != doctor.OK || o.code != 1 || !strings.Contains(strings.Join(f.Notes, "\n"), c.note) {
					t.Errorf("exit code %d\n%s", o.code, o.text)
				}
			})
		})
	}
}

// goodChallenge is Exchange's challenge with every feature on, as Microsoft
// documents it.
func goodChallenge(r *testSetup) string {
	return `Bearer client_id="00000002-0000-0ff1-ce00-000000000000", trusted_issuers="00000001-0000-0000-c000-000000000000@` + r.e.Config().TenantID +
		`", token_types="app_asserted_user_v1 service_asserted_app_v1", authorization_uri="https://login.windows.net/common/oauth2/authorize"`
}

// challenge makes Exchange, or a device in front of it, respond with a status
// and headers. If emptyOnly is true, only requests without a token get this
// response.
func challenge(r *testSetup, status int, h http.Header, emptyOnly bool) {
	h = h.Clone()
	if h == nil {
		h = http.Header{}
	}
	fault := emulator.Fault{Status: status, Header: h}
	if emptyOnly {
		fault.Match = func(req *http.Request) bool { return len(req.Header.Get("Authorization")) < 20 }
	}
	r.e.Exchange().InjectWhile(func() bool { return true }, fault)
}

// deny makes Exchange refuse to let the application act as a mailbox. The
// response has the layout of a captured response.
func deny(r *testSetup, mailbox string) {
	r.e.Exchange().InjectWhile(func() bool { return true }, emulator.Fault{
		Match:  func(req *http.Request) bool { return req.Header.Get("X-AnchorMailbox") == mailbox },
		Status: http.StatusInternalServerError,
		Header: http.Header{"Content-Type": {"text/xml; charset=utf-8"}, "X-Feserver": {"EX01"}},
		Body: `<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault>` +
			`<faultcode xmlns:a="http://schemas.microsoft.com/exchange/services/2006/types">a:ErrorImpersonateUserDenied</faultcode>` +
			`<faultstring xml:lang="en-US">The account does not have permission to impersonate the requested user.</faultstring><detail>` +
			`<e:ResponseCode xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">ErrorImpersonateUserDenied</e:ResponseCode>` +
			`<e:Message xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">The account does not have permission to impersonate the requested user.</e:Message></detail></s:Fault></s:Body></s:Envelope>`,
	})
}
