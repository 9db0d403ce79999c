package policy_test

import (
	"testing"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

// TestExplainNamesTheEntry checks that the explanation agrees with the
// decision. Otherwise an operator could change the list because of the
// explanation, and the decision would stay the same.
func TestExplainNamesTheEntry(t *testing.T) {
	list, err := policy.ParsePatterns("Alice@contoso.com, *@Rooms.contoso.com, upn:dora@contoso.com, sid:S-1-5-21-1-2-3-500")
	if err != nil {
		t.Fatal(err)
	}
	own, err := policy.ParsePatterns("alice@contoso.com, *@contoso.com")
	if err != nil {
		t.Fatal(err)
	}
	base, err := policy.New(policy.Config{Allowed: list})
	if err != nil {
		t.Fatal(err)
	}
	open, err := policy.New(policy.Config{})
	if err != nil {
		t.Fatal(err)
	}
	smtp := func(s string) ews.Identity { return ews.Identity{Kind: ews.SmtpAddress, Value: s} }
	for _, test := range []struct {
		name    string
		policy  *policy.Policy
		id      ews.Identity
		entries []string // wanted entry of each list; "" if no entry of the list matches
		problem bool
	}{
		{"an entry, in the list's spelling", base, smtp("ALICE@contoso.com"), []string{"Alice@contoso.com"}, false},
		{"a wildcard", base, smtp("room1@rooms.contoso.com"), []string{"*@rooms.contoso.com"}, false},
		{"a wildcard does not match a system mailbox", base, smtp("HealthMailbox1@rooms.contoso.com"), []string{""}, false},
		{"none", base, smtp("bob@contoso.com"), []string{""}, false},
		{"a principal name", base, ews.Identity{Kind: ews.PrincipalName, Value: "dora@contoso.com"}, []string{"upn:dora@contoso.com"}, false},
		{"a principal name with an SMTP entry only", base, ews.Identity{Kind: ews.PrincipalName, Value: "alice@contoso.com"}, []string{""}, false},
		{"a SID", base, ews.Identity{Kind: ews.SID, Value: "s-1-5-21-1-2-3-500"}, []string{"sid:S-1-5-21-1-2-3-500"}, false},
		{"both lists", base.Narrow(own), smtp("alice@contoso.com"), []string{"Alice@contoso.com", "alice@contoso.com"}, false},
		{"the client's list only", base.Narrow(own), smtp("bob@contoso.com"), []string{"", "*@contoso.com"}, false},
		{"the global list only", base.Narrow(own), smtp("room1@rooms.contoso.com"), []string{"*@rooms.contoso.com", ""}, false},
		{"without a list", open, smtp("bob@contoso.com"), nil, false},
		{"no address", base, smtp("bob"), nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			matches, problem := test.policy.Explain(test.id)
			if (problem != "") != test.problem || len(matches) != len(test.entries) {
				t.Fatalf("%+v, problem %q", matches, problem)
			}
			allowed := problem == ""
			for i, m := range matches {
				if m.Entry.String() != test.entries[i] || m.OfClient != (i == 1) {
					t.Errorf("list %d: %q, of the client %v", i, m.Entry, m.OfClient)
				}
				allowed = allowed && m.Entry != policy.Pattern{}
			}
			_, refusal := test.policy.Decide(&ews.Request{Operation: "GetItem", Identity: test.id, Blocks: impersonation()}, "")
			if (refusal == nil) != allowed {
				t.Errorf("explained as allowed: %v, and the decision is %v", allowed, refusal)
			}
		})
	}
}

// impersonation returns the header block of an ExchangeImpersonation.
func impersonation() []ews.HeaderBlock {
	return []ews.HeaderBlock{{Space: ews.TypesNS, Name: "ExchangeImpersonation"}}
}
