package policy_test

import (
	"testing"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

// TestFormOfTheIdentity checks the form in which an allowed mailbox is sent to
// Exchange. Exchange resolves SmtpAddress to the mailbox that has the address
// as an alias; in PrimarySmtpAddress it refuses an alias. So an address that
// only a wildcard matched must be sent as PrimarySmtpAddress: it may be the
// alias of a mailbox in another domain.
func TestFormOfTheIdentity(t *testing.T) {
	const smtp, primary, upn, sid = ews.SmtpAddress, ews.PrimarySmtpAddress, ews.PrincipalName, ews.SID
	const wildcard = "*@subsidiary.example"
	const mixed = wildcard + ", sales@subsidiary.example, alice@contoso.com, upn:alice@contoso.com, sid:S-1-5-21-9"
	tests := []struct {
		name, list, narrowed string
		primaryOnly          bool
		kind                 ews.IdentityKind
		value                string
		want                 ews.IdentityKind
	}{
		{"wildcard", wildcard, "", false, smtp, "ceo@subsidiary.example", primary},
		{"wildcard, already primary", wildcard, "", false, primary, "ceo@subsidiary.example", primary},
		{"plain entry", mixed, "", false, smtp, "alice@contoso.com", smtp},
		{"plain entry, already primary", mixed, "", false, primary, "alice@contoso.com", primary},
		{"plain entry and wildcard", mixed, "", false, smtp, "Sales@subsidiary.example", smtp},
		{"upn", mixed, "", false, upn, "alice@contoso.com", upn},
		{"sid", mixed, "", false, sid, "S-1-5-21-9", sid},

		{"wildcard, plain entry of the client", wildcard, "ceo@subsidiary.example", false, smtp, "ceo@subsidiary.example", primary},
		{"plain entry, wildcard of the client", mixed, wildcard, false, smtp, "sales@subsidiary.example", primary},
		{"plain entries of both", mixed, "sales@subsidiary.example", false, smtp, "sales@subsidiary.example", smtp},
		{"wildcard of the client alone", "", wildcard, false, smtp, "ceo@subsidiary.example", primary},

		{"primary only, plain entry", mixed, "", true, smtp, "alice@contoso.com", primary},
		{"primary only, wildcard", mixed, "", true, smtp, "x@subsidiary.example", primary},
		{"primary only, upn", mixed, "", true, upn, "alice@contoso.com", upn},
		{"primary only, sid", mixed, "", true, sid, "S-1-5-21-9", sid},

		{"no list", "", "", false, smtp, "ceo@subsidiary.example", smtp},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := mustNew(t, policy.Config{Allowed: mustPatterns(t, test.list), PrimaryOnly: test.primaryOnly})
			p = p.Narrow(mustPatterns(t, test.narrowed))
			decision, refusal := p.Decide(requestFor(test.kind, test.value), "")
			checkRefusal(t, refusal, "")
			if decision.Identity.Kind != test.want {
				t.Errorf("the mailbox leaves as %v, want %v", decision.Identity.Kind, test.want)
			}
		})
	}
}

// TestFormOfAnInjectedIdentity checks the form in which the default mailbox and
// the user of the Basic credentials are sent to Exchange. An address that only
// a wildcard matched must be sent as PrimarySmtpAddress.
func TestFormOfAnInjectedIdentity(t *testing.T) {
	for _, test := range []struct {
		list        string
		primaryOnly bool
		want        ews.IdentityKind
	}{
		{"room@contoso.com", false, ews.SmtpAddress},
		{"*@contoso.com", false, ews.PrimarySmtpAddress},
		{"room@contoso.com", true, ews.PrimarySmtpAddress},
	} {
		config := policy.Config{Allowed: mustPatterns(t, test.list), PrimaryOnly: test.primaryOnly}
		config.DefaultMailbox = "room@contoso.com"
		byDefault, refusal := mustNew(t, config).Decide(unnamed(), "")
		checkRefusal(t, refusal, "")
		config.LoginUser = true
		byLogin, refusal := mustNew(t, config).Decide(unnamed(), "room@contoso.com")
		checkRefusal(t, refusal, "")
		if byDefault.Identity.Kind != test.want || byLogin.Identity.Kind != test.want {
			t.Errorf("%s: default mailbox as %v, login user as %v, want %v", test.list, byDefault.Identity.Kind, byLogin.Identity.Kind, test.want)
		}
	}
}

// TestReferencesByAlias checks addresses in the Body, which hmaproxy cannot
// rewrite to another form. With PrimaryOnly they must match an entry that is
// not a wildcard.
func TestReferencesByAlias(t *testing.T) {
	for _, test := range []struct {
		address     string
		primaryOnly bool
		refused     bool
	}{
		{"alice@contoso.com", false, false},
		{"alice@contoso.com", true, false},
		{"ceo@subsidiary.example", false, false},
		{"ceo@subsidiary.example", true, true},
		{"bob@contoso.com", false, true},
	} {
		p := mustNew(t, policy.Config{
			Allowed: mustPatterns(t, "alice@contoso.com, *@subsidiary.example"), Targets: true, PrimaryOnly: test.primaryOnly,
		})
		refusal := p.DecideReference(ews.Reference{Value: test.address})
		if (refusal != nil) != test.refused {
			t.Errorf("%s, primary only %v: %v", test.address, test.primaryOnly, refusal)
		}
	}
}

func TestPrimaryOnlyNeedsAList(t *testing.T) {
	if _, err := policy.New(policy.Config{PrimaryOnly: true}); err == nil {
		t.Error("New accepts PrimaryOnly without a list")
	}
}
