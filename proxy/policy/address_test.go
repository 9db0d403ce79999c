package policy_test

import (
	"strings"
	"testing"

	"hmaproxy/proxy/policy"
)

func TestParseAddress(t *testing.T) {
	long := func(n int) string { return strings.Repeat("a", n) }
	label := long(63)
	tests := []struct {
		name, in string
		ok       bool
	}{
		{"plain", "alice@contoso.com", true},
		{"letter case is kept", "Alice.B@Contoso.COM", true},
		{"apostrophe", "o'brien@contoso.com", true},
		{"plus tag", "alice+x@contoso.com", true},
		{"all of the specials", "!#$&'+-/=?^_`{|}~@contoso.com", true},
		{"digits", "1@2.3", true},
		{"single label", "alice@exchange", true},
		{"inner hyphens", "a@x--y.z-0", true},
		{"punycode", "alice@xn--bcher-kva.example", true},
		{"local part of 64", long(64) + "@contoso.com", true},
		{"label of 63", "a@" + label + ".com", true},
		{"254 characters", long(62) + "@" + label + "." + label + "." + label, true},

		{"empty", "", false},
		{"255 characters", long(63) + "@" + label + "." + label + "." + label, false},
		{"local part of 65", long(65) + "@contoso.com", false},
		{"label of 64", "a@" + label + "a.com", false},
		{"last label of 64", "a@b." + label + "a", false},
		{"no at", "alice.contoso.com", false},
		{"no local part", "@contoso.com", false},
		{"no domain", "alice@", false},
		{"two ats", "alice@contoso.com@evil.example", false},
		{"two ats in a row", "alice@@contoso.com", false},
		{"trailing dot", "alice@contoso.com.", false},
		{"leading dot of domain", "alice@.contoso.com", false},
		{"double dot in domain", "alice@contoso..com", false},
		{"label begins with hyphen", "alice@-contoso.com", false},
		{"label ends in hyphen", "alice@contoso-.com", false},
		{"domain ends in hyphen", "alice@contoso.com-", false},
		{"underscore in domain", "alice@con_toso.com", false},
		{"address literal", "alice@[127.0.0.1]", false},
		{"port", "alice@contoso.com:25", false},
		{"dot first", ".alice@contoso.com", false},
		{"dot last", "alice.@contoso.com", false},
		{"dots in a row", "al..ice@contoso.com", false},
		{"quoted", `"alice"@contoso.com`, false},
		{"comment", "alice(x)@contoso.com", false},
		{"angle brackets", "<alice@contoso.com>", false},
		{"display name", "Alice <alice@contoso.com>", false},
		{"list by comma", "alice@contoso.com,bob@contoso.com", false},
		{"list by semicolon", "alice@contoso.com;bob@contoso.com", false},
		{"wildcard", "*@contoso.com", false},
		{"source route", "@a,@b:alice@contoso.com", false},
		{"percent route", "alice%evil.example@contoso.com", false},
		{"scheme", "SMTP:alice@contoso.com", false},
		{"logon name", `CONTOSO\alice`, false},
		{"logon name with at", `CONTOSO\alice@contoso.com`, false},
		{"leading space", " alice@contoso.com", false},
		{"trailing space", "alice@contoso.com ", false},
		{"trailing newline", "alice@contoso.com\n", false},
		{"NUL", "alice@contoso.com\x00", false},
		{"DEL", "alice\x7f@contoso.com", false},
		{"no-break space", "alice@contoso.com\u00a0", false},
		{"next line", "alice@contoso.com\u0085", false},
		{"ideographic space", "\u3000alice@contoso.com", false},
		{"long s", "alice@conto\u017fo.com", false},
		{"dotless i", "al\u0131ce@contoso.com", false},
		{"Kelvin sign", "\u212aim@contoso.com", false},
		{"invalid UTF-8", "alice\xff@contoso.com", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := policy.ParseAddress(test.in)
			if test.ok && (err != nil || got != test.in) {
				t.Fatalf("ParseAddress(%q) = %q, %v; want it as given", test.in, got, err)
			}
			if !test.ok && (err == nil || got != "") {
				t.Fatalf("ParseAddress(%q) = %q, %v; want an error", test.in, got, err)
			}
		})
	}
}

func TestParseAddressExplains(t *testing.T) {
	for in, want := range map[string]string{
		`CONTOSO\alice`:                `DOMAIN\user`,
		"alice@conto\u017fo.com":       "beyond ASCII",
		"alice@contoso.com ":           "space",
		"alice":                        "needs an @",
		"alice@contoso.com@evil.com":   "one @",
		"canary\x00canary@canary.test": "control character",
	} {
		_, err := policy.ParseAddress(in)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("ParseAddress(%q): error %v; it should say %q and nothing of the text", in, err, want)
		}
	}
}
