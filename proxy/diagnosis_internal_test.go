package proxy

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestDiagnosisOfEveryCode checks that each code of x-ms-diagnostics has its
// explanation. The codes come from Microsoft's "Instrumenting client requests for EWS
// and REST in Exchange". The codes next to them are not known, so the challenge
// explains the refusal.
func TestDiagnosisOfEveryCode(t *testing.T) {
	settings := Settings{EWSURL: "URL", Resource: "RESOURCE", Tenant: "TENANT", App: "APP", Authority: "AUTHORITY", LogLevel: "LEVEL"}
	bearer, basic := []string{`Bearer client_id="x"`}, []string{"Basic realm=x", "NTLM"}
	for code, want := range map[int]struct{ meaning, remedy string }{
		2000000: {"key that signed", "AUTHORITY"},
		2000001: {"kind of token", "RESOURCE"},
		2000002: {"expired", "clocks"},
		2000003: {"audience is another host", "https://<host of URL>"},
		2000004: {"tenant", "TENANT"},
		2000005: {"names a user", "APP"},
		2000006: {"does not know the application", "APP"},
		2000007: {"internal error", "try again"},
		2000008: {"no permission", "full_access_as_app"},
		2000009: {"certificate", "registration"},
		2000010: {"client secret", "appidacr"},
		4000000: {"not enabled for this host name", "OAuth2ClientProfileEnabled"},
		1999999: {"without a known reason", "LEVEL=debug"},
		2000011: {"without a known reason", "LEVEL=debug"},
		3999999: {"without a known reason", "LEVEL=debug"},
		4000001: {"without a known reason", "LEVEL=debug"},
	} {
		d := Diagnose(http.Header{"X-Ms-Diagnostics": {fmt.Sprintf(`%d;reason="why";error_category="invalid"`, code)}, "Www-Authenticate": bearer}, settings)
		if d.Code != code || d.Reason != "why" || d.Category != "invalid" || !strings.Contains(d.Meaning, want.meaning) || !strings.Contains(d.Remedy, want.remedy) || strings.Contains(d.Remedy, "{") {
			t.Errorf("%d: %+v", code, d)
		}
	}
	for name, c := range map[string]struct {
		challenges []string
		meaning    string
	}{
		"no challenge":              {nil, "offers no bearer authentication"},
		"other challenges":          {basic, "offers no bearer authentication"},
		"bearer among them":         {append(basic, "bearer"), "refused this one without a known reason"},
		"bearer in other case":      {[]string{"BEARER realm=x"}, "refused this one without a known reason"},
		"bearer, not as the scheme": {[]string{`Basic realm="bearer"`}, "offers no bearer authentication"},
	} {
		if d := Diagnose(http.Header{"Www-Authenticate": c.challenges}, settings); d.Code != 0 || !strings.Contains(d.Meaning, c.meaning) {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// TestParseDiagnostics checks forms of x-ms-diagnostics. Exchange's texts may have
// quotes, and Microsoft's documentation calls error_category error_type.
func TestParseDiagnostics(t *testing.T) {
	long := strings.Repeat("r", 300)
	for text, want := range map[string]Diagnosis{
		"":                                        {},
		"2000003":                                 {Code: 2000003},
		" 2000003 ;reason=\"a\"":                  {Code: 2000003, Reason: "a"},
		`2000003;reason="a";error_category="b"`:   {Code: 2000003, Reason: "a", Category: "b"},
		`2000003;reason="a";error_type="b"`:       {Code: 2000003, Reason: "a", Category: "b"},
		`2000003;error_category="b";reason="a"`:   {Code: 2000003, Reason: "a", Category: "b"},
		`1;error_type="c";error_category="b"`:     {Code: 1, Category: "b"},
		`1;reason="the host "x" is";error_type="`: {Code: 1, Reason: `the host "x" is`},
		`1;reason="no end`:                        {Code: 1, Reason: "no end"},
		"x;reason=\"a\x00b\u00e9\"":               {Reason: "a?b?"},
		`1;reason="` + long + `"`:                 {Code: 1, Reason: long},
		`1;reason="` + long + `s"`:                {Code: 1, Reason: long},
		`1;reason=a`:                              {Code: 1},
	} {
		if got := *parseDiagnostics(text); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}

// TestDescribeFault checks which response code and back-off of a fault are recorded.
func TestDescribeFault(t *testing.T) {
	for text, want := range map[string]Record{
		"": {},
		"<e:ResponseCode xmlns:e='x'>ErrorServerBusy</e:ResponseCode>":                                                     {Fault: "ErrorServerBusy"},
		"<ResponseCode>\r\n ErrorServerBusy\t</ResponseCode>":                                                              {Fault: "ErrorServerBusy"},
		"<faultcode>a:ErrorAccessDenied</faultcode><ResponseCode>ErrorServerBusy</ResponseCode>":                           {Fault: "ErrorServerBusy"},
		"<faultcode xmlns:a='x'>a:ErrorAccessDenied</faultcode>":                                                           {Fault: "ErrorAccessDenied"},
		"<faultcode>ErrorAccessDenied</faultcode><ResponseCode>NoError</ResponseCode>":                                     {Fault: "ErrorAccessDenied"},
		"<ResponseCode>Error</ResponseCode>":                                                                               {},
		"<ResponseCode>ErrorA1</ResponseCode>":                                                                             {},
		"<ResponseCode>Error" + strings.Repeat("a", 60) + "</ResponseCode>":                                                {Fault: "Error" + "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
		"<ResponseCode>Error" + strings.Repeat("a", 61) + "</ResponseCode>":                                                {},
		`<t:Value Name="BackOffMilliseconds">1500</t:Value>`:                                                               {BackOff: 1500e6},
		`<t:Value Name="BackOffMilliseconds" > 999999999 </t:Value>`:                                                       {BackOff: 999999999e6},
		`<t:Value Name="BackOffMilliseconds">9999999999</t:Value>`:                                                         {},
		`<t:Value Name="Other">1500</t:Value>`:                                                                             {},
		"<e:ResponseCode>ErrorServerBusy</e:ResponseCode><t:Value Name=\"BackOffMilliseconds\">1</t:Value></t:MessageXml>": {Fault: "ErrorServerBusy", BackOff: 1e6},
	} {
		var got Record
		describeFault(&got, http.Header{}, []byte(text))
		if got.Fault != want.Fault || got.BackOff != want.BackOff {
			t.Errorf("%s: %q, %v, want %q, %v", text, got.Fault, got.BackOff, want.Fault, want.BackOff)
		}
	}
}

// TestLoggable checks the length and the bytes of a header's value in a Record.
func TestLoggable(t *testing.T) {
	long := strings.Repeat("a", 127)
	for text, want := range map[string]string{
		"": "", "EX1": "EX1", long + "b": long + "b", long + "bc": long + "b", " ~": " ~", long + "b\x00": long + "b",
		"\x1f": "", "\x7f": "", "a\x00": "", "\u00e9": "", long + "\x00b": "",
	} {
		if got := loggable(http.Header{"X-Feserver": {text}}, "X-Feserver"); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
