package config

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"hmaproxy/internal/lazyregexp"
	"hmaproxy/proxy/policy"
)

// Bounds on the cost of bcrypt. Below MinCost the passwords of a stolen file are
// guessed quickly; above MaxCost one comparison takes seconds of CPU time.
const (
	MinCost = 10
	MaxCost = 15
)

// A ClientUser is a line of HMA_CLIENT_USERS_FILE.
type ClientUser struct {
	Name     string    // without blanks, colons and control characters
	Hash     Secret    // bcrypt hash of the password
	Patterns Mailboxes // further restriction of this user within the allow-list; nil: no further restriction
}

// Cost returns the cost of the user's hash, from MinCost to MaxCost.
func (u ClientUser) Cost() int {
	cost, _ := strconv.Atoi(u.Hash.Reveal()[4:6]) // the parser checked that these are digits
	return cost
}

// ClientUsers are the users of HMA_CLIENT_USERS_FILE. Names are unique.
type ClientUsers []ClientUser

// Equal reports whether u and other hold the same users in the same order.
func (u ClientUsers) Equal(other ClientUsers) bool {
	return slices.EqualFunc(u, other, func(a, b ClientUser) bool {
		return a.Name == b.Name && a.Hash == b.Hash && slices.Equal(a.Patterns, b.Patterns)
	})
}

// Patterns returns the patterns of all users together if every user has
// patterns. It returns nil if a user has no patterns, because that user may
// open other mailboxes.
func (u ClientUsers) Patterns() Mailboxes {
	var all Mailboxes
	for _, user := range u {
		if user.Patterns == nil {
			return nil
		}
		all = append(all, user.Patterns...)
	}
	return all
}

// ReadClientUsers reads the file of HMA_CLIENT_USERS_FILE, at start and for
// each reload. Each line is
//
//	name:bcrypt-hash [mailbox-pattern ...]
//
// with blanks between the parts. Lines that begin with "#" are comments. The
// text from a "#" that follows a blank is a comment too. A file without a user,
// a name that occurs twice, and a hash whose cost is out of bounds are errors.
// Errors hold line numbers, but neither the path nor any content of the file.
// unended reports that the last line has no line end: the file may be
// truncated.
func ReadClientUsers(readFile func(string) ([]byte, error), path Path) (users ClientUsers, unended bool, err error) {
	data, err := readContent(readFile, path)
	if err != nil {
		return nil, false, err
	}
	text, err := decode(data)
	if err != nil {
		return nil, false, flaw("names a file that " + err.Error())
	}
	users, err = parseUsers(string(text))
	if err != nil {
		return nil, false, flaw("names a file with faults: " + err.Error())
	}
	return users, !bytes.HasSuffix(data, []byte("\n")), nil
}

// maxFaults limits how many mistakes are reported about a users file or an
// allow-list. Text with more mistakes is probably something else.
const maxFaults = 20

func parseUsers(text string) (ClientUsers, error) {
	var users ClientUsers
	var faults []string
	line := map[string]int{} // line number of each name
	number := 0
	for s := range strings.Lines(text) {
		number++
		if s = strings.Trim(uncommented(s), space); s == "" {
			continue
		}
		user, problem := parseUser(s)
		if first := line[user.Name]; problem == "" && first > 0 {
			problem = fmt.Sprintf("has the name of line %d", first)
		}
		if problem != "" {
			faults = append(faults, fmt.Sprintf("line %d %s", number, problem))
		}
		if len(faults) == maxFaults {
			break
		}
		line[user.Name] = number
		users = append(users, user)
	}
	switch {
	case len(faults) > 0:
		return nil, flaw(strings.Join(faults, "; "))
	case len(users) == 0:
		return nil, flaw("there is no user in it")
	}
	return users, nil
}

// uncommented removes a comment from the end of a line.
func uncommented(line string) string {
	for i := range len(line) {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return line[:i]
		}
	}
	return line
}

// bcryptHash matches a bcrypt hash: version, cost, 22 characters of salt and 31
// characters of the digest.
var bcryptHash = lazyregexp.New(`^\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}$`)

func parseUser(line string) (u ClientUser, problem string) {
	name, rest, ok := strings.Cut(line, ":")
	hash, patterns, _ := strings.Cut(rest, " ")
	if tab := strings.IndexByte(hash, '\t'); tab >= 0 {
		hash, patterns, _ = strings.Cut(rest, "\t")
	}
	u.Name, u.Hash = name, Secret(hash)
	switch {
	case !ok:
		return ClientUser{}, "has no colon; expected name:bcrypt-hash"
	case !IsUserName(name):
		return ClientUser{}, "has no valid name before the colon; expected up to 256 characters without blanks"
	case !bcryptHash().MatchString(hash):
		return ClientUser{}, "has no bcrypt hash after the first colon; hmaproxy hash-password makes one"
	case u.Cost() < MinCost || u.Cost() > MaxCost:
		return ClientUser{}, fmt.Sprintf("has a hash of a cost that is not between %d and %d; hmaproxy hash-password makes another", MinCost, MaxCost)
	}
	u.Patterns, problem = parseUserPatterns(patterns)
	return u, problem
}

// IsUserName reports whether s can be a name in HMA_CLIENT_USERS_FILE. A colon ends
// the name, in HTTP's Basic scheme and in the file. Blanks separate the parts of a
// line in the file.
func IsUserName(s string) bool {
	return s != "" && len(s) <= 256 && s[0] != '#' && !strings.ContainsFunc(s, func(r rune) bool {
		return r == ':' || r == unicode.ReplacementChar || unicode.IsSpace(r) || !unicode.IsPrint(r)
	})
}

func parseUserPatterns(s string) (all Mailboxes, problem string) {
	for i, field := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' }) {
		patterns, err := policy.ParsePatterns(field)
		if err != nil {
			_, text, _ := strings.Cut(err.Error(), ": ") // drop the line and entry numbers, which package policy counts within its own input
			return nil, strings.TrimSuffix(fmt.Sprintf("has a faulty mailbox pattern %d: %s", i+1, firstLine(text)), ": ")
		}
		for _, p := range patterns {
			if problem := entryMistake(p); problem != "" {
				return nil, fmt.Sprintf("has a faulty mailbox pattern %d: it %s", i+1, problem)
			}
		}
		all = append(all, patterns...)
	}
	return all, ""
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}
