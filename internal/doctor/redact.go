package doctor

import (
	"slices"
	"strings"

	"hmaproxy/internal/lazyregexp"
	"hmaproxy/internal/printable"
)

const (
	maxText  = 900 // limit of one text of a Result, in characters
	redacted = "[redacted]"
)

// jwt matches what looks like a token or an assertion.
var jwt = lazyregexp.New(`eyJ[A-Za-z0-9_-]{8,}[A-Za-z0-9_.-]*`)

// A redactor removes secrets from Results. It is a second line of defence.
// Results consist of this module's own texts and of short values that should
// hold no secret. But some of these values come from outside, such as the
// reason in a response and the names in a certificate.
type redactor struct {
	secrets []string
}

func (d *redactor) add(secrets ...string) { d.secrets = append(d.secrets, secrets...) }

func (d *redactor) clean(r Result) Result {
	r.Detail, r.Cause = d.cleanText(r.Detail), d.cleanText(r.Cause)
	r.Repair, r.Warnings, r.Notes = d.cleanTexts(r.Repair), d.cleanTexts(r.Warnings), d.cleanTexts(r.Notes)
	return r
}

// cleanTexts returns a cleaned copy of a list.
func (d *redactor) cleanTexts(list []string) []string {
	list = slices.Clone(list)
	for i := range list {
		list[i] = d.cleanText(list[i])
	}
	return list
}

func (d *redactor) cleanText(s string) string {
	for _, secret := range d.secrets {
		if len(secret) >= 4 { // shorter values occur in ordinary words
			s = strings.ReplaceAll(s, secret, redacted)
		}
	}
	return printable.Short(jwt().ReplaceAllString(s, redacted), maxText)
}

// quote returns a value from outside in a form that is safe to print.
func quote(s string) string { return "“" + printable.Short(s, 300) + "”" }
