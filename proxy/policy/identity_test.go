package policy_test

import (
	"strings"
	"testing"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

// TestIdentity looks up names in a list that has only alice@contoso.com. The
// names resemble this address, and some parsers may treat them as equal to it.
// The kinds are the children of ConnectingSID.
func TestIdentity(t *testing.T) {
	const smtp, upn, sid = ews.PrimarySmtpAddress, ews.PrincipalName, ews.SID
	p := allowing(t, "alice@contoso.com")
	tests := []struct {
		name  string
		kind  ews.IdentityKind
		value string
		ok    bool
	}{
		{"alice", smtp, "alice@contoso.com", true},
		{"alice as SmtpAddress", ews.SmtpAddress, "alice@contoso.com", true},
		{"upper case", smtp, "ALICE@CONTOSO.COM", true},

		{"alice as PrincipalName", upn, "alice@contoso.com", false},
		{"alice as SID", sid, "alice@contoso.com", false},
		{"bob", smtp, "bob@contoso.com", false},
		{"bob as SmtpAddress", ews.SmtpAddress, "bob@contoso.com", false},
		{"bob as PrincipalName", upn, "bob@contoso.com", false},
		{"bob's SID", sid, "S-1-5-21-1-2-3-1105", false},
		{"unknown form", ews.IdentityKind(77), "alice@contoso.com", false},
		{"empty", smtp, "", false},
		{"Cyrillic a", smtp, "\u0430lice@contoso.com", false},
		{"full-width letter", smtp, "\uff41lice@contoso.com", false},
		{"full-width at", smtp, "alice\uff20contoso.com", false},
		{"small at", smtp, "alice\ufe6bcontoso.com", false},
		{"ideographic full stop", smtp, "alice@contoso\u3002com", false},
		{"soft hyphen", smtp, "al\u00adice@contoso.com", false},
		{"zero-width space", smtp, "ali\u200bce@contoso.com", false},
		{"zero-width joiner", smtp, "ali\u200dce@contoso.com", false},
		{"combining mark", smtp, "alice\u0301@contoso.com", false},
		{"byte order mark inside", smtp, "alice@contoso.com\ufeff", false},
		{"right-to-left override", smtp, "\u202ealice@contoso.com", false},
		{"long s", smtp, "alice@conto\u017fo.com", false},
		{"dotless i", smtp, "al\u0131ce@contoso.com", false},
		{"capital I with dot", smtp, "al\u0130ce@contoso.com", false},
		{"trailing dot", smtp, "alice@contoso.com.", false},
		{"plus tag", smtp, "alice+x@contoso.com", false},
		{"RFC 5322 comment", smtp, "alice(x)@contoso.com", false},
		{"quoted", smtp, `"alice"@contoso.com`, false},
		{"angle brackets", smtp, "<alice@contoso.com>", false},
		{"display name", smtp, "alice@contoso.com <bob@contoso.com>", false},
		{"comma", smtp, "alice@contoso.com,bob@contoso.com", false},
		{"semicolon", smtp, "alice@contoso.com;bob@contoso.com", false},
		{"space between two", smtp, "alice@contoso.com bob@contoso.com", false},
		{"two lines", smtp, "alice@contoso.com\nbob@contoso.com", false},
		{"two lines, bob first", smtp, "bob@contoso.com\nalice@contoso.com", false},
		{"several ats", smtp, "bob@contoso.com@alice@contoso.com", false},
		{"at evil", smtp, "alice@contoso.com@evil.com", false},
		{"domain continues", smtp, "alice@contoso.com.evil.com", false},
		{"local part continues", smtp, "malice@contoso.com", false},
		{"subdomain", smtp, "alice@mail.contoso.com", false},
		{"dot as any character", smtp, "alice@contosoxcom", false},
		{"shorter", smtp, "alice@contoso.co", false},
		{"wildcard", smtp, "*@contoso.com", false},
		{"SQL wildcard", smtp, "alic_@contoso.com", false},
		{"LDAP filter", smtp, "alice@contoso.com)(mail=*", false},
		{"mailbox GUID", smtp, "5f0c6f7e-0000-4000-8000-0123456789ab@contoso.com", false},
		{"legacyDN", smtp, "/o=Contoso/ou=x/cn=Recipients/cn=bob", false},
		{"SMTP: prefix", smtp, "SMTP:alice@contoso.com", false},
		{"mailto:", smtp, "mailto:alice@contoso.com", false},
		{"logon name", upn, `CONTOSO\bob`, false},
		{"logon name as address", smtp, `CONTOSO\alice`, false},
		{"source route", smtp, "@evil.com:alice@contoso.com", false},
		{"percent route", smtp, "bob%contoso.com@contoso.com", false},
		{"percent encoding", smtp, "alice%40contoso.com", false},
		{"character reference left over", smtp, "alice&#64;contoso.com", false},
		{"trailing no-break space", smtp, "alice@contoso.com\u00a0", false},
		{"trailing next line", smtp, "alice@contoso.com\u0085", false},
		{"leading ideographic space", smtp, "\u3000alice@contoso.com", false},
		{"trailing space", smtp, "alice@contoso.com ", false},
		{"trailing vertical tab", smtp, "alice@contoso.com\v", false},
		{"NUL", smtp, "alice@contoso.com\x00bob", false},
		{"header after CR LF", smtp, "alice@contoso.com\r\nX-Evil: 1", false},
		{"64 KB", smtp, strings.Repeat("a", 1<<16) + "@contoso.com", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := requestFor(test.kind, test.value)
			v, refusal := p.Decide(m, "")
			if !test.ok {
				checkRefusal(t, refusal, "mailbox-not-allowed")
				if v.Identity != (ews.Identity{}) || v.Injected {
					t.Errorf("a refusal came with %+v", v)
				}
				return
			}
			checkRefusal(t, refusal, "")
			if want := (ews.Identity{Kind: test.kind, Value: "alice@contoso.com"}); v.Identity != want {
				t.Errorf("identity = %+v, want %+v", v.Identity, want)
			}
		})
	}
}

func TestSpelling(t *testing.T) {
	list := "Alice@Contoso.com, alice@contoso.COM, *@Rooms.contoso.com, Big@rooms.contoso.com, upn:Carol@contoso.com, sid:S-1-5-21-9, az@zebra.example, ^_`{|}~@zebra.example"
	p := allowing(t, list)
	if got := p.Size(); got != 7 {
		t.Errorf("Size() = %d, want 7", got)
	}
	tests := []struct {
		name        string
		kind        ews.IdentityKind
		value, want string
	}{
		{"listed, the first spelling", ews.SmtpAddress, "aLICE@contoso.com", "Alice@Contoso.com"},
		{"wildcard, lower case", ews.SmtpAddress, "Lobby@ROOMS.contoso.com", "lobby@rooms.contoso.com"},
		{"listed within a wildcard", ews.SmtpAddress, "big@rooms.contoso.com", "Big@rooms.contoso.com"},
		{"upn", ews.PrincipalName, "CAROL@contoso.com", "Carol@contoso.com"},
		{"sid", ews.SID, "s-1-5-21-9", "S-1-5-21-9"},

		{"first and last letter", ews.SmtpAddress, "AZ@ZEBRA.EXAMPLE", "az@zebra.example"},
		{"characters round the letters", ews.SmtpAddress, "^_`{|}~@zebra.example", "^_`{|}~@zebra.example"},

		{"characters with another bit 5", ews.SmtpAddress, "^_`{|}^@zebra.example", ""},
		{"upn of an address entry", ews.PrincipalName, "alice@contoso.com", ""},
		{"upn under a wildcard", ews.PrincipalName, "lobby@rooms.contoso.com", ""},
		{"address of a upn entry", ews.SmtpAddress, "carol@contoso.com", ""},
		{"sid in another writing", ews.SID, "S-1-5-021-9", ""},
		{"sid continues", ews.SID, "S-1-5-21-99", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v, refusal := p.Decide(requestFor(test.kind, test.value), "")
			if v.Identity.Value != test.want || (refusal == nil) != (test.want != "") {
				t.Errorf("identity = %q, %v; want %q", v.Identity.Value, refusal, test.want)
			}
		})
	}
}

func TestWildcard(t *testing.T) {
	p := allowing(t, "*@contoso.com, imceaex-x@contoso.com")
	tests := []struct {
		name, address string
		ok            bool
	}{
		{"plain", "bob@contoso.com", true},
		{"name, apostrophe, tag", "Mary_Ann.O'Hara-2+x@contoso.com", true},
		{"31 hexadecimal digits", "0123456789abcdef0123456789abcde@contoso.com", true},
		{"32 letters", "abcdefghijklmnopqrstuvwxyzabcdef@contoso.com", true},
		{"imcea not in front", "a-imceaex-x@contoso.com", true},
		{"dashes one off from a GUID", "5f0c6f7e0-000-4000-8000-0123456789ab@contoso.com", true},
		{"name that begins like a system mailbox", "federated@contoso.com", true},
		{"migration without a dot", "migrations@contoso.com", true},
		{"health", "health.mailbox@contoso.com", true},
		{"system mailbox not in front", "x.systemmailbox@contoso.com", true},
		{"encapsulation with an entry of its own", "IMCEAEX-x@contoso.com", true},

		{"subdomain", "bob@mail.contoso.com", false},
		{"domain continues", "bob@contoso.com.evil.com", false},
		{"domain prefixed", "bob@xcontoso.com", false},
		{"encapsulated legacyDN", "IMCEAEX-_o=x@contoso.com", false},
		{"encapsulation of plain characters", "ImceaEX-_abc+20def@contoso.com", false},
		{"encapsulated fax", "imceafax-1@contoso.com", false},
		{"GUID", "5F0C6F7E-0000-4000-8000-0123456789AB@contoso.com", false},
		{"GUID without dashes", "5f0c6f7e000040008000" + "0123456789ab@contoso.com", false},
		{"32 digits of every kind", "0123456789abcdefx+01234567890123@contoso.com", false},
		{"31 digits of every kind", "0123456789abcdefx+0123456789012@contoso.com", true},
		{"32 digits around an underscore", "0123456789abcdef_0123456789abcdef@contoso.com", true},
		{"32 digits around a dash", "0123456789abcdef-0123456789abcdef@contoso.com", true},
		{"32 digits around a g", "0123456789abcdefg0123456789abcdef@contoso.com", true},
		{"32 digits around a w", "0123456789abcdefw0123456789abcdef@contoso.com", true},
		{"32 digits around a y", "0123456789abcdefy0123456789abcdef@contoso.com", true},
		{"a character less than a GUID", "5f0c6f7e-0000-4000-8000-0123456789a@contoso.com", true},
		{"GUID in braces", "{5f0c6f7e-0000-4000-8000-0123456789ab}@contoso.com", false},
		{"GUID in braces without dashes", "{5f0c6f7e0000400080000123456789ab}@contoso.com", false},
		{"GUID in parentheses", "(5f0c6f7e-0000-4000-8000-0123456789ab)@contoso.com", false},
		{"GUID with a tag", "5f0c6f7e-0000-4000-8000-0123456789ab+x@contoso.com", false},
		{"GUID with odd digits", "+f0c6f7e-0x00-4000-8000-0123456789ab@contoso.com", false},
		{"33 hexadecimal digits", "0123456789abcdef0123456789abcdef0@contoso.com", false},
		{"GUID behind a name", "x5f0c6f7e-0000-4000-8000-0123456789ab@contoso.com", false},
		{"GUID in front of a name", "5f0c6f7e-0000-4000-8000-0123456789abx@contoso.com", false},
		{"federation mailbox", "FederatedEmail.4c1f4d8b-8179-4148-93bf-00a95fa1e042@contoso.com", false},
		{"federation mailbox without a GUID", "federatedemail.x@contoso.com", false},
		{"migration mailbox", "Migration.8f3e7716-2011-43e4-96b1-aba62d229136@contoso.com", false},
		{"migration mailbox without a GUID", "migration.x@contoso.com", false},
		{"health mailbox", "HealthMailboxc3d7722415ad41a5b19e3e00e165edbe@contoso.com", false},
		{"system mailbox's name alone", "systemmailbox@contoso.com", false},
		{"health mailbox without a GUID", "HealthMailbox1@contoso.com", false},
		{"system mailbox", "SystemMailbox{1f05a927-89c6-4f9a-b0f4-d5ea8b2ba6f7}@contoso.com", false},
		{"system mailbox without braces", "SystemMailbox1@contoso.com", false},
		{"discovery mailbox", "DiscoverySearchMailbox{D919BA05-46A6-415f-80AD-7E09334BB852}@contoso.com", false},
		{"discovery mailbox without braces", "discoverysearchmailbox.x@contoso.com", false},
		{"slash", "a/b@contoso.com", false},
		{"equals sign", "a=b@contoso.com", false},
		{"ampersand", "a&b@contoso.com", false},
		{"exclamation mark", "evil!bob@contoso.com", false},
		{"star", "*@contoso.com", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := p.Allows(test.address); got != test.ok {
				t.Errorf("Allows(%q) = %v", test.address, got)
			}
			_, refusal := p.Decide(requestFor(ews.SmtpAddress, test.address), "")
			if (refusal == nil) != test.ok {
				t.Errorf("Decide(%q): %v", test.address, refusal)
			}
		})
	}
}

// TestAcceptedPathAllocations checks that an allowed request allocates nothing,
// except a string for a wildcard.
func TestAcceptedPathAllocations(t *testing.T) {
	tests := []struct {
		name, list string
		want       float64
	}{
		{"listed", "alice@contoso.com", 0},
		{"wildcard", "*@contoso.com", 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := allowing(t, test.list)
			m := requestFor(ews.PrimarySmtpAddress, "ALICE@Contoso.com")
			var refusal *policy.Refusal
			got := testing.AllocsPerRun(100, func() { _, refusal = p.Decide(m, "") })
			if refusal != nil || got > test.want {
				t.Errorf("%v allocations (%v), want %v", got, refusal, test.want)
			}
		})
	}
}

func BenchmarkDecide(b *testing.B) {
	p := allowing(b, "alice@contoso.com")
	m := alice()
	b.ReportAllocs()
	for b.Loop() {
		if _, refusal := p.Decide(m, ""); refusal != nil {
			b.Fatal(refusal)
		}
	}
}

func TestDecideMailbox(t *testing.T) {
	p := allowing(t, "Alice@contoso.com, *@rooms.contoso.com")
	for _, test := range []struct{ address, want, reason string }{
		{"alice@contoso.com", "Alice@contoso.com", ""},
		{"Room1@rooms.contoso.com", "room1@rooms.contoso.com", ""},
		{"bob@contoso.com", "", "mailbox-not-allowed"},
		{"alice", "", "mailbox-not-allowed"},
	} {
		got, refusal := p.DecideMailbox(test.address)
		checkRefusal(t, refusal, test.reason)
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.address, got, test.want)
		}
	}
}

// TestTextsOfAddresses checks that each kind of mistake in an address has its
// own error text.
func TestTextsOfAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"": "an address is empty",
		strings.Repeat("a", 243) + "@contoso.com": "an address has more than 254 characters",
		"a@contoso.com;b@contoso.com":             "an address contains a semicolon; commas or line breaks separate several addresses",
		";a@contoso.com":                          "an address contains a semicolon; commas or line breaks separate several addresses",
		"a\x80@contoso.com":                       "an address contains characters beyond ASCII",
		"a~@contoso.com.":                         "the domain is empty, or its last label is empty, too long or ends in a hyphen",
		"a:b@contoso.com":                         "the part before the @ contains a character that is not allowed",
		"a<b@contoso.com":                         "the part before the @ contains a character that is not allowed",
		"ü@contoso.com":                           "an address contains characters beyond ASCII",
		`CONTOSO\alice`:                           `an address is needed (user@domain), not a logon name (DOMAIN\user)`,
		"a b@contoso.com":                         "an address contains a space or a control character",
		"a\x7f@contoso.com":                       "an address contains a space or a control character",
		"alice":                                   "an address needs an @",
		"@contoso.com":                            "the part before the @ must have 1 to 64 characters",
		strings.Repeat("a", 65) + "@contoso.com":  "the part before the @ must have 1 to 64 characters",
		".a@contoso.com":                          "the part before the @ begins with a dot or has two in a row",
		"a..b@contoso.com":                        "the part before the @ begins with a dot or has two in a row",
		"a.@contoso.com":                          "the part before the @ ends in a dot",
		"a@b@contoso.com":                         "an address has one @",
		"a@-contoso.com":                          "the domain has a label that begins with a hyphen",
		"a@contoso-.com":                          "the domain has a label that is empty, too long or ends in a hyphen",
		"a@contoso..com":                          "the domain has a label that is empty, too long or ends in a hyphen",
		"a@con_toso.com":                          "the domain contains a character that is not allowed",
		"a@contoso.com.":                          "the domain is empty, or its last label is empty, too long or ends in a hyphen",
		"a@":                                      "the domain is empty, or its last label is empty, too long or ends in a hyphen",
	} {
		if _, err := policy.ParseAddress(address); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", address, err, want)
		}
	}
}
