package policy_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

func TestNarrow(t *testing.T) {
	tests := []struct {
		name, list, client string
		value, want        string
	}{
		{"in both", "alice@contoso.com, bob@contoso.com", "alice@contoso.com", "alice@contoso.com", "alice@contoso.com"},
		{"only in the client's", "bob@contoso.com", "alice@contoso.com", "alice@contoso.com", ""},
		{"only in the list", "alice@contoso.com", "bob@contoso.com", "alice@contoso.com", ""},
		{"no list", "", "alice@contoso.com", "ALICE@contoso.com", "alice@contoso.com"},
		{"no list, off the client's", "", "alice@contoso.com", "bob@contoso.com", ""},
		{"the list's spelling", "Alice@contoso.com", "ALICE@contoso.com", "alice@contoso.com", "Alice@contoso.com"},
		{"the client's spelling under a wildcard", "*@contoso.com", "Alice@contoso.com", "alice@contoso.com", "Alice@contoso.com"},
		{"two wildcards", "*@contoso.com", "*@contoso.com", "Alice@contoso.com", "alice@contoso.com"},
		{"no patterns", "alice@contoso.com", "", "alice@contoso.com", "alice@contoso.com"},
		{"an entry of its own does not help a wildcard", "*@contoso.com", "imceaex-x@contoso.com", "imceaex-x@contoso.com", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := mustNew(t, policy.Config{Allowed: mustPatterns(t, test.list)}).Narrow(mustPatterns(t, test.client))
			v, refusal := p.Decide(requestFor(ews.SmtpAddress, test.value), "")
			if v.Identity.Value != test.want || (refusal == nil) != (test.want != "") {
				t.Errorf("identity = %q, %v; want %q", v.Identity.Value, refusal, test.want)
			}
		})
	}
}

func TestNarrowLeavesTheRestAlone(t *testing.T) {
	base := mustNew(t, policy.Config{
		Allowed: mustPatterns(t, "alice@contoso.com, bob@contoso.com"), Targets: true, DefaultMailbox: "bob@contoso.com",
	})
	narrow := base.Narrow(mustPatterns(t, "alice@contoso.com"))
	other := base.Narrow(mustPatterns(t, "bob@contoso.com"))
	if base.Narrow(nil) != base {
		t.Error("without patterns it should be the policy itself")
	}
	if base.Size() != 2 || narrow.Size() != 1 || !narrow.References() {
		t.Errorf("sizes %d and %d, references %v", base.Size(), narrow.Size(), narrow.References())
	}
	checkRefusal(t, narrow.DecideReference(ews.Reference{Value: "bob@contoso.com"}), "reference-not-allowed")
	checkRefusal(t, other.DecideReference(ews.Reference{Value: "bob@contoso.com"}), "")
	checkRefusal(t, base.DecideReference(ews.Reference{Value: "alice@contoso.com"}), "")
	_, refusal := narrow.Decide(unnamed(), "")
	checkRefusal(t, refusal, "mailbox-not-allowed") // the default mailbox is not in this client's patterns
	_, refusal = narrow.Decide(call("AddDelegate"), "")
	checkRefusal(t, refusal, "operation-not-allowed")
}

// TestRefusalSaysWhoseListItIs checks that a refusal says which list to change: the
// allow-list or the line of the client user.
func TestRefusalSaysWhoseListItIs(t *testing.T) {
	for _, test := range []struct{ name, list, client, want string }{
		{"only in the list", "alice@contoso.com", "bob@contoso.com", "the mailbox matches no pattern of this client user"},
		{"no list", "", "bob@contoso.com", "the mailbox matches no pattern of this client user"},
		{"only in the client's", "bob@contoso.com", "alice@contoso.com", "the mailbox is not on the allow-list"},
		{"in neither", "bob@contoso.com", "bob@contoso.com", "the mailbox is not on the allow-list"},
	} {
		p := mustNew(t, policy.Config{Allowed: mustPatterns(t, test.list)}).Narrow(mustPatterns(t, test.client))
		_, refusal := p.Decide(requestFor(ews.SmtpAddress, "alice@contoso.com"), "")
		if refusal == nil || refusal.Detail != test.want {
			t.Errorf("%s: %v, want %q", test.name, refusal, test.want)
		}
	}
}

func TestNarrowOfEmptyPatternsAllowsNoMailbox(t *testing.T) {
	for _, list := range []string{"", "*@contoso.com"} {
		p := mustNew(t, policy.Config{Allowed: mustPatterns(t, list)}).Narrow(make([]policy.Pattern, 1))
		if p.Allows("alice@contoso.com") || !p.Limited() {
			t.Errorf("list %q: a pattern that matches nothing opened the policy", list)
		}
	}
}

// TestNarrowNeverWidens combines random lists, clients and names. The narrowed
// policy must allow a name if and only if the list and the client's patterns both
// allow it.
func TestNarrowNeverWidens(t *testing.T) {
	stock := []string{"a@x.y", "A@X.Y", "b@x.y", "*@x.y", "*@y", "upn:a@x.y", "sid:S-1-5-1", "imceaex-a@x.y"}
	names := []ews.Identity{
		{Kind: ews.SmtpAddress, Value: "a@x.y"}, {Kind: ews.PrimarySmtpAddress, Value: "B@x.y"},
		{Kind: ews.SmtpAddress, Value: "c@y"}, {Kind: ews.PrincipalName, Value: "a@X.y"},
		{Kind: ews.SID, Value: "S-1-5-1"}, {Kind: ews.SmtpAddress, Value: "imceaex-a@x.y"},
		{Kind: ews.SmtpAddress, Value: "d@z"},
	}
	random := rand.New(rand.NewPCG(1, 2))
	draw := func() []policy.Pattern {
		var texts []string
		for range 1 + random.IntN(3) {
			texts = append(texts, stock[random.IntN(len(stock))])
		}
		return mustPatterns(t, strings.Join(texts, ","))
	}
	allowed := 0
	for range 2000 {
		list, first, second := draw(), draw(), draw()
		base := mustNew(t, policy.Config{Allowed: list})
		narrow := base.Narrow(first).Narrow(second)
		id := names[random.IntN(len(names))]
		decide := func(p *policy.Policy) bool {
			_, refusal := p.Decide(requestFor(id.Kind, id.Value), "")
			return refusal == nil
		}
		alone := func(patterns []policy.Pattern) bool { return decide(mustNew(t, policy.Config{Allowed: patterns})) }
		want := decide(base) && alone(first) && alone(second)
		if got := decide(narrow); got != want {
			t.Fatalf("%v: list %v, client %v then %v: allowed = %v, want %v", id, list, first, second, got, want)
		}
		if want {
			allowed++
		}
	}
	if allowed < 50 {
		t.Errorf("only %d names were allowed: the property was hardly tested", allowed)
	}
}
