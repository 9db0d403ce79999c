package autodiscover

import (
	"encoding/xml"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// leavesOf returns the leaves of a document, each as its path and its text. In
// a path, "^" precedes the name of an element whose namespace differs from the
// namespace of its parent. leavesOf fails the test if there is text between
// elements.
func leavesOf(t *testing.T, document string) (leaves []string) {
	t.Helper()
	type open struct {
		name     xml.Name
		children int
		text     string
	}
	stack := []open{{}}
	path := func() string {
		var names []string
		for i, e := range stack[1:] {
			name := e.name.Local
			if e.name.Space != stack[i].name.Space {
				name = "^" + name
			}
			names = append(names, name)
		}
		return strings.Join(names, "/")
	}
	decoder := xml.NewDecoder(strings.NewReader(document))
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v in %s", err, document)
		}
		top := &stack[len(stack)-1]
		switch token := token.(type) {
		case xml.StartElement:
			top.children++
			stack = append(stack, open{name: token.Name})
		case xml.CharData:
			top.text += string(token)
		case xml.EndElement:
			if top.children == 0 {
				leaves = append(leaves, path()+"="+top.text)
			} else if top.text != "" {
				t.Errorf("%s has text between elements: %q", path(), top.text)
			}
			stack = stack[:len(stack)-1]
		}
	}
	if stack[0].text != "" || stack[0].children != 1 {
		t.Errorf("there are %d roots, and outside them the text %q", stack[0].children, stack[0].text)
	}
	return leaves
}

// TestElementsOfSOAP tests every element of a SOAP response, as MS-OXWSADISC
// describes the elements. One response is for a mailbox that is found, the
// other for a mailbox that is not found.
func TestElementsOfSOAP(t *testing.T) {
	const (
		url      = "https://ews.internal/EWS/Exchange.asmx?a&b"
		header   = "^Envelope/Header/^ServerVersionInfo/"
		response = "^Envelope/Body/^GetUserSettingsResponseMessage/Response/"
		user     = response + "UserResponses/UserResponse/"
		setting  = user + "UserSettings/UserSetting/"
	)
	got := leavesOf(t, WriteSOAP(UserDisplayName|AutoDiscoverSMTPAddress|InternalEwsURL|ExternalEwsURL, []Result{
		{Address: "a&b@contoso.com"}, {Refusal: "id <1>"},
	}, url))
	want := []string{
		header + "MajorVersion=15", header + "MinorVersion=2", header + "MajorBuildNumber=2562", header + "MinorBuildNumber=17", header + "Version=Exchange2015",
		response + "ErrorCode=NoError", response + "ErrorMessage=",
		user + "ErrorCode=NoError", user + "ErrorMessage=No error.", user + "RedirectTarget=", user + "UserSettingErrors=",
		setting + "Name=UserDisplayName", setting + "Value=a&b@contoso.com",
		setting + "Name=AutoDiscoverSMTPAddress", setting + "Value=a&b@contoso.com",
		setting + "Name=InternalEwsUrl", setting + "Value=" + url,
		setting + "Name=ExternalEwsUrl", setting + "Value=" + url,
		user + "ErrorCode=InvalidUser", user + "ErrorMessage=The email address can't be found. (id <1>)", user + "RedirectTarget=", user + "UserSettingErrors=",
		user + "UserSettings=",
	}
	if !slices.Equal(got, want) {
		t.Errorf("elements\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestElementsOfPOX tests every element of the responses in POX, as MS-OXDSCLI
// describes them.
func TestElementsOfPOX(t *testing.T) {
	const (
		url      = "https://ews.internal/EWS/Exchange.asmx?a&b"
		response = "^Autodiscover/^Response/"
		protocol = response + "Account/Protocol/"
		failure  = "^Autodiscover/Response/Error/"
	)
	at := time.Date(2026, 1, 2, 15, 4, 5, 678_901_200, time.FixedZone("", 3600))
	for name, test := range map[string]struct {
		document string
		want     []string
	}{
		"found": {WritePOX(Result{Address: "a&b@contoso.com"}, url, at), []string{
			response + "User/DisplayName=a&b@contoso.com", response + "User/AutoDiscoverSMTPAddress=a&b@contoso.com",
			response + "Account/AccountType=email", response + "Account/Action=settings",
			protocol + "Type=EXCH", protocol + "EwsUrl=" + url, protocol + "ASUrl=" + url,
			protocol + "Type=EXPR", protocol + "EwsUrl=" + url, protocol + "ASUrl=" + url,
		}},
		"not found": {WritePOX(Result{Refusal: "id <1>"}, url, at), []string{
			failure + "ErrorCode=500", failure + "Message=The email address can't be found.", failure + "DebugData=id <1>",
		}},
		"another schema": {WritePOXError(ErrSchema, "id <1>", at), []string{
			failure + "ErrorCode=601", failure + "Message=Provider is not available", failure + "DebugData=id <1>",
		}},
		"not readable": {WritePOXError(violation("x"), "id <1>", at), []string{
			failure + "ErrorCode=600", failure + "Message=Invalid Request", failure + "DebugData=id <1>",
		}},
	} {
		if got := leavesOf(t, test.document); !slices.Equal(got, test.want) {
			t.Errorf("%s: elements\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
		if strings.Contains(test.document, "<Error ") && !strings.Contains(test.document, `<Error Time="14:04:05.6789012" Id="1">`) {
			t.Errorf("%s: %s", name, test.document)
		}
	}
}

// TestTextsOfJSON checks the exact texts of the responses in JSON.
func TestTextsOfJSON(t *testing.T) {
	for got, want := range map[string]string{
		WriteJSON("https://ews.internal/x"):      `{"Protocol":"EWS","Url":"https://ews.internal/x"}`,
		WriteJSONError(nil, "id 1"):              `{"ErrorCode":"UserNotFound","ErrorMessage":"The given user is not found (id 1)"}`,
		WriteJSONError(ErrEmail, "id 1"):         `{"ErrorCode":"MandatoryParameterMissing","ErrorMessage":"id 1"}`,
		WriteJSONError(ErrNoProtocol, "id 1"):    `{"ErrorCode":"MandatoryParameterMissing","ErrorMessage":"id 1"}`,
		WriteJSONError(ErrProtocol, "id 1"):      `{"ErrorCode":"InvalidProtocol","ErrorMessage":"id 1"}`,
		WriteJSONError(violation("x"), "id \"1"): `{"ErrorCode":"InvalidRequest","ErrorMessage":"id \"1"}`,
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
