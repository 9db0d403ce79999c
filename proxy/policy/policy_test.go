package policy_test

import (
	"strings"
	"testing"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

func TestNewRefuses(t *testing.T) {
	list := mustPatterns(t, "alice@contoso.com, *@rooms.contoso.com, upn:bob@contoso.com")
	tests := []struct {
		name   string
		config policy.Config
		want   []string
	}{
		{"empty list", policy.Config{Allowed: []policy.Pattern{}}, []string{"empty"}},
		{"empty pattern", policy.Config{Allowed: []policy.Pattern{list[0], {}}}, []string{"empty"}},
		{"all without a list", policy.Config{Audit: true, Targets: true, Operations: mustOperations(t, "GetFolder")},
			[]string{"audit", "targets", "operations"}},
		{"default that is not an address", policy.Config{DefaultMailbox: "alice"}, []string{"default mailbox"}},
		{"default off the list", policy.Config{Allowed: list, DefaultMailbox: "carol@contoso.com"}, []string{"default mailbox"}},
		{"default with only a upn entry", policy.Config{Allowed: list, DefaultMailbox: "bob@contoso.com"}, []string{"default mailbox"}},
		{"default that no wildcard matches", policy.Config{Allowed: list, DefaultMailbox: "imceaex-x@rooms.contoso.com"}, []string{"default mailbox"}},
		{"two mistakes", policy.Config{Audit: true, DefaultMailbox: "@"}, []string{"audit", "default mailbox"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := policy.New(test.config)
			if err == nil || p != nil {
				t.Fatal("no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not speak of %q", err, want)
				}
			}
		})
	}
}

func TestNewKeepsItsConfig(t *testing.T) {
	p := mustNew(t, policy.Config{Allowed: mustPatterns(t, "alice@contoso.com"), Audit: true, Targets: true})
	if !p.Limited() || !p.Audit() || !p.References() || p.Size() != 1 {
		t.Errorf("Limited %v, Audit %v, References %v, Size %d", p.Limited(), p.Audit(), p.References(), p.Size())
	}
}

func TestZeroPolicyRefusesEveryMailbox(t *testing.T) {
	var p policy.Policy
	for _, m := range []*ews.Request{alice(), unnamed(), call("GetFolder")} {
		if v, refusal := p.Decide(m, "alice@contoso.com"); refusal == nil || v.Identity != (ews.Identity{}) {
			t.Errorf("the zero Policy allows %+v", v)
		}
	}
	if !p.Limited() || p.Allows("alice@contoso.com") || p.DecideAnchor("alice@contoso.com") == nil {
		t.Error("the zero Policy is open")
	}
}

func TestReferences(t *testing.T) {
	list := "alice@contoso.com, *@rooms.contoso.com, upn:bob@contoso.com"
	p := mustNew(t, policy.Config{Allowed: mustPatterns(t, list), Targets: true})
	impersonated := allowing(t, list)
	tests := []struct {
		name string
		r    ews.Reference
		ok   bool
	}{
		{"listed", ews.Reference{Value: "ALICE@contoso.com"}, true},
		{"wildcard", ews.Reference{Value: "lobby@rooms.contoso.com"}, true},
		{"off the list", ews.Reference{Value: "carol@contoso.com"}, false},
		{"only a upn entry", ews.Reference{Value: "bob@contoso.com"}, false},
		{"continued", ews.Reference{Value: "alice@contoso.com.evil.com"}, false},
		{"long s", ews.Reference{Value: "alice@conto\u017fo.com"}, false},
		{"legacyDN", ews.Reference{Value: "/o=Contoso/ou=x/cn=Recipients/cn=alice"}, false},
		{"empty", ews.Reference{}, false},
		{"unreadable", ews.Reference{Value: "alice@contoso.com", Unreadable: true}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			reason := "reference-not-allowed"
			if test.ok {
				reason = ""
			}
			checkRefusal(t, p.DecideReference(test.r), reason)
			checkRefusal(t, impersonated.DecideReference(test.r), "")
		})
	}
}

func TestAnchor(t *testing.T) {
	p := allowing(t, "alice@contoso.com, *@rooms.contoso.com, upn:bob@contoso.com, sid:S-1-5-21-9")
	for value, ok := range map[string]bool{
		"Alice@contoso.com":         true,
		"lobby@rooms.contoso.com":   true,
		"bob@contoso.com":           true,
		"carol@contoso.com":         false,
		"SMTP:alice@contoso.com":    false,
		"alice@contoso.com ":        false,
		"S-1-5-21-9":                false,
		"Sid~S-1-5-21-9":            false,
		"":                          false,
		"alice@contoso.com, bob@x.": false,
		"5f0c6f7e-0000-4000-8000-0123456789ab@rooms.contoso.com": false,
	} {
		reason := "anchor-not-allowed"
		if ok {
			reason = ""
		}
		t.Run(value, func(t *testing.T) { checkRefusal(t, p.DecideAnchor(value), reason) })
	}
	if p.Allows("bob@contoso.com") {
		t.Error("Allows takes a upn entry for an address")
	}
}

func TestRefusalError(t *testing.T) {
	_, refusal := allowing(t, "alice@contoso.com").Decide(requestFor(ews.SmtpAddress, "canary@contoso.com"), "")
	if got := refusal.Error(); !strings.HasPrefix(got, "mailbox-not-allowed: ") || strings.Contains(got, "@") {
		t.Errorf("Error() = %q", got)
	}
}

// TestEmptyList checks Config.Empty. With Empty, a list without entries allows
// no mailbox. Empty does not change a list with entries.
func TestEmptyList(t *testing.T) {
	for name, allowed := range map[string][]policy.Pattern{"nil": nil, "empty": {}} {
		p := mustNew(t, policy.Config{Empty: true, Allowed: allowed, Audit: false, Targets: true})
		if !p.Limited() || p.Size() != 0 || p.Allows("alice@contoso.com") {
			t.Errorf("%s: Limited %v, Size %d, Allows %v", name, p.Limited(), p.Size(), p.Allows("alice@contoso.com"))
		}
		_, refusal := p.Decide(alice(), "")
		checkRefusal(t, refusal, "mailbox-not-allowed")
		_, refusal = p.Decide(unnamed(), "")
		checkRefusal(t, refusal, "no-mailbox")
		checkRefusal(t, p.DecideReference(ews.Reference{Value: "alice@contoso.com"}), "reference-not-allowed")
		checkRefusal(t, p.DecideAnchor("alice@contoso.com"), "anchor-not-allowed")
	}
	p := mustNew(t, policy.Config{Empty: true, Allowed: mustPatterns(t, "alice@contoso.com")})
	if _, refusal := p.Decide(alice(), ""); refusal != nil || p.Allows("bob@contoso.com") || p.Size() != 1 {
		t.Errorf("with one entry: %v, Size %d", refusal, p.Size())
	}
	if _, err := policy.New(policy.Config{Empty: true, Allowed: make([]policy.Pattern, 1)}); err == nil {
		t.Error("an entry that is empty is accepted")
	}
}

// TestSettingsThatNeedAList tests each setting that is an error without a list.
func TestSettingsThatNeedAList(t *testing.T) {
	for want, config := range map[string]policy.Config{
		"audit mode needs an allow-list":                         {Audit: true},
		"the scope of targets needs an allow-list":               {Targets: true},
		"strict ids need an allow-list":                          {StrictIDs: true},
		"primary addresses only needs an allow-list":             {PrimaryOnly: true},
		"a list of operations needs an allow-list":               {Operations: mustOperations(t, "GetFolder")},
		"default mailbox: an address needs an @":                 {DefaultMailbox: "alice"},
		"the allow-list is empty, or an entry of it is":          {Allowed: []policy.Pattern{}},
		"strict ids need the scope of targets and a guid: entry": {StrictIDs: true, Allowed: mustPatterns(t, "alice@contoso.com")},
	} {
		if _, err := policy.New(config); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := policy.New(policy.Config{LoginUser: true, DefaultMailbox: "alice@contoso.com"}); err != nil {
		t.Errorf("a login user and a default mailbox without a list: %v", err)
	}
}

// TestReasons checks that each reason has its own word, and that the zero Reason
// is none of them.
func TestReasons(t *testing.T) {
	words := make(map[string]bool)
	for _, r := range policy.Reasons() {
		words[r.String()] = true
	}
	for _, word := range []string{
		"mailbox-not-allowed", "no-mailbox", "operation-not-allowed", "envelope-refused",
		"reference-not-allowed", "anchor-not-allowed", "login-required", "login-name-invalid",
	} {
		if !words[word] {
			t.Errorf("no reason is called %s", word)
		}
		delete(words, word)
	}
	if len(words) > 0 {
		t.Errorf("further reasons: %v", words)
	}
	for _, r := range []policy.Reason{0, policy.LoginNameInvalid + 1} {
		if r.String() != "unknown" || r.Code() != "ErrorAccessDenied" {
			t.Errorf("reason %d: %s, %s", r, r, r.Code())
		}
	}
}
