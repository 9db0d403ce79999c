package autodiscover

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

const soapSeed = `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:a="http://schemas.microsoft.com/exchange/2010/Autodiscover">` +
	`<s:Header><a:RequestedServerVersion>Exchange2013</a:RequestedServerVersion></s:Header><s:Body><a:GetUserSettingsRequestMessage><a:Request><a:Users>` +
	`<a:User><a:Mailbox>alice@contoso.com</a:Mailbox></a:User><a:User><a:Mailbox> b&#111;b@contoso.com </a:Mailbox></a:User></a:Users><a:RequestedSettings>` +
	`<a:Setting>ExternalEwsUrl</a:Setting><a:Setting>UserDisplayName</a:Setting></a:RequestedSettings></a:Request></a:GetUserSettingsRequestMessage></s:Body></s:Envelope>`

const poxSeed = `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>` +
	`<EMailAddress>alice@contoso.com</EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>`

// A soapReading contains the mailboxes that package encoding/xml finds in a
// SOAP request.
type soapReading struct {
	Mailboxes []string `xml:"Body>GetUserSettingsRequestMessage>Request>Users>User>Mailbox"`
}

type poxReading struct {
	Address  []string `xml:"Request>EMailAddress"`
	LegacyDN []string `xml:"Request>LegacyDN"`
}

// FuzzParse checks that encoding/xml finds the same mailboxes in every accepted
// document. It also checks the responses about these mailboxes.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{soapSeed, poxSeed, strings.Replace(poxSeed, "outlook", "mobilesync", 1), strings.ReplaceAll(poxSeed, "EMailAddress", "LegacyDN"),
		"\xef\xbb\xbf" + soapSeed, strings.Replace(soapSeed, "alice@", "<![CDATA[alice]]>@", 1), strings.Replace(soapSeed, "alice@", "al<!-- -->ice@", 1),
		strings.Replace(soapSeed, "<s:Header>", "<!DOCTYPE x><s:Header>", 1), "", "<"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		request, err := Parse(doc)
		if err != nil {
			if AsViolation(err) == nil || request.Mailboxes != nil && request.Form != SOAP {
				t.Fatalf("%T %v with %+v", err, err, request)
			}
			return
		}
		if got := readAgain(t, request.Form, doc); !slices.Equal(got, request.Mailboxes) {
			t.Fatalf("Parse finds %q, encoding/xml %q", request.Mailboxes, got)
		}
		if n := len(request.Mailboxes); n < 1 || n > MaxUsers || request.Form == POX && n != 1 {
			t.Fatalf("%d mailboxes", n)
		}
		checkResponses(t, request)
	})
}

func readAgain(t *testing.T, form Form, doc []byte) []string {
	var names []string
	var err error
	if form == SOAP {
		var r soapReading
		err = xml.Unmarshal(doc, &r)
		names = r.Mailboxes
	} else {
		var r poxReading
		err = xml.Unmarshal(doc, &r)
		names = r.Address
		if len(names) == 0 {
			names = r.LegacyDN
		}
	}
	if err != nil {
		t.Fatalf("encoding/xml: %v", err)
	}
	for i := range names {
		names[i] = strings.Trim(names[i], " \t\r\n")
	}
	return names
}

// checkResponses writes responses about the mailboxes of request and checks
// that encoding/xml reads the same values from them. The proxy writes only
// valid addresses into a response; this test writes any text.
func checkResponses(t *testing.T, request Request) {
	const ews = "https://ews.internal/EWS/Exchange.asmx"
	var results []Result
	for i, m := range request.Mailboxes {
		if i%2 == 0 {
			results = append(results, Result{Address: m})
		} else {
			results = append(results, Result{Refusal: m + "x"})
		}
	}
	if request.Form == POX {
		var r struct {
			Address string   `xml:"Response>User>AutoDiscoverSMTPAddress"`
			URLs    []string `xml:"Response>Account>Protocol>EwsUrl"`
		}
		text := WritePOX(results[0], ews, time.Now())
		if err := xml.Unmarshal([]byte(text), &r); err != nil || r.Address != normal(request.Mailboxes[0]) || len(r.URLs) != 2 || r.URLs[0] != ews {
			t.Fatalf("%v, %+v in %s", err, r, text)
		}
		return
	}
	var r struct {
		Users []struct {
			ErrorCode string
			Settings  []struct{ Name, Value string } `xml:"UserSettings>UserSetting"`
		} `xml:"Body>GetUserSettingsResponseMessage>Response>UserResponses>UserResponse"`
	}
	text := WriteSOAP(request.Settings, results, ews)
	if err := xml.Unmarshal([]byte(text), &r); err != nil || len(r.Users) != len(results) {
		t.Fatalf("%v: %d users in %s", err, len(r.Users), text)
	}
	for i, user := range r.Users {
		if (user.ErrorCode == "InvalidUser") != (results[i].Refusal != "") {
			t.Fatalf("user %d: %+v", i, user)
		}
		for _, s := range user.Settings {
			if s.Value != ews && s.Value != normal(request.Mailboxes[i]) {
				t.Fatalf("user %d: %+v", i, s)
			}
		}
	}
}

// normal returns a text in the form in which encoding/xml reads it back.
func normal(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s))
	var back string
	_ = xml.Unmarshal([]byte("<x>"+b.String()+"</x>"), &back)
	return back
}

// FuzzParseJSON checks that every accepted target contains exactly one address,
// and that net/url decodes the same address.
func FuzzParseJSON(f *testing.F) {
	for _, seed := range []string{
		"/autodiscover/autodiscover.json?Email=alice@contoso.com&Protocol=EWS", "/autodiscover/autodiscover.json/v1.0/alice%40contoso.com?Protocol=ews",
		"/autodiscover/autodiscover.json?Email=a+b@contoso.com&Protocol=EWS&x=%zz", "/autodiscover/autodiscover.json?email=a&EMAIL=b&Protocol=EWS",
		"/autodiscover/autodiscover.json/v1.0/alic\xc3]j\x01ue%40contoso.\no}?Protocol=ews",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		if !IsJSON(target) {
			return
		}
		request, err := ParseJSON(target)
		if err != nil {
			if AsViolation(err) == nil || request.Mailboxes != nil {
				t.Fatalf("%T %v with %+v", err, err, request)
			}
			checkJSON(t, WriteJSONError(err, err.Error()))
			return
		}
		path, query, _ := strings.Cut(target, "?")
		var emails []string
		const prefix = "/autodiscover/autodiscover.json/v1.0/"
		if len(path) >= len(prefix) && strings.EqualFold(path[:len(prefix)], prefix) {
			address, _ := url.PathUnescape(path[len(prefix):])
			emails = append(emails, address)
		}
		for part := range strings.SplitSeq(query, "&") {
			if name, value, _ := strings.Cut(part, "="); len(name) == len("email") && strings.EqualFold(name, "email") {
				address, _ := url.PathUnescape(value)
				emails = append(emails, address)
			}
		}
		if !slices.Equal(emails, request.Mailboxes) {
			t.Fatalf("ParseJSON finds %q, net/url %q", request.Mailboxes, emails)
		}
		checkJSON(t, WriteJSON(request.Mailboxes[0]))
	})
}

func checkJSON(t *testing.T, text string) {
	var fields map[string]string
	if err := json.Unmarshal([]byte(text), &fields); err != nil || len(fields) != 2 {
		t.Fatalf("%v in %s", err, text)
	}
}
