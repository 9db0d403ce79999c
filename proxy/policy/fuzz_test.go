package policy_test

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

// FuzzAllowed decides about a name with a list of one address and with a list
// of one wildcard. It uses code of its own to check that the list matches each
// allowed name.
func FuzzAllowed(f *testing.F) {
	for _, value := range []string{
		"alice@contoso.com", "ALICE@CONTOSO.COM", "bob@contoso.com", "alice@conto\u017fo.com", "\u212a@contoso.com",
		"alice@contoso.com.", "imceaex-_o=x@contoso.com", "5f0c6f7e-0000-4000-8000-0123456789ab@contoso.com",
		"5f0c6f7e00004000800000123456789ab@contoso.com", "a+b'c_d@contoso.com", "a@b@contoso.com", "{x}@contoso.com",
	} {
		for kind := range uint8(6) {
			f.Add(kind, value)
		}
	}
	plain, wildcard := allowing(f, "alice@contoso.com"), allowing(f, "*@contoso.com")
	f.Fuzz(func(t *testing.T, kind uint8, value string) {
		m := requestFor(ews.IdentityKind(kind), value)
		if v, refusal := plain.Decide(m, ""); refusal == nil {
			checkSMTP(t, v.Identity, m.Identity)
			if !sameASCII(value, "alice@contoso.com") || v.Identity.Value != "alice@contoso.com" {
				t.Errorf("the entry for alice allows %q as %q", value, v.Identity.Value)
			}
		}
		if v, refusal := wildcard.Decide(m, ""); refusal == nil {
			if v.Identity.Kind != ews.PrimarySmtpAddress {
				t.Errorf("a wildcard allows %q as %v", value, v.Identity.Kind)
			}
			checkSMTP(t, ews.Identity{Kind: m.Identity.Kind}, m.Identity)
			checkWildcard(t, value, v.Identity.Value)
		}
	})
}

func checkSMTP(t *testing.T, sent, asked ews.Identity) {
	t.Helper()
	if sent.Kind != asked.Kind || sent.Kind != 1 && sent.Kind != 2 {
		t.Errorf("kind %d was allowed as %d", asked.Kind, sent.Kind)
	}
}

// sameASCII reports whether a and b are equal if the letter case of ASCII
// letters is ignored. b must be in lower case.
func sameASCII(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		isLetter := b[i] >= 'a' && b[i] <= 'z'
		if a[i] != b[i] && !(isLetter && a[i] == b[i]-32) {
			return false
		}
	}
	return true
}

var (
	ordinaryAddress = regexp.MustCompile(`^[A-Za-z0-9._'+-]{1,64}@[Cc][Oo][Nn][Tt][Oo][Ss][Oo]\.[Cc][Oo][Mm]$`)
	guidAddress     = regexp.MustCompile(`(?i)^[^@]*([0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})`)
	systemAddress   = regexp.MustCompile(`^(?i:imcea|systemmailbox|discoverysearchmailbox|federatedemail\.|healthmailbox|migration\.)`)
)

// checkWildcard checks that the entry *@contoso.com was right to allow the name
// value, and that sent is this name in lower case.
func checkWildcard(t *testing.T, value, sent string) {
	t.Helper()
	if !ordinaryAddress.MatchString(value) || systemAddress.MatchString(value) {
		t.Errorf("the wildcard allows %q", value)
	}
	if guidAddress.MatchString(value) {
		t.Errorf("the wildcard allows the GUID in %q", value)
	}
	if !sameASCII(value, sent) || !bytes.Equal([]byte(sent), bytes.ToLower([]byte(sent))) {
		t.Errorf("%q is sent as %q", value, sent)
	}
}

func FuzzParsePatterns(f *testing.F) {
	for _, text := range []string{
		"", "alice@contoso.com", "\ufeff*@contoso.com\r\n# x\nupn:a@b , sid:S-1-5-21-1", "\xff\xfea", "a#b@c #d,e@f\n,,",
		"sid:s-1-0-0", "*@*", "upn:#@x", "a@b\x00", "UPN:a@b,SID:S-1-5-4294967296",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		patterns, err := policy.ParsePatterns(text)
		if err != nil {
			if patterns != nil || !utf8.ValidString(err.Error()) {
				t.Fatalf("%q came with the error %q", patternTexts(patterns), err)
			}
			return
		}
		if len(patterns) == 0 || slices.Contains(patterns, policy.Pattern{}) {
			t.Fatalf("%q makes an empty list or entry", text)
		}
		for _, separator := range []string{",", "\n", " , # x\r\n"} {
			again, err := policy.ParsePatterns(strings.Join(patternTexts(patterns), separator))
			if err != nil || !slices.Equal(again, patterns) {
				t.Fatalf("%q reads as %q, then as %q: %v", text, patternTexts(patterns), patternTexts(again), err)
			}
		}
		if _, err := policy.New(policy.Config{Allowed: patterns}); err != nil {
			t.Fatalf("New refuses %q: %v", text, err)
		}
	})
}

func FuzzParseOperations(f *testing.F) {
	for _, text := range []string{"+AddDelegate", "GetFolder,FindItem", "Subscribe:Push", "+GetNonIndexableItem*", "Request", ":", "+:push"} {
		f.Add(text)
	}
	list := mustPatterns(f, "alice@contoso.com")
	f.Fuzz(func(t *testing.T, text string) {
		operations, err := policy.ParseOperations(text)
		if err != nil {
			return
		}
		p, err := policy.New(policy.Config{Allowed: list, Operations: operations})
		if err != nil {
			t.Fatal(err)
		}
		if _, refusal := p.Decide(call("AddDelegate"), ""); refusal == nil && !strings.Contains(strings.ToLower(text), "adddelegate") {
			t.Fatalf("%q allows AddDelegate", text)
		}
	})
}
