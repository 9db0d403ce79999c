package doctor

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

const (
	maxText  = 900
	redacted = "[redacted]"
)

// jwt finds what looks like a token or an assertion.
var jwt = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}[A-Za-z0-9_.-]*`)

// clean is the second net. Results are made of this module's own words and of
// short values, none of which should ever hold a secret; what a service put
// into a reason or a certificate's name is not this module's, though.
func (x *examination) clean(r Result) Result {
	r.Detail, r.Cause = x.cleanText(r.Detail), x.cleanText(r.Cause)
	r.Repair, r.Notes = slices.Clone(r.Repair), slices.Clone(r.Notes)
	for _, list := range [][]string{r.Repair, r.Notes} {
		for i := range list {
			list[i] = x.cleanText(list[i])
		}
	}
	return r
}

func (x *examination) cleanText(s string) string {
	for _, secret := range x.secrets {
		if len(secret) >= 4 { // shorter ones are parts of ordinary words
			s = strings.ReplaceAll(s, secret, redacted)
		}
	}
	return printable(jwt.ReplaceAllString(s, redacted), maxText)
}

// printable keeps what a terminal's line can hold, at most limit bytes of it.
func printable(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

// quote shows a value that came from outside.
func quote(s string) string { return "“" + printable(s, 300) + "”" }
