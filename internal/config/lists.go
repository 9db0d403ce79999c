package config

import (
	"fmt"
	"slices"
	"strings"

	"hmaproxy/internal/lazyregexp"
	"hmaproxy/proxy/policy"
)

// space holds the characters that are trimmed from values and entries.
const space = " \t\r\n"

// parseList parses a comma-separated list. The function "one" parses an entry.
// parseList refuses empty entries, because an entry may have been lost between
// two commas, and drops repeated entries. The error has the number of every faulty
// entry.
func parseList[T comparable](text []byte, list *[]T, one func(string) (T, error)) error {
	var parsed []T
	var faults []string
	for i, entry := range strings.Split(string(text), ",") {
		entry = strings.Trim(entry, space)
		if entry == "" {
			faults = append(faults, fmt.Sprintf("entry %d is empty", i+1))
		} else if value, err := one(entry); err != nil {
			faults = append(faults, fmt.Sprintf("entry %d %v", i+1, err))
		} else if !slices.Contains(parsed, value) {
			parsed = append(parsed, value)
		}
	}
	if len(faults) > 0 {
		return flaw(strings.Join(faults, "; "))
	}
	*list = parsed
	return nil
}

// Mailboxes are entries of an allow-list. In a Config they are nil or not empty.
type Mailboxes []policy.Pattern

// UnmarshalText parses the list with [policy.ParsePatterns]. It refuses valid
// entries that are probably mistakes, see [entryMistake].
func (m *Mailboxes) UnmarshalText(text []byte) error {
	if hasStar(string(text)) {
		return flaw("has an entry *; to permit every mailbox set HMA_ALLOWED_MAILBOXES to * alone, without other entries or comments and without a list file")
	}
	patterns, err := policy.ParsePatterns(string(text))
	if err != nil {
		return fromPolicy("is not a valid list", err)
	}
	if len(patterns) == 0 {
		return flaw("has no entry; an allow-list that is set must not be empty")
	}
	var faults []string
	for i, p := range patterns {
		if problem := entryMistake(p); problem != "" && len(faults) < maxFaults {
			faults = append(faults, fmt.Sprintf("entry %d of all %s", i+1, problem))
		}
	}
	if len(faults) > 0 {
		return flaw("is not a valid list: " + strings.Join(faults, "; "))
	}
	*m = patterns
	return nil
}

// entryMistake returns why an entry with a valid address is probably a mistake,
// "" if nothing indicates one. For example, !ceo@contoso.com matches no
// mailbox, and next to *@contoso.com it excludes no mailbox. The text contains
// no part of the entry.
func entryMistake(p policy.Pattern) string {
	local, _, isAddress := strings.Cut(strings.TrimPrefix(p.String(), "upn:"), "@")
	switch {
	case !isAddress || local == "*":
		return ""
	case strings.Contains(local, "="):
		return "has a = in it; expected the address alone, or with upn: before it"
	case unexpanded().MatchString(local):
		return "has the name of a variable in it, and nothing is expanded here; expected the address itself"
	case strings.ContainsAny(local[:1], "!-^~"):
		return "begins like an exception, and there are none; expected the addresses that are allowed, and no others"
	case !entryStart().MatchString(local):
		return "begins with a character other than a letter, a digit, _ and $; expected the address alone"
	}
	return ""
}

var (
	unexpanded = lazyregexp.New(`^\$[A-Z_]+$|\$\{|\{\{`)
	entryStart = lazyregexp.New(`^[A-Za-z0-9_$]`)
)

// hasStar reports whether one of the entries is "*".
func hasStar(text string) bool {
	for line := range strings.Lines(text) {
		for entry := range strings.SplitSeq(uncommented(line), ",") {
			if strings.Trim(entry, space) == everyMailbox {
				return true
			}
		}
	}
	return false
}

// Operations are the EWS operations that clients may call.
type Operations struct{ policy.Operations }

// UnmarshalText parses the list with [policy.ParseOperations].
func (o *Operations) UnmarshalText(text []byte) error {
	operations, err := policy.ParseOperations(string(text))
	if err != nil {
		return fromPolicy("is not a valid list", err)
	}
	o.Operations = operations
	return nil
}

// An Address is the address of one mailbox in the product's strict grammar.
type Address string

// UnmarshalText parses the address with [policy.ParseAddress].
func (a *Address) UnmarshalText(text []byte) error {
	address, err := policy.ParseAddress(string(text))
	if err != nil {
		return fromPolicy("is not a mail address", err)
	}
	*a = Address(address)
	return nil
}

// Addresses is a list of mail addresses. It is nil or not empty.
type Addresses []Address

// UnmarshalText parses a comma-separated list.
func (a *Addresses) UnmarshalText(text []byte) error {
	return parseList(text, (*[]Address)(a), func(entry string) (Address, error) {
		var address Address
		err := address.UnmarshalText([]byte(entry))
		return address, err
	})
}

// fromPolicy turns an error of package policy into one line. Errors of that
// package never hold input.
func fromPolicy(what string, err error) error {
	return flaw(what + ": " + strings.ReplaceAll(err.Error(), "\n", "; "))
}
