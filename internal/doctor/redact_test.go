package doctor

import (
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestCleanText(t *testing.T) {
	d := &redactor{secrets: []string{"Kv8~s3cret", "", "abc"}}
	for _, c := range []struct{ name, in, want string }{
		{"nothing to do", "403 ForbiddenByRbac", "403 ForbiddenByRbac"},
		{"secret", "a Kv8~s3cret b Kv8~s3cret", "a [redacted] b [redacted]"},
		{"token", "x eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJl y", "x [redacted] y"},
		{"part of a token", "eyJ0eXAiOiJKV1Qi", "[redacted]"},
		{"too short to be a secret", "abc", "abc"},
		{"terminal", "a\x1b[31m\nb\u202ec", `a\x1b[31m\x0ab\u202ec`},
	} {
		if got := d.cleanText(c.in); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzCleanText(f *testing.F) {
	for _, s := range []string{"", "Kv8~s3cret", "eyJhbGciOiJSUzI1NiJ9", "Kv8~KKv8~s3cret\x00", "\xff\xfe", strings.Repeat("ä", 600)} {
		f.Add(s)
	}
	d := &redactor{secrets: []string{"Kv8~s3cret"}}
	f.Fuzz(func(t *testing.T, s string) {
		got := d.cleanText(s)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > maxText || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q becomes %q", s, got)
		}
		if strings.Contains(got, "Kv8~s3cret") && !strings.Contains(s, redacted) || jwt().MatchString(got) {
			t.Errorf("%q becomes %q", s, got)
		}
	})
}

// TestBearerChallenge checks the parameters that are read from challenges. The
// challenges of Exchange and Key Vault come from Microsoft's documents and
// published traces. One is joined with others into one header, as devices do.
func TestBearerChallenge(t *testing.T) {
	const exchange = `Bearer client_id="00000002-0000-0ff1-ce00-000000000000", trusted_issuers="00000001-0000-0000-c000-000000000000@*", token_types="app_asserted_user_v1 service_asserted_app_v1", error="invalid_token"`
	for _, c := range []struct {
		name   string
		values []string
		key    string
		want   string
		none   bool
	}{
		{"Exchange", []string{"Negotiate", "NTLM", exchange}, "trusted_issuers", "00000001-0000-0000-c000-000000000000@*", false},
		{"joined", []string{"Negotiate, NTLM, " + exchange + `, Basic realm="mail.contoso.com"`}, "token_types", "app_asserted_user_v1 service_asserted_app_v1", false},
		{"Key Vault", []string{`Bearer authorization="https://login.microsoftonline.com/0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e47", resource="https://vault.azure.net"`}, "authorization", "https://login.microsoftonline.com/0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e47", false},
		{"the first counts", []string{`bearer a="1", a="2"`}, "a", "1", false},
		{"bare", []string{"Bearer"}, "client_id", "", false},
		{"within a value", []string{`Basic realm="our bearer zone"`}, "", "", true},
		{"none", []string{"Negotiate", "NTLM"}, "", "", true},
	} {
		got := bearerChallenge(http.Header{"Www-Authenticate": c.values})
		if (got == nil) != c.none || got[c.key] != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

func TestSpellings(t *testing.T) {
	for _, c := range []struct {
		ours, ews string
		want      []string
	}{
		{"https://mail.contoso.com", "https://mail.contoso.com", []string{"https://mail.contoso.com/"}},
		{"https://mail.contoso.com/", "https://mail.contoso.com", []string{"https://mail.contoso.com"}},
		{"https://ews.contoso.com", "https://mail.contoso.com", []string{"https://ews.contoso.com/", "https://mail.contoso.com", "https://mail.contoso.com/"}},
	} {
		if got := spellings(c.ours, c.ews); strings.Join(got, " ") != strings.Join(c.want, " ") {
			t.Errorf("%s: %q, want %q", c.ours, got, c.want)
		}
	}
}

func TestExitCode(t *testing.T) {
	for name, c := range map[string]struct {
		all  []Result
		want int
	}{
		"well":                     {[]Result{{Check: "configuration", Status: OK}, {Check: "token", Status: OK}}, 0},
		"nothing asked":            {[]Result{{Check: "token", Status: OK}, {Check: "mailbox", Status: Skipped}, {Check: "forbidden", Status: Skipped}}, 0},
		"failed":                   {[]Result{{Check: "vault", Status: Failed}, {Check: "token", Status: Skipped}}, 1},
		"configuration":            {[]Result{{Check: "configuration", Status: Failed}, {Check: "rest", Status: Skipped}}, 78},
		"warning":                  {[]Result{{Check: "allow-list", Status: Warning}, {Check: "token", Status: OK}}, 1},
		"interrupted":              {[]Result{{Check: "configuration", Status: OK}, {Check: "token", Status: Skipped}}, 1},
		"failed, went on":          {[]Result{{Check: "clock", Status: Failed, carryOn: true}, {Check: "token", Status: OK}}, 1},
		"no service sent the time": {[]Result{{Check: "token", Status: OK}, {Check: "clock", Status: Skipped}}, 0},
	} {
		if got := ExitCode(c.all); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
