package autodiscover

import (
	"errors"
	"strings"
	"testing"
)

// TestIsJSON checks for each rule a target that meets it and one that does not.
// In the product, some of these targets do not reach IsJSON, because the HTTP
// server refuses them first.
func TestIsJSON(t *testing.T) {
	const path = "/autodiscover/autodiscover.json"
	for target, want := range map[string]bool{
		path: true, path + "?": true, path + "?x=1/2": true, "/AutoDiscover/AUTODISCOVER.json": true,
		path + "/v1.0/a@contoso.com": true, path + "/V1.0/a@contoso.com?x": true,
		"": false, "/": false, "/autodiscover/autodiscover.xml": false, path + "x": false, "x" + path: false, path + "/": false,
		path + "/v1.0": false, path + "/v1.0/": false, path + "/v1.0/?x": false, path + "/v2.0/a@contoso.com": false,
		path + "/v1.0/a@contoso.com/": false, path + "/v1.0/a/b@contoso.com": false, "?" + path: false,
		path + "?" + strings.Repeat("x", 2048-len(path)-1): true, path + "?" + strings.Repeat("x", 2048-len(path)): false,
	} {
		if got := IsJSON(target); got != want {
			t.Errorf("IsJSON(%.80q) = %v", target, got)
		}
	}
}

// TestParseJSONRefuses checks which targets are refused, and with which error. In
// the product, some of these targets do not reach ParseJSON, because the HTTP
// server refuses them first.
func TestParseJSONRefuses(t *testing.T) {
	const path = "/autodiscover/autodiscover.json"
	const encoding = "the target has a percent sign that begins no encoded byte"
	for target, want := range map[string]string{
		path + "/v1.0/alice%4@contoso.com?Protocol=EWS":      encoding,
		path + "?Email=alice%4@contoso.com&Protocol=EWS":     encoding,
		path + "?Email=alice@contoso.com&Protocol=%zz":       encoding,
		path + "?Protocol=EWS":                               ErrEmail.Error(),
		path + "?Email=&Protocol=EWS":                        ErrEmail.Error(),
		path + "/v1.0/a@x.y?Email=b@x.y&Protocol=EWS":        ErrEmail.Error(),
		path + "?Email=a@x.y":                                ErrNoProtocol.Error(),
		path + "?Email=a@x.y&Protocol=EWS&Protocol=EWS":      ErrProtocol.Error(),
		path + "?Email=a@x.y&Protocol=EWSx":                  ErrProtocol.Error(),
		path + "?Email=a@x.y&Protocol=ews&Other=%zz&Other=1": "",
	} {
		request, err := ParseJSON(target)
		if request.Form != JSON {
			t.Errorf("%s: form %v", target, request.Form)
		}
		if want == "" {
			if err != nil || len(request.Mailboxes) != 1 || request.Mailboxes[0] != "a@x.y" {
				t.Errorf("%s: %v, %v", target, request, err)
			}
			continue
		}
		if v, ok := errors.AsType[*Violation](err); !ok || v.Reason != want || request.Mailboxes != nil {
			t.Errorf("%s: %v, %v, want %q", target, request, err, want)
		}
	}
}
