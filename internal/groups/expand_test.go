package groups

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// A fakeExchange is a double of Exchange that responds to ExpandDL with the
// members of its groups.
type fakeExchange struct {
	groups   map[string][]string // members as "type address", by the group's address
	response map[string]string   // complete responses, used in place of a list of members
	status   int
	asked    []string
	headers  http.Header
}

func (f *fakeExchange) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	f.headers = r.Header
	_, rest, _ := strings.Cut(string(body), "<m:Mailbox><t:EmailAddress>")
	group, _, _ := strings.Cut(rest, "<")
	f.asked = append(f.asked, group)
	text, whole := f.response[group]
	if !whole {
		text = responseWith(f.groups[group], "true")
	}
	if text == "down" {
		return nil, errors.New("connection refused")
	}
	status := http.StatusOK
	if f.status != 0 {
		status = f.status
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(text))}, nil
}

// responseWith returns a response of ExpandDL that contains members. The form
// of the response follows Microsoft's reference of ExpandDL and DLExpansion.
func responseWith(members []string, complete string) string {
	var b strings.Builder
	for _, m := range members {
		kind, address, _ := strings.Cut(m, " ")
		fmt.Fprintf(&b, `<t:Mailbox><t:Name>x</t:Name><t:EmailAddress>%s</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType><t:MailboxType>%s</t:MailboxType></t:Mailbox>`, address, kind)
	}
	return `<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header><h:ServerVersionInfo xmlns:h="http://schemas.microsoft.com/exchange/services/2006/types"/></s:Header><s:Body>` +
		`<m:ExpandDLResponse xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><m:ResponseMessages><m:ExpandDLResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>` +
		fmt.Sprintf(`<m:DLExpansion TotalItemsInView="%d" IncludesLastItemInRange="%s">%s</m:DLExpansion>`, len(members), complete, b.String()) +
		`</m:ExpandDLResponseMessage></m:ResponseMessages></m:ExpandDLResponse></s:Body></s:Envelope>`
}

type fixedToken string

func (f fixedToken) Token(context.Context) (string, error) {
	if f == "" {
		return "", errors.New("none")
	}
	return string(f), nil
}

func newTestExpander(f *fakeExchange) *Expander {
	return &Expander{
		EWS: &url.URL{Scheme: "https", Host: "mail.contoso.com", Path: "/EWS/Exchange.asmx"}, Transport: f,
		Tokens: fixedToken("secret-token"), As: "reader&co@contoso.com",
	}
}

func TestExpand(t *testing.T) {
	f := &fakeExchange{groups: map[string][]string{
		"all@contoso.com":   {"Mailbox Alice@contoso.com", "PublicDL team@contoso.com", "Contact x@elsewhere.example", "PublicFolder pf@contoso.com"},
		"team@contoso.com":  {"Mailbox bob@contoso.com", "Mailbox alice@contoso.com", "PublicDL all@contoso.com", "Mailbox b\u00f6b@contoso.com"},
		"other@contoso.com": {"Mailbox carol@contoso.com", "PublicDL team@contoso.com", "PublicDL void@contoso.com"},
	}}
	got, err := newTestExpander(f).Expand(t.Context(), []string{"all@contoso.com", "other@contoso.com"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"Alice@contoso.com", "bob@contoso.com", "carol@contoso.com"}; !slices.Equal(got.Mailboxes, want) {
		t.Errorf("mailboxes %q, want %q", got.Mailboxes, want)
	}
	if got.Nested != 4 || got.Skipped != 3 {
		t.Errorf("nested %d, skipped %d; want 4 and 3", got.Nested, got.Skipped)
	}
	if want := []string{"all@contoso.com", "team@contoso.com", "other@contoso.com", "void@contoso.com"}; !slices.Equal(f.asked, want) {
		t.Errorf("asked for %q, want %q", f.asked, want)
	}
	if f.headers.Get("Authorization") != "Bearer secret-token" || f.headers.Get("X-AnchorMailbox") != "reader&co@contoso.com" {
		t.Errorf("header %v", f.headers)
	}
}

func TestEnvelope(t *testing.T) {
	got := string(newTestExpander(nil).envelope("a&b@contoso.com"))
	for _, want := range []string{
		"<t:SmtpAddress>reader&amp;co@contoso.com</t:SmtpAddress>",
		"<m:ExpandDL><m:Mailbox><t:EmailAddress>a&amp;b@contoso.com</t:EmailAddress></m:Mailbox></m:ExpandDL>",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
}

// TestExpandFails checks that any error about one group is an error of Expand,
// and that its text contains no token.
func TestExpandFails(t *testing.T) {
	chain, wide := map[string][]string{}, map[string][]string{}
	for i := range 9 {
		chain[fmt.Sprintf("g%d@contoso.com", i)] = []string{"Mailbox a@contoso.com", fmt.Sprintf("PublicDL g%d@contoso.com", i+1)}
	}
	for i := range 20_001 {
		wide["g0@contoso.com"] = append(wide["g0@contoso.com"], fmt.Sprintf("Mailbox u%d@contoso.com", i))
	}
	fault := `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>a:ErrorServerBusy</faultcode><faultstring>x</faultstring><detail><e:ResponseCode xmlns:e="e">ErrorServerBusy</e:ResponseCode></detail></s:Fault></s:Body></s:Envelope>`
	for _, test := range []struct {
		name   string
		fake   fakeExchange
		groups string
		want   string
	}{
		{"empty or unknown", fakeExchange{}, "g0@contoso.com", "reports no members"},
		{"second of two", fakeExchange{groups: map[string][]string{"a@contoso.com": {"Mailbox a@contoso.com"}}}, "a@contoso.com,b@contoso.com", "group b@contoso.com"},
		{"incomplete", fakeExchange{response: map[string]string{"g0@contoso.com": responseWith([]string{"Mailbox a@contoso.com"}, "false")}}, "g0@contoso.com", "a part of the members"},
		{"without the attribute", fakeExchange{response: map[string]string{"g0@contoso.com": strings.Replace(responseWith([]string{"Mailbox a@contoso.com"}, "true"), "IncludesLastItemInRange", "X", 1)}}, "g0@contoso.com", "a part of the members"},
		{"error", fakeExchange{response: map[string]string{"g0@contoso.com": strings.NewReplacer("Success", "Error", "NoError", "ErrorNameResolutionMultipleResults").Replace(responseWith(nil, "true"))}}, "g0@contoso.com", "ErrorNameResolutionMultipleResults"},
		{"warning", fakeExchange{response: map[string]string{"g0@contoso.com": strings.Replace(responseWith([]string{"Mailbox a@contoso.com"}, "true"), "Success", "Warning", 1)}}, "g0@contoso.com", "responds with"},
		{"fault", fakeExchange{response: map[string]string{"g0@contoso.com": fault}, status: 500}, "g0@contoso.com", "ErrorServerBusy"},
		{"page", fakeExchange{response: map[string]string{"g0@contoso.com": "<html><br>"}}, "g0@contoso.com", "not a SOAP envelope"},
		{"another response", fakeExchange{response: map[string]string{"g0@contoso.com": "<a/>"}}, "g0@contoso.com", "not one of ExpandDL"},
		{"status", fakeExchange{status: 401}, "g0@contoso.com", "status 401"},
		{"down", fakeExchange{response: map[string]string{"g0@contoso.com": "down"}}, "g0@contoso.com", "connection refused"},
		{"too long", fakeExchange{response: map[string]string{"g0@contoso.com": strings.Repeat(" ", maxResponse+1)}}, "g0@contoso.com", "longer than 8 MB"},
		{"nine deep", fakeExchange{groups: chain}, "g0@contoso.com", "more than 8 deep"},
		{"too many", fakeExchange{groups: wide}, "g0@contoso.com", "more than 20000"},
		{"nested group with a name", fakeExchange{groups: map[string][]string{"g0@contoso.com": {"PublicDL /o=x"}}}, "g0@contoso.com", "not an SMTP address"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := newTestExpander(&test.fake).Expand(t.Context(), strings.Split(test.groups, ","))
			if err == nil || got.Mailboxes != nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v, %v; want %q", got, err, test.want)
			}
		})
	}
	e := newTestExpander(&fakeExchange{})
	e.Tokens = fixedToken("")
	if _, err := e.Expand(t.Context(), []string{"g@contoso.com"}); err == nil || !strings.Contains(err.Error(), "no access token") {
		t.Errorf("without a token: %v", err)
	}
}

func TestEightDeepIsExpanded(t *testing.T) {
	chain := map[string][]string{}
	for i := range 8 {
		chain[fmt.Sprintf("g%d@contoso.com", i)] = []string{fmt.Sprintf("Mailbox u%d@contoso.com", i), fmt.Sprintf("PublicDL g%d@contoso.com", i+1)}
	}
	chain["g7@contoso.com"] = chain["g7@contoso.com"][:1]
	got, err := newTestExpander(&fakeExchange{groups: chain}).Expand(t.Context(), []string{"g0@contoso.com"})
	if err != nil || len(got.Mailboxes) != 8 {
		t.Errorf("%v, %v", got, err)
	}
}
