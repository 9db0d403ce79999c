package config

import (
	"strings"
	"testing"
)

// TestEntriesThatAreMistakes checks that some entries in the form of an address
// are refused. They would match no mailbox, or they were intended to exclude a
// mailbox.
func TestEntriesThatAreMistakes(t *testing.T) {
	cases := []struct{ name, entry, want string }{
		{"exclamation mark", "!canary@contoso.com", "exception"},
		{"hyphen", "-canary@contoso.com", "exception"},
		{"two hyphens", "--canary@contoso.com", "exception"},
		{"circumflex", "^canary@contoso.com", "exception"},
		{"tilde", "~canary@contoso.com", "exception"},
		{"upn with an exception", "upn:!canary@contoso.com", "exception"},
		{"second equals sign", "=canary@contoso.com", "="},
		{"upn with =", "UPN=canary@contoso.com", "upn:"},
		{"smtp with =", "smtp=canary@contoso.com", "="},
		{"a setting in the list", "HMA_ALLOWED_MAILBOXES=canary@contoso.com", "="},
		{"shell variable", "$USER@contoso.com", "expanded"},
		{"shell variable in braces", "${canary}@contoso.com", "expanded"},
		{"braces inside", "svc-${canary}@contoso.com", "expanded"},
		{"template", "{{canary}}@contoso.com", "expanded"},
		{"slashes", "//canary@contoso.com", "begins with"},
		{"opening quote", "'canary@contoso.com", "begins with"},
		{"back quote", "`canary@contoso.com", "begins with"},
		{"question mark", "?@contoso.com", "begins with"},
		{"plus", "+canary@contoso.com", "begins with"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			var list Mailboxes
			err := list.UnmarshalText([]byte("*@contoso.com,\n" + tc.entry))
			if err == nil || list != nil {
				t.Fatalf("accepted as %v", list)
			}
			if text := err.Error(); !strings.Contains(text, "entry 2 ") || !strings.Contains(text, tc.want) || strings.Contains(text, "canary") {
				t.Errorf("%q, want one that names entry 2, says %q and shows no address", text, tc.want)
			}
			if _, problem := parseUserPatterns("*@contoso.com " + tc.entry); !strings.Contains(problem, "pattern 2") || strings.Contains(problem, "canary") {
				t.Errorf("as a pattern of a client user: %q", problem)
			}
		})
	}
}

func TestEntriesThatAreNoMistakes(t *testing.T) {
	for _, entry := range []string{
		"o'brien@contoso.com", "_svc@contoso.com", "$svc_erp@contoso.com", "4711@contoso.com", "a+b@contoso.com", "a-b!c^d~e@contoso.com", "svc$@contoso.com",
		"SystemMailbox{1f05a927-89c0-4725-adca-4527114196a1}@contoso.com", "upn:alice@contoso.com", "*@contoso.com", "sid:S-1-5-21-1-2-3-500",
		"guid:01234567-89ab-cdef-0123-456789abcdef", "alice@contoso.com # =!", "alice@contoso",
	} {
		var list Mailboxes
		if err := list.UnmarshalText([]byte(entry)); err != nil || len(list) != 1 {
			t.Errorf("%q: %v, %v", entry, list, err)
		}
	}
}
