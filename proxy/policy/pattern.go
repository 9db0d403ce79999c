package policy

import (
	"errors"
	"fmt"
	"strings"

	"hmaproxy/internal/ascii"
	"hmaproxy/proxy/ews"
)

// A Pattern is one entry of an allow-list. ParsePatterns makes Patterns. The zero
// Pattern matches nothing.
type Pattern struct {
	form  form
	value string // the entry without its prefix, as written; but a SID begins with "S", and a GUID is in lower case
}

// A form is the kind of name that a pattern matches.
type form uint8

const (
	noForm       form = iota
	smtpForm          // alice@contoso.com
	wildcardForm      // *@contoso.com
	upnForm           // upn:alice@contoso.com
	sidForm           // sid:S-1-5-21-…
	guidForm          // guid:01234567-89ab-…
)

// Prefixes of entries, by form.
const (
	wildcardPrefix = "*@"
	upnPrefix      = "upn:"
	sidPrefix      = "sid:"
	guidPrefix     = "guid:"
)

// maxProblems limits the number of reported problems, because a file may contain
// something other than a list.
const maxProblems = 100

// String returns the pattern in the form that ParsePatterns reads.
func (p Pattern) String() string {
	return [...]string{"", "", wildcardPrefix, upnPrefix, sidPrefix, guidPrefix}[p.form] + p.value
}

// ParsePatterns reads an allow-list. Entries are separated by commas or lines.
// Spaces and tabs around an entry are ignored. A "#" at the start of an entry,
// or after a space or tab, begins a comment that ends with the line. One UTF-8
// byte order mark at the start is accepted.
//
//	alice@contoso.com       an SMTP address, in the grammar of ParseAddress
//	*@contoso.com           every SMTP address of this domain, not of its subdomains
//	upn:alice@contoso.com   a user principal name
//	sid:S-1-5-21-1-2-3-500  a security identifier
//	guid:01234567-89ab-cdef-0123-456789abcdef
//	                        the ExchangeGuid or ArchiveGuid of a mailbox, for ids in a Body
//
// The error reports all problems together, but at most 100, by line and entry and
// without the entry's text. A text without any entry is an error: an empty list
// must never mean every mailbox.
func ParsePatterns(text string) ([]Pattern, error) {
	var patterns []Pattern
	err := eachEntry(text, func(entry string) string {
		pattern, problem := parsePattern(entry)
		patterns = append(patterns, pattern)
		return problem
	})
	if err != nil {
		return nil, err
	}
	if len(patterns) == 0 {
		return nil, errors.New("the list has no entry")
	}
	return patterns, nil
}

// eachEntry calls parse for every entry of text and joins the problems that parse
// returns. It stops after maxProblems.
func eachEntry(text string, parse func(entry string) (problem string)) error {
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		return errors.New("the text is UTF-16: save it as UTF-8")
	}
	var problems []error
	for i, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
		for j, entry := range strings.Split(stripComment(line), ",") {
			if entry = trim(entry); entry == "" {
				continue
			}
			if problem := parse(entry); problem != "" {
				problems = append(problems, fmt.Errorf("line %d, entry %d: %s", i+1, j+1, problem))
			}
			if len(problems) == maxProblems {
				return errors.Join(append(problems, errors.New("the rest was not read"))...)
			}
		}
	}
	return errors.Join(problems...)
}

// stripComment returns a line without its comment. Inside an entry "#" is an
// ordinary character: addresses may contain it.
func stripComment(line string) string {
	open := true
	for i := range len(line) {
		if line[i] == '#' && open {
			return line[:i]
		}
		open = line[i] == ',' || isBlank(line[i])
	}
	return line
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

func trim(s string) string {
	for s != "" && isBlank(s[0]) {
		s = s[1:]
	}
	for s != "" && isBlank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func parsePattern(entry string) (Pattern, string) {
	if problem := formProblem(entry); problem != "" {
		return Pattern{}, problem
	}
	if domain, ok := strings.CutPrefix(entry, wildcardPrefix); ok {
		return Pattern{wildcardForm, domain}, addressProblem("x@" + domain)
	}
	if upn, ok := ascii.CutPrefixFold(entry, upnPrefix); ok {
		return Pattern{upnForm, upn}, addressProblem(upn)
	}
	if sid, ok := ascii.CutPrefixFold(entry, sidPrefix); ok {
		if problem := sidProblem(sid); problem != "" {
			return Pattern{}, problem
		}
		return Pattern{sidForm, "S" + sid[1:]}, ""
	}
	if guid, ok := ascii.CutPrefixFold(entry, guidPrefix); ok {
		g, err := ews.ParseGUID(guid)
		switch {
		case err != nil:
			return Pattern{}, err.Error()
		case g == ews.GUID{}:
			return Pattern{}, "a GUID of zeros belongs to no mailbox"
		}
		return Pattern{guidForm, g.String()}, ""
	}
	if strings.Contains(entry, "*") {
		return Pattern{}, "a wildcard stands for a whole local part, as in *@domain, and for nothing else"
	}
	if strings.Contains(entry, ":") {
		return Pattern{}, "an entry is an address, *@domain, upn:…, sid:… or guid:…"
	}
	return Pattern{smtpForm, entry}, addressProblem(entry)
}

// formProblem returns what is wrong with text that is not an entry but is often
// used as one, or "". Examples are several addresses in one entry, an address
// with its display name, and an address in quotes.
func formProblem(entry string) string {
	switch {
	case strings.Contains(entry, ";"):
		return "entries are separated by commas or line breaks, not by semicolons"
	case strings.ContainsAny(entry, "<>"):
		return "an address is expected alone, without a display name and without < and >"
	case strings.Contains(entry, `"`):
		return "an entry is expected without quotes"
	case strings.ContainsAny(entry, " \t") && strings.Count(entry, "@") > 1:
		return "entries are separated by commas or line breaks, not by spaces or tabs"
	case entry[0] == '@':
		return "every address of a domain is written *@domain, with the star"
	}
	return ""
}
