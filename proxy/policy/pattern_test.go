package policy_test

import (
	"slices"
	"strings"
	"testing"

	"hmaproxy/proxy/policy"
)

func patternTexts(patterns []policy.Pattern) []string {
	var texts []string
	for _, p := range patterns {
		texts = append(texts, p.String())
	}
	return texts
}

func TestParsePatterns(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"one", "alice@contoso.com", []string{"alice@contoso.com"}},
		{"commas", "a@x.y,b@x.y , c@x.y", []string{"a@x.y", "b@x.y", "c@x.y"}},
		{"lines", "a@x.y\nb@x.y\r\nc@x.y\r\n", []string{"a@x.y", "b@x.y", "c@x.y"}},
		{"empty entries", ",\n a@x.y,,\n\n\t,", []string{"a@x.y"}},
		{"comments", "# who\na@x.y # Ann, since May\n  #b@x.y\nc@x.y,# d@x.y", []string{"a@x.y", "c@x.y"}},
		{"hash inside an entry", "a#1@x.y", []string{"a#1@x.y"}},
		{"byte order mark", "\ufeffa@x.y", []string{"a@x.y"}},
		{"wildcard", "*@Contoso.com", []string{"*@Contoso.com"}},
		{"upn", "UPN:Alice@contoso.com", []string{"upn:Alice@contoso.com"}},
		{"sid", "Sid:s-1-5-21-1-2-3-500", []string{"sid:S-1-5-21-1-2-3-500"}},
		{"long sid", "sid:S-1-281474976710655-4294967295" + strings.Repeat("-0", 14),
			[]string{"sid:S-1-281474976710655-4294967295" + strings.Repeat("-0", 14)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			patterns, err := policy.ParsePatterns(test.text)
			if got := patternTexts(patterns); err != nil || !slices.Equal(got, test.want) {
				t.Errorf("ParsePatterns(%q) = %q, %v; want %q", test.text, got, err, test.want)
			}
		})
	}
}

func TestParsePatternsRefuses(t *testing.T) {
	tests := []struct{ name, text, where string }{
		{"empty", "", "no entry"},
		{"only a comment", "# alice@contoso.com", "no entry"},
		{"only a byte order mark", "\ufeff", "no entry"},
		{"two byte order marks", "\ufeff\ufeffa@x.y", "line 1, entry 1"},
		{"UTF-16 little endian", "\xff\xfea\x00@\x00x\x00", "UTF-16"},
		{"UTF-16 big endian", "\xfe\xff\x00a\x00@\x00x", "UTF-16"},
		{"third entry of second line", "a@x.y\nb@x.y,c@x.y,d", "line 2, entry 3"},
		{"spaces between entries", "a@x.y b@x.y", "line 1, entry 1"},
		{"semicolons between entries", "a@x.y;b@x.y", "separated by commas"},
		{"semicolons with blanks round them", "a@x.y ; b@x.y", "not by semicolons"},
		{"semicolon before a wildcard", "a@x.y;*@x.y", "not by semicolons"},
		{"semicolon before a name", "a@x.y;upn:b@x.y", "not by semicolons"},
		{"semicolon between identifiers", "sid:S-1-5-21-1-2-3-500;sid:S-1-5-21-1-2-3-501", "not by semicolons"},
		{"semicolons in a long list", strings.Repeat("someone@contoso.com;", 20), "not by semicolons"},
		{"blanks between entries", "a@x.y b@x.y", "not by spaces"},
		{"tabs between entries", "a@x.y\tupn:b@x.y", "not by spaces"},
		{"old Mac line ends", "a@x.y\rb@x.y", "line 1, entry 1"},
		{"no-break space", "a@x.y\u00a0", "line 1, entry 1"},
		{"quotes", `"alice@contoso.com"`, "without quotes"},
		{"quote at the end", `alice@contoso.com"`, "without quotes"},
		{"display name", "Alice <alice@contoso.com>", "without a display name"},
		{"opening bracket alone", "<alice@contoso.com", "without a display name"},
		{"closing bracket alone", "alice@contoso.com>", "without a display name"},
		{"bare domain", "contoso.com", "line 1, entry 1"},
		{"domain with an at", "@contoso.com", "with the star"},
		{"star", "*", "line 1, entry 1"},
		{"star as domain", "alice@*", "line 1, entry 1"},
		{"star for everything", "*@*", "line 1, entry 1"},
		{"star in local part", "a*@contoso.com", "line 1, entry 1"},
		{"star for subdomains", "*@*.contoso.com", "line 1, entry 1"},
		{"wildcard with two ats", "*@a@contoso.com", "line 1, entry 1"},
		{"wildcard without domain", "*@", "line 1, entry 1"},
		{"wildcard upn", "upn:*@contoso.com", "line 1, entry 1"},
		{"upn without value", "upn:", "line 1, entry 1"},
		{"space after upn:", "upn: alice@contoso.com", "line 1, entry 1"},
		{"unknown prefix", "smtp:alice@contoso.com", "*@domain, upn:…, sid:… or guid:…"},
		{"sid as alias", "sid:BA", "line 1, entry 1"},
		{"sid without subauthority", "sid:S-1-5", "line 1, entry 1"},
		{"sid with empty part", "sid:S-1-5--1", "line 1, entry 1"},
		{"sid that ends in a hyphen", "sid:S-1-5-1-", "line 1, entry 1"},
		{"sid of another revision", "sid:S-2-5-1", "line 1, entry 1"},
		{"sid with leading zero", "sid:S-1-5-021", "line 1, entry 1"},
		{"sid in hexadecimal", "sid:S-1-0x5-21", "line 1, entry 1"},
		{"sid with a colon, the character after 9", "sid:S-1-5-2:", "line 1, entry 1"},
		{"sid with a slash, the character before 0", "sid:S-1-5-2/", "line 1, entry 1"},
		{"sid beyond 32 bits", "sid:S-1-5-4294967296", "line 1, entry 1"},
		{"sid beyond 48 bits", "sid:S-1-281474976710656-1", "line 1, entry 1"},
		{"sid with 16 subauthorities", "sid:S-1-5" + strings.Repeat("-1", 16), "line 1, entry 1"},
		{"sid with a long run of digits", "sid:S-1-5-" + strings.Repeat("1", 40), "line 1, entry 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			patterns, err := policy.ParsePatterns(test.text)
			if err == nil || patterns != nil {
				t.Fatalf("ParsePatterns(%q) = %q; want an error", test.text, patternTexts(patterns))
			}
			if !strings.Contains(err.Error(), test.where) {
				t.Errorf("error %q does not say %q", err, test.where)
			}
		})
	}
}

func TestParsePatternsReportsAllAtOnce(t *testing.T) {
	_, err := policy.ParsePatterns("canary1\ngood@x.y\n*,canary2@-\nupn:canary3")
	if err == nil {
		t.Fatal("no error")
	}
	for _, where := range []string{"line 1, entry 1", "line 3, entry 1", "line 3, entry 2", "line 4, entry 1"} {
		if !strings.Contains(err.Error(), where) {
			t.Errorf("error lacks %q:\n%v", where, err)
		}
	}
	if strings.Contains(err.Error(), "canary") {
		t.Errorf("error repeats the text of an entry:\n%v", err)
	}
}

func TestParsePatternsBoundsItsReport(t *testing.T) {
	_, err := policy.ParsePatterns(strings.Repeat("not an address\n", 5000))
	if err == nil || len(err.Error()) > 20_000 || !strings.Contains(err.Error(), "the rest was not read") {
		t.Errorf("want a bounded report that says so, got %.200q", err)
	}
}

// TestNumberOfProblems checks that the error of ParsePatterns reports at most
// 100 problems.
func TestNumberOfProblems(t *testing.T) {
	for n, want := range map[int]int{1: 1, 99: 99, 101: 100, 500: 100} {
		_, err := policy.ParsePatterns(strings.Repeat("x\n", n))
		if err == nil {
			t.Fatal("no error")
		}
		got := strings.Count(err.Error(), ", entry 1: ")
		if cut := strings.Contains(err.Error(), "the rest was not read"); got != want || cut != (n > 100) {
			t.Errorf("%d mistakes: %d are reported, the rest was not read: %v", n, got, cut)
		}
	}
}

// TestTextsOfEntries checks the error for each kind of malformed entry.
func TestTextsOfEntries(t *testing.T) {
	for entry, want := range map[string]string{
		"alice smith@contoso.com":         "an address contains a space or a control character",
		"alice smith":                     "an address contains a space or a control character",
		"a@x.y b@x.y":                     "entries are separated by commas or line breaks, not by spaces or tabs",
		"a@b@x.y":                         "an address has one @",
		"@x.y":                            "every address of a domain is written *@domain, with the star",
		"a@x.y@":                          "an address has one @",
		"guid:1":                          "a GUID is written 8-4-4-4-12, in hexadecimal digits",
		"sid:1":                           "a security identifier is written S-1-5-21-…, in decimal numbers",
		"*x@x.y":                          "a wildcard stands for a whole local part, as in *@domain, and for nothing else",
		"mailto:a@x.y":                    "an entry is an address, *@domain, upn:…, sid:… or guid:…",
		"guid:" + strings.Repeat("0", 36): "a GUID is written 8-4-4-4-12, in hexadecimal digits",
		"guid:00000000-0000-0000-0000-000000000000": "a GUID of zeros belongs to no mailbox",
	} {
		if _, err := policy.ParsePatterns(entry); err == nil || err.Error() != "line 1, entry 1: "+want {
			t.Errorf("%s: %v, want %s", entry, err, want)
		}
	}
}
