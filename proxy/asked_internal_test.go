package proxy

import (
	"strings"
	"testing"
)

func TestServiceOf(t *testing.T) {
	for target, want := range map[string]Service{
		"/autodiscover/autodiscover.xml":        ServiceAutodiscover,
		"/Autodiscover/Autodiscover.svc":        ServiceAutodiscover,
		"/autodiscoverer":                       ServiceOther,
		"/owa/":                                 ServiceOWA,
		"/OWA":                                  ServiceOWA,
		"/mapi/emsmdb?MailboxId=x":              ServiceMAPI,
		"/rpc/rpcproxy.dll":                     ServiceMAPI,
		"/Microsoft-Server-ActiveSync?Cmd=Sync": ServiceEAS,
		"/EWS/":                                 ServiceEWSWithoutAsmx,
		"/ews":                                  ServiceEWSWithoutAsmx,
		"/EWS/Exchange":                         ServiceEWSWithoutAsmx,
		"/EWS/Exchange.asmx/s/GetUserPhoto?email=a": ServiceOther,
		"/ewsx":                  ServiceOther,
		"/":                      ServiceOther,
		"/index.html?next=/owa/": ServiceOther,
	} {
		if got := serviceOf(target); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
}

func TestProduct(t *testing.T) {
	for userAgent, want := range map[string]string{
		"ExchangeServicesClient/15.00.0913.015": "ExchangeServicesClient/15.00.0913.015",
		"Mozilla/5.0 (Macintosh) alice":         "Mozilla/5.0",
		"exchangelib/5.4.0 (python-requests)":   "exchangelib/5.4.0",
		"":                                      "",
		"alice@contoso.com":                     "",
		"<script>":                              "",
		"é/1":                                   "",
		strings.Repeat("a", 60):                 strings.Repeat("a", 48),
	} {
		if got := product(userAgent); got != want {
			t.Errorf("%q: %q, want %q", userAgent, got, want)
		}
	}
}

// TestTokenBytes tests each byte in a product. A product has a slash and the
// characters of a token: letters, digits and the characters that RFC 9110, section
// 5.6.2, lists. It ends before a blank.
func TestTokenBytes(t *testing.T) {
	for c := range 0x100 {
		text := "a" + string([]byte{byte(c)})
		want := ""
		switch {
		case c == ' ':
			want = "a"
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c < 0x80 && strings.ContainsRune("/!#$%&'*+-.^_`|~", rune(c)):
			want = text
		}
		if got := product(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
