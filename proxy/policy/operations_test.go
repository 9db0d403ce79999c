package policy_test

import (
	"slices"
	"strings"
	"testing"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

// call returns a request for alice@contoso.com that calls an operation. The
// operation "Subscribe:Push" is a Subscribe for push notifications.
func call(operation string) *ews.Request {
	m := alice()
	m.Operation, m.Push = strings.CutSuffix(operation, ":Push")
	return m
}

// escaping are operations that are refused by default. Some are in spellings
// that a lenient parser might accept.
const escaping = `SearchMailboxes GetSearchableMailboxes SetHoldOnMailboxes GetHoldOnMailboxes
	GetDiscoverySearchConfiguration GetNonIndexableItemDetails GetNonIndexableItemStatistics
	StartSearchSession ExecuteSearch GetSearchSuggestions ExecuteDiagnosticMethod
	FindMessageTrackingReport GetMessageTrackingReport SetTeamMailbox InstallApp UninstallApp
	DisableApp GetClientAccessToken AddDelegate UpdateDelegate RemoveDelegate Subscribe:Push
	FindMailboxStatisticsByKeywords SetClientExtension
	AddAggregatedAccount SetAggregatedAccount GetAggregatedAccount RemoveAggregatedAccount
	CreateUnifiedMailbox SubscribeToPushNotification SetOMEConfiguration SetEncryptionConfiguration
	UpdateMailboxAssociation GetUMCallDataRecords GetUMCallDataRecordsRequest
	NoSuchOperation GetUnifiedGroupsSettings Request
	GetNonIndexableItemAnything getNonIndexableItemDetailsRequest
	AddDelegateRequest adddelegate SUBSCRIBE:Push FindMessageTrackingReportRequest`

// ordinary are operations that are allowed by default.
const ordinary = `GetFolder FindItem CreateItem SyncFolderItems GetItem SendItem Subscribe Unsubscribe
	GetStreamingEvents GetEvents GetUserAvailabilityRequest GetUserOofSettingsRequest
	SetUserOofSettingsRequest GetDelegate ResolveNames ConvertId GetServerTimeZones
	CreateMeetingInstanceRequest GetAppManifests EndSearchSession DeleteSearchSuggestion
	UnpinTeamMailbox`

func TestOperationsByDefault(t *testing.T) {
	limited, open := allowing(t, "alice@contoso.com"), mustNew(t, policy.Config{})
	for _, operation := range strings.Fields(escaping) {
		_, refusal := limited.Decide(call(operation), "")
		if refusal == nil || refusal.Reason.String() != "operation-not-allowed" {
			t.Errorf("%s: %v", operation, refusal)
		}
		if _, refusal := open.Decide(call(operation), ""); refusal != nil {
			t.Errorf("%s without a list: %v", operation, refusal)
		}
	}
	for _, operation := range strings.Fields(ordinary) {
		_, refusal := limited.Decide(call(operation), "")
		if refusal != nil {
			t.Errorf("%s: %v", operation, refusal)
		}
	}
}

func TestOperationsConfigured(t *testing.T) {
	tests := []struct {
		name, text    string
		allow, refuse string
	}{
		{"lift one", "+AddDelegate", "AddDelegate AddDelegateRequest GetFolder", "UpdateDelegate Subscribe:Push NoSuchOperation"},
		{"lift in any spelling", "+ adddelegaterequest\n+SUBSCRIBE:push", "AddDelegate Subscribe:Push Subscribe", "RemoveDelegate"},
		{"lift by prefix", "+GetNonIndexableItem*", "GetNonIndexableItemDetails GetNonIndexableItemStatistics", "GetNonIndexableItemOther SearchMailboxes"},
		{"just these", "GetFolder, GetUserAvailability", "GetFolder GetUserAvailabilityRequest", "FindItem AddDelegate NoSuchOperation"},
		{"an escaping one by name", "AddDelegate # the room panel", "AddDelegate", "GetFolder UpdateDelegate"},
		{"lift push in the form of an element", "+SubscribeRequest:Push", "Subscribe:Push Subscribe", "AddDelegate"},
		{"name of one letter", "Q", "Q q QRequest", "GetFolder R"},
		{"the ending of names as a name", "Request", "Request REQUEST RequestRequest", "GetFolder Requests"},
		{"subscribe without push", "Subscribe", "Subscribe", "Subscribe:Push"},
		{"lift an unknown one", "+GetUnifiedGroupsSettings", "GetUnifiedGroupsSettings getUnifiedGroupsSettingsRequest GetFolder", "GetUnifiedGroups AddDelegate"},
		{"an unknown one by name", "GetUnifiedGroupsSettings, GetFolder", "GetUnifiedGroupsSettings GetFolder", "FindItem AddDelegate"},
		{"read", "@read", "GetFolder FindItem GetUserAvailabilityRequest Subscribe GetStreamingEvents ResolveNames ExpandDL ConvertId SyncFolderItems Unsubscribe", "CreateItem SendItem UpdateItem DeleteItem Subscribe:Push GetClientAccessToken GetSearchableMailboxes GetSharingMetadata NoSuchOperation AddDelegate"},
		{"send", "@send", "CreateItem SendItem CreateAttachment", "GetFolder UpdateItem DeleteItem"},
		{"read, send and one more", "@read, @SEND, UpdateItem", "GetFolder SendItem UpdateItem", "DeleteItem Subscribe:Push"},
		{"push alone", "Subscribe:Push", "Subscribe:Push", "Subscribe"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := mustNew(t, policy.Config{
				Allowed:    mustPatterns(t, "alice@contoso.com"),
				Operations: mustOperations(t, test.text),
			})
			for _, operation := range strings.Fields(test.allow) {
				if _, refusal := p.Decide(call(operation), ""); refusal != nil {
					t.Errorf("%s: %v", operation, refusal)
				}
			}
			for _, operation := range strings.Fields(test.refuse) {
				_, refusal := p.Decide(call(operation), "")
				checkRefusal(t, refusal, "operation-not-allowed")
			}
		})
	}
}

func TestParseOperationsRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", "no entry"},
		{"only a comment", "# none", "no entry"},
		{"misspelt", "GetFolder, FindItems", "line 1, entry 2: no operation of that name; the nearest is FindItem"},
		{"misspelt form", "Subscribe:Pull", "the nearest is Subscribe:Push"},
		{"form of another operation", "GetFolder:Push", "no operation of that name"},
		{"bare plus", "+", "no operation of that name"},
		{"two plus signs", "++AddDelegate", "the nearest is AddDelegate"},
		{"bare star", "*", "no operation of that name"},
		{"star of another prefix", "GetFolder*", "the nearest is GetFolder"},
		{"mixed", "+AddDelegate, GetFolder", "either all entries begin with + or none does"},
		{"lifts what is allowed", "+GetFolder", "refused by default"},
		{"unknown preset", "@write", "no preset of that name; the presets are @read and @send"},
		{"bare at", "@", "no preset of that name"},
		{"lifted preset", "+@read", "a preset is written without it"},
		{"preset and lift", "@read, +AddDelegate", "either all entries begin with + or none does"},
		{"two edits from a known name", "GetFoldrs", "the nearest is GetFolder"},
		{"misspelt lift", "+AddDelegat", "the nearest is AddDelegate"},
		{"dots", "Get.Unified.Groups", "no operation of that name"},
		{"digit first", "0GetUnifiedGroups", "no operation of that name"},
		{"another digit first", "9GetUnifiedGroups", "no operation of that name"},
		{"65 characters", strings.Repeat("Unheard", 10)[:65], "no operation of that name"},
		{"very long", strings.Repeat("GetFolder", 1000), "no operation of that name"},
		{"all at once", "GetFodler\nFindItm", "line 2, entry 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			operations, err := policy.ParseOperations(test.text)
			if err == nil || !operations.IsZero() {
				t.Fatalf("ParseOperations(%.40q): no error", test.text)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q does not say %q", err, test.want)
			}
		})
	}
}

// TestNoOperation checks that a request without an operation is refused, even if
// the list has the name Request. The ending Request is removed from other names,
// but not from this name.
func TestNoOperation(t *testing.T) {
	p := mustNew(t, policy.Config{Allowed: mustPatterns(t, "alice@contoso.com"), Operations: mustOperations(t, "Request, GetFolder")})
	_, refusal := p.Decide(call(""), "")
	checkRefusal(t, refusal, "operation-not-allowed")
}

// TestLengthOfOperation tests names of 64 characters, which is the maximum
// length of a name, and longer names.
func TestLengthOfOperation(t *testing.T) {
	name := strings.Repeat("Unheard", 10)[:64]
	p := mustNew(t, policy.Config{Allowed: mustPatterns(t, "alice@contoso.com"), Operations: mustOperations(t, name)})
	for operation, reason := range map[string]string{
		name: "", strings.ToUpper(name): "",
		name[:63]: "operation-not-allowed", name + "a": "operation-not-allowed", name + "Request": "operation-not-allowed",
	} {
		_, refusal := p.Decide(call(operation), "")
		checkRefusal(t, refusal, reason)
	}
}

// TestOperationInDecision checks that the Operation of a Decision is from a
// closed set, which metrics need.
func TestOperationInDecision(t *testing.T) {
	p := allowing(t, "alice@contoso.com")
	for in, want := range map[string]string{
		"GetFolder":                   "GetFolder",
		"GetUserAvailabilityRequest":  "GetUserAvailability",
		"AddDelegate":                 "AddDelegate",
		"Subscribe:Push":              "Subscribe:Push",
		"x":                           "other",
		"":                            "other",
		"GetNonIndexableItemAnything": "other",
		strings.Repeat("x", 1<<16):    "other",
	} {
		if v, _ := p.Decide(call(in), ""); string(v.Operation) != want {
			t.Errorf("%.40q: operation %q, want %q", in, v.Operation, want)
		}
	}
}

func TestSubscribeInAnotherSpellingCountsAsPush(t *testing.T) {
	p := allowing(t, "alice@contoso.com")
	for operation, allowed := range map[string]bool{
		"Subscribe": true, "subscribe": false, "SUBSCRIBE": false, "SubscribeRequest": false,
	} {
		m := alice()
		m.Operation = operation
		if _, refusal := p.Decide(m, ""); (refusal == nil) != allowed {
			t.Errorf("%s: %v", operation, refusal)
		}
	}
}

// TestMisspeltNames tests names that are one to three edits away from a known
// name. With one or two edits the name is misspelt. With three edits it is the
// name of another operation.
func TestMisspeltNames(t *testing.T) {
	for name, misspelt := range map[string]bool{
		"GetFolderQ": true, "GetFolderQQ": true, "GetFolderQQQ": false, "GetFold": true, "QetFolder": true, "QQQFolder": false,
	} {
		if _, err := policy.ParseOperations(name); (err != nil) != misspelt {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestUnknownNames checks which names Unknown returns.
func TestUnknownNames(t *testing.T) {
	o := mustOperations(t, "@read, GetUnifiedGroupsSettings, UpdateItem\n"+strings.Repeat("Unheard", 10)[:64])
	if got, want := o.Unknown(), []string{"GetUnifiedGroupsSettings", strings.Repeat("Unheard", 10)[:64]}; !slices.Equal(got, want) {
		t.Errorf("Unknown() = %q, want %q", got, want)
	}
	if got := mustOperations(t, "+AddDelegate").Unknown(); got != nil {
		t.Errorf("Unknown() = %q of known names", got)
	}
}
