package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

// GUIDs of mailboxes.
const (
	aliceGUID   = "4a3bfe7a-0a60-4d27-a21a-6c1dfd14e3a4"
	archiveGUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
	bobGUID     = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
)

// idOf returns a reference to an object in the mailbox with the given GUID. The
// reference contains the id of the object.
func idOf(t testing.TB, guid string) ews.Reference {
	t.Helper()
	g, err := ews.ParseGUID(guid)
	if err != nil {
		t.Fatal(err)
	}
	return ews.Reference{Kind: ews.IDReference, Path: "@Id", ID: ews.IDMailbox{Kind: ews.MailboxGUIDID, GUID: g}}
}

func TestIDs(t *testing.T) {
	const withGUIDs = "alice@contoso.com, *@rooms.contoso.com, guid:" + aliceGUID + ", GUID:" + archiveGUID
	id := func(kind ews.IDKind, smtp string) ews.Reference {
		return ews.Reference{Kind: ews.IDReference, ID: ews.IDMailbox{Kind: kind, SMTP: smtp}}
	}
	tests := []struct {
		name, list, narrowed string
		targets, strict      bool
		reference            ews.Reference
		refused              bool
	}{
		{"own", withGUIDs, "", true, false, idOf(t, aliceGUID), false},
		{"own archive", withGUIDs, "", true, false, idOf(t, strings.ToUpper(archiveGUID)), false},
		{"of another mailbox", withGUIDs, "", true, false, idOf(t, bobGUID), true},
		{"of another mailbox, list without GUIDs", "alice@contoso.com", "", true, false, idOf(t, bobGUID), false},
		{"of another mailbox, scope of the impersonated mailbox", withGUIDs, "", false, false, idOf(t, bobGUID), false},
		{"by a listed address", withGUIDs, "", true, false, id(ews.MailboxSMTPID, "Alice@contoso.com"), false},
		{"by an address under a wildcard", withGUIDs, "", true, false, id(ews.MailboxSMTPID, "lobby@rooms.contoso.com"), false},
		{"by another address", withGUIDs, "", true, false, id(ews.MailboxSMTPID, "bob@contoso.com"), true},
		{"by no address", withGUIDs, "", true, false, id(ews.MailboxSMTPID, "/o=Contoso/cn=alice"), true},
		{"public folder", withGUIDs, "", true, true, id(ews.PublicFolderID, ""), false},
		{"directory object", withGUIDs, "", true, true, id(ews.DirectoryID, ""), false},
		{"unknown", withGUIDs, "", true, false, id(ews.UnknownID, ""), false},
		{"unknown, strict", withGUIDs, "", true, true, id(ews.UnknownID, ""), true},
		{"irregular", withGUIDs, "", true, false, id(ews.IrregularID, ""), true},
		{"irregular, list without GUIDs", "alice@contoso.com", "", true, false, id(ews.IrregularID, ""), false},
		{"subscription without a mailbox", withGUIDs, "", true, true, id(ews.SubscriptionID, ""), false},
		{"not readable", withGUIDs, "", true, false, ews.Reference{Kind: ews.IDReference, Unreadable: true}, true},

		{"of the client's mailbox", withGUIDs, "alice@contoso.com, guid:" + aliceGUID, true, false, idOf(t, aliceGUID), false},
		{"of the list, not the client's", withGUIDs, "alice@contoso.com, guid:" + aliceGUID, true, false, idOf(t, archiveGUID), true},
		{"of the client's, not the list's", withGUIDs, "guid:" + bobGUID, true, false, idOf(t, bobGUID), true},
		{"client without GUIDs", withGUIDs, "alice@contoso.com", true, false, idOf(t, archiveGUID), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := mustNew(t, policy.Config{Allowed: mustPatterns(t, test.list), Targets: test.targets, StrictIDs: test.strict})
			p = p.Narrow(mustPatterns(t, test.narrowed))
			refusal := p.DecideReference(test.reference)
			reason := ""
			if test.refused {
				reason = "reference-not-allowed"
			}
			checkRefusal(t, refusal, reason)
		})
	}
}

// TestGUIDEntriesAllowNoImpersonation checks that an entry guid:… allows no
// impersonation. Such an entry is only for ids in a Body.
func TestGUIDEntriesAllowNoImpersonation(t *testing.T) {
	p := allowing(t, "guid:"+aliceGUID)
	for kind := ews.PrimarySmtpAddress; kind <= ews.SID; kind++ {
		for _, value := range []string{aliceGUID, "guid:" + aliceGUID, aliceGUID + "@contoso.com"} {
			_, refusal := p.Decide(requestFor(kind, value), "")
			checkRefusal(t, refusal, "mailbox-not-allowed")
		}
	}
}

func TestWhetherIDsAreDecided(t *testing.T) {
	for _, test := range []struct {
		list    string
		targets bool
		want    bool
	}{
		{"alice@contoso.com, guid:" + aliceGUID, true, true},
		{"alice@contoso.com, guid:" + aliceGUID, false, false},
		{"alice@contoso.com", true, false},
	} {
		p := mustNew(t, policy.Config{Allowed: mustPatterns(t, test.list), Targets: test.targets})
		if p.IDs() != test.want {
			t.Errorf("%s, targets %v: IDs() = %v", test.list, test.targets, p.IDs())
		}
	}
}

func TestStrictIDsNeedGUIDs(t *testing.T) {
	for _, config := range []policy.Config{
		{StrictIDs: true},
		{StrictIDs: true, Allowed: mustPatterns(t, "guid:"+aliceGUID)},
		{StrictIDs: true, Allowed: mustPatterns(t, "alice@contoso.com"), Targets: true},
	} {
		if _, err := policy.New(config); err == nil {
			t.Errorf("New accepts %+v", config)
		}
	}
}

func TestParseGUIDEntries(t *testing.T) {
	patterns := mustPatterns(t, "GUID:"+strings.ToUpper(aliceGUID))
	if got := patterns[0].String(); got != "guid:"+aliceGUID {
		t.Errorf("the entry reads %s", got)
	}
	for _, text := range []string{"guid:", "guid:" + aliceGUID[1:], "guid:{" + aliceGUID + "}", "guid:00000000-0000-0000-0000-000000000000", "guid:" + strings.ReplaceAll(aliceGUID, "-", "")} {
		if _, err := policy.ParsePatterns(text); err == nil {
			t.Errorf("ParsePatterns accepts %s", text)
		}
	}
}

// BenchmarkListSize shows that a decision takes the same time with ten entries and
// with 100,000.
func BenchmarkListSize(b *testing.B) {
	for _, n := range []int{10, 100_000} {
		var list strings.Builder
		for i := range n {
			fmt.Fprintf(&list, "user%d@contoso.com\nguid:%08x-0000-4000-8000-000000000000\n", i, i+1)
		}
		p := mustNew(b, policy.Config{Allowed: mustPatterns(b, list.String()), Targets: true})
		r := requestFor(ews.SmtpAddress, "User7@contoso.com")
		id := idOf(b, "00000007-0000-4000-8000-000000000000")
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, refusal := p.Decide(r, ""); refusal != nil {
					b.Fatal(refusal)
				}
				if refusal := p.DecideReference(id); refusal != nil {
					b.Fatal(refusal)
				}
			}
		})
	}
}
