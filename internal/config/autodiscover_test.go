package config

import (
	"strings"
	"testing"
)

func TestAutodiscover(t *testing.T) {
	named := vars{"HMA_HOST_NAMES": "ews-proxy.contoso.com, autodiscover.contoso.com"}
	secure := vars{"HMA_TLS_CERT_FILE": "/tls.pem", "HMA_TLS_KEY_FILE": "/tls-key.pem"}
	for _, tc := range []struct {
		name, value string
		with        vars
		want        string // the URL, "auto", or a part of the problem's text
		good        bool
	}{
		{"auto", "auto", nil, "auto", true},
		{"URL", "https://ews-proxy.contoso.com/EWS/Exchange.asmx", named, "https://ews-proxy.contoso.com/EWS/Exchange.asmx", true},
		{"upper case", "https://EWS-Proxy.contoso.com/ews/EXCHANGE.asmx", named, "https://ews-proxy.contoso.com/EWS/Exchange.asmx", true},
		{"host alone", "https://ews-proxy.contoso.com:8443/", named, "https://ews-proxy.contoso.com:8443/EWS/Exchange.asmx", true},
		{"localhost", "https://localhost:8443", secure, "https://localhost:8443/EWS/Exchange.asmx", true},
		{"plain localhost", "http://localhost:8080", nil, "http://localhost:8080/EWS/Exchange.asmx", true},
		{"plain loopback address", "http://[::1]:8080", nil, "http://[::1]:8080/EWS/Exchange.asmx", true},

		{"another case of auto", "AUTO", nil, "neither auto nor a URL", false},
		{"plain name", "http://ews-proxy.contoso.com", named, "leaves this machine", false},
		{"plain localhost while clients come by TLS", "http://localhost:8080", secure, "clients come by TLS", false},
		{"name that is not served", "https://mail.contoso.com", named, "HMA_HOST_NAMES", false},
		{"no names", "https://ews-proxy.contoso.com", nil, "HMA_HOST_NAMES", false},
		{"another path", "https://ews-proxy.contoso.com/owa", named, "/EWS/Exchange.asmx", false},
		{"encoded path", "https://ews-proxy.contoso.com/EWS/Exchange%2easmx", named, "/EWS/Exchange.asmx", false},
		{"query", "https://ews-proxy.contoso.com/EWS/Exchange.asmx?x", named, "query", false},
		{"user", "https://x@ews-proxy.contoso.com", named, "user name", false},
		{"another scheme", "ftp://ews-proxy.contoso.com", named, "https://", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			env := fromVault().with(tc.with).with(vars{"HMA_AUTODISCOVER": tc.value})
			if !tc.good {
				p := problemsOf(t, env)
				if len(p.All) != 1 || p.All[0].Variable != "HMA_AUTODISCOVER" || !strings.Contains(p.All[0].Text, tc.want) {
					t.Errorf("problems %v, want one of HMA_AUTODISCOVER that says %q", p, tc.want)
				}
				return
			}
			got := mustLoad(t, env).Autodiscover
			text := "auto"
			if got.URL != nil {
				text = got.URL.String()
			}
			if !got.On || text != tc.want {
				t.Errorf("%+v, want %s", got, tc.want)
			}
		})
	}
	if got := mustLoad(t, fromVault()).Autodiscover; got.On {
		t.Error("on without the variable")
	}
}

func TestWarnsWhenAutodiscoverHandsOutTheNameOfExchange(t *testing.T) {
	env := fromVault().with(vars{"HMA_ALLOWED_MAILBOXES": "alice@contoso.com", "HMA_EWS_URL": "https://mail.contoso.com", "HMA_HOST_NAMES": "mail.contoso.com", "HMA_AUTODISCOVER": "https://mail.contoso.com"})
	if got := mustLoad(t, env).Warnings(); len(got) != 1 || !strings.Contains(got[0], "HMA_EWS_CONNECT") {
		t.Errorf("warnings %q", got)
	}
	if got := mustLoad(t, env.with(vars{"HMA_EWS_CONNECT": "192.0.2.1:443"})).Warnings(); got != nil {
		t.Errorf("with HMA_EWS_CONNECT: %q", got)
	}
}
