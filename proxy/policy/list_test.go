package policy

import (
	"bytes"
	"strings"
	"testing"

	"hmaproxy/proxy/ews"
)

func listOf(t *testing.T, text string) *list {
	t.Helper()
	patterns, err := ParsePatterns(text)
	if err != nil {
		t.Fatal(err)
	}
	return newList(patterns)
}

// TestSizeOfList tests entries of each form. Each entry counts once and is in
// only one index.
func TestSizeOfList(t *testing.T) {
	const guid = "guid:4a3bfe7a-0a60-4d27-a21a-6c1dfd14e3a4"
	for text, want := range map[string]int{
		"a@x.y":       1,
		"upn:a@x.y":   1,
		"sid:S-1-5-1": 1,
		"*@x.y":       1,
		guid:          1,
		guid + ", guid:5f0c6f7e-0000-4000-8000-0123456789ab":             2,
		"a@x.y, A@X.Y, upn:a@x.y, UPN:A@x.y, sid:S-1-5-1, SID:s-1-5-1":   3,
		"*@x.y, *@X.Y, " + guid + ", " + strings.ToUpper(guid):           2,
		"a@x.y, b@x.y, upn:a@x.y, sid:S-1-5-1, *@x.y, *@y, *@z, " + guid: 8,
	} {
		if got := listOf(t, text).size(); got != want {
			t.Errorf("%s: size %d, want %d", text, got, want)
		}
	}
}

// TestZeroPattern checks that the zero Pattern matches no name, not even an
// empty name, and is not counted.
func TestZeroPattern(t *testing.T) {
	l := newList([]Pattern{{}})
	if got := l.size(); got != 0 {
		t.Errorf("size %d, want 0", got)
	}
	for _, kind := range []ews.IdentityKind{ews.NoIdentity, ews.PrimarySmtpAddress, ews.SmtpAddress, ews.PrincipalName, ews.SID} {
		if spelling, ok := l.find(kind, nil); spelling != "" || ok {
			t.Errorf("kind %q: %q, %v", kind, spelling, ok)
		}
	}
}

// TestFindInList looks up names of each form in a list that has entries of each
// form.
func TestFindInList(t *testing.T) {
	l := listOf(t, "Alice@x.y, upn:Bob@x.y, sid:S-1-5-1, *@rooms.x.y, guid:4a3bfe7a-0a60-4d27-a21a-6c1dfd14e3a4")
	for _, test := range []struct {
		name     string
		kind     ews.IdentityKind
		key      string
		spelling string
		ok       bool
	}{
		{"address", ews.SmtpAddress, "alice@x.y", "Alice@x.y", true},
		{"primary address", ews.PrimarySmtpAddress, "alice@x.y", "Alice@x.y", true},
		{"principal name", ews.PrincipalName, "bob@x.y", "Bob@x.y", true},
		{"security identifier", ews.SID, "s-1-5-1", "S-1-5-1", true},
		{"address under a wildcard", ews.SmtpAddress, "a@rooms.x.y", "", true},

		{"no identity", ews.NoIdentity, "alice@x.y", "", false},
		{"another kind", ews.IdentityKind(77), "alice@x.y", "", false},
		{"another kind, under a wildcard", ews.IdentityKind(77), "a@rooms.x.y", "", false},
		{"address of a upn: entry", ews.SmtpAddress, "bob@x.y", "", false},
		{"principal name of an address entry", ews.PrincipalName, "alice@x.y", "", false},
		{"principal name under a wildcard", ews.PrincipalName, "a@rooms.x.y", "", false},
		{"the wildcard's domain alone", ews.SmtpAddress, "rooms.x.y", "", false},
		{"the wildcard itself", ews.SmtpAddress, "*@rooms.x.y", "", false},
		{"text without an @", ews.SmtpAddress, "alice", "", false},
		{"empty", ews.SmtpAddress, "", "", false},
		{"the GUID as an address", ews.SmtpAddress, "4a3bfe7a-0a60-4d27-a21a-6c1dfd14e3a4", "", false},
	} {
		if spelling, ok := l.find(test.kind, []byte(test.key)); spelling != test.spelling || ok != test.ok {
			t.Errorf("%s: %q, %v; want %q, %v", test.name, spelling, ok, test.spelling, test.ok)
		}
	}
}

// TestOrdinaryCharacters tests each byte in a local part. A wildcard matches
// letters, digits and . _ ' - + only.
func TestOrdinaryCharacters(t *testing.T) {
	for c := range 0x100 {
		want := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '\'' || c == '-' || c == '+'
		for _, local := range [][]byte{{byte(c)}, {byte(c), 'q', 'q'}, {'q', byte(c), 'q'}, {'q', 'q', byte(c)}} {
			if got := isOrdinary(local); got != want {
				t.Errorf("%q: %v, want %v", local, got, want)
			}
		}
	}
}

// TestSystemMailboxes tests each prefix of the names of mailboxes that Exchange
// creates: the prefix alone, before more characters, without one of its
// characters, and not at the beginning of the name.
func TestSystemMailboxes(t *testing.T) {
	for _, prefix := range []string{"imcea", "systemmailbox", "discoverysearchmailbox", "federatedemail.", "healthmailbox", "migration."} {
		for local, want := range map[string]bool{
			prefix: true, prefix + "x": true, prefix + ".4c1f": true,
			prefix[:len(prefix)-1]: false, prefix[:len(prefix)-1] + "_": false, "x" + prefix: false, prefix[1:]: false,
		} {
			if got := isSystem([]byte(local)); got != want {
				t.Errorf("%s: %v, want %v", local, got, want)
			}
		}
	}
	if isSystem(nil) {
		t.Error("an empty local part is that of a system mailbox")
	}
}

// TestContainsGUID tests the two forms that containsGUID finds. In a row of
// hexadecimal digits, it tests each byte in place of one digit; "x" and "+" count as
// digits. In a text with four dashes, it tests other characters in place of each
// dash.
func TestContainsGUID(t *testing.T) {
	row := func(n int) []byte { return bytes.Repeat([]byte{'4'}, n) }
	for c := range 0x100 {
		digit := c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c == 'x' || c == '+'
		for _, test := range []struct {
			name          string
			before, after int
			want          bool
		}{
			{"32 with it", 16, 15, digit},
			{"32 with it, which is the first", 0, 31, digit},
			{"32 with it, which is the last", 31, 0, digit},
			{"31 with it", 15, 15, false},
			{"32 after it", 0, 32, true},
			{"32 before it", 32, 0, true},
			{"31 on both sides", 31, 31, digit},
		} {
			s := append(append(row(test.before), byte(c)), row(test.after)...)
			if got := containsGUID(s); got != test.want {
				t.Errorf("byte %#x, %s: %v, want %v", c, test.name, got, test.want)
			}
		}
	}
	const guid = "qqqqqqqq-qqqq-qqqq-qqqq-qqqqqqqqqqqq" // only the places of the dashes matter
	for s, want := range map[string]bool{
		"": false, guid: true, "q" + guid: true, guid + "q": true, guid[1:]: false, guid[:len(guid)-1]: false, "-" + guid[1:]: true,
	} {
		if got := containsGUID([]byte(s)); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
	for i, c := range []byte(guid) {
		if c != '-' {
			continue
		}
		for _, other := range []byte{'q', '-' - 1, '-' + 1} {
			s := []byte(guid)
			s[i] = other
			if containsGUID(s) {
				t.Errorf("%s contains a GUID", s)
			}
		}
	}
}

// TestSIDs tests both sides of each limit of [MS-DTYP] section 2.4.2.
func TestSIDs(t *testing.T) {
	parts := func(n int) string { return strings.Repeat("-1", n) }
	for s, good := range map[string]bool{
		"S-1-5-21":                   true,
		"s-1-5-21":                   true,
		"S-1-0-0":                    true,
		"S-1-5" + parts(15):          true,
		"S-1-281474976710655-1":      true, // 2^48-1
		"S-1-5-4294967295":           true, // 2^32-1
		"S-1-5-10-20-30":             true,
		"":                           false,
		"S":                          false,
		"S-1":                        false,
		"S-1-":                       false,
		"S-1-5":                      false,
		"S-1-5-":                     false,
		"S-1--5":                     false,
		"S-1-5-21-":                  false,
		"S-1-5--21":                  false,
		"-1-5-21":                    false,
		"S-0-5-21":                   false,
		"S-2-5-21":                   false,
		"T-1-5-21":                   false,
		"SS-1-5-21":                  false,
		"S-1-5" + parts(16):          false,
		"S-1-281474976710656-1":      false, // 2^48
		"S-1-5-4294967296":           false, // 2^32
		"S-1-1000000000000000-1":     false,
		"S-1-05-21":                  false,
		"S-1-00-21":                  false,
		"S-1-5-021":                  false,
		"S-1-5-00":                   false,
		"S-1-5-+1":                   false,
		"S-1-5-/":                    false, // "/" is the byte before "0"
		"S-1-5-:":                    false, // ":" is the byte after "9"
		"S-1-5-0x15":                 false,
		"S-1-5-18446744073709551617": false, // 2^64+1
		"S-1-5-21 ":                  false,
		" S-1-5-21":                  false,
		"BA":                         false,
	} {
		if problem := sidProblem(s); (problem == "") != good {
			t.Errorf("%q: %q", s, problem)
		}
	}
}
