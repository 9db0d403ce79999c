package config

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"

	"hmaproxy/internal/lazyregexp"
)

// ParseEnvFile parses the content of a -env-file and returns its entries
// "NAME=value". A line is one of
//
//   - a blank line, or a comment, which begins with "#";
//   - NAME=value, with a name of ASCII letters, digits and underscores that does
//     not begin with a digit. The value is all that follows the first "=": quotes,
//     "#" and white space are part of it;
//   - NAME alone, which takes the value from environ, the environment of the
//     process. It yields no entry, because the environment wins over the file.
//
// Spaces and tabs may stand before each line, and "export" before a name. Every
// other line is an error, because a setting that was meant and not understood
// may be the allow-list. For the same reason these are errors: a bare NAME that
// environ does not have; a name that the file sets twice; the name of a setting
// without its prefix HMA_ or with another prefix; a name that Kubernetes gives
// to a service (HMA_SERVICE_HOST); a value that is or contains a setting
// (Environment=HMA_APP_ID=…, TZ=UTC HMA_APP_ID=…); and control characters, some
// of which look like the end of a line. A UTF-8 byte order mark at the
// beginning is skipped and UTF-16 is refused.
//
// The error lists every faulty line by number. It shows names of settings, and no
// other content of the file.
func ParseEnvFile(data []byte, environ []string) ([]string, error) {
	text, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("environment file %v", err)
	}
	p := envFile{
		names:   variables(),
		environ: split(environ),
		lineOf:  map[string]int{},
	}
	for line := range bytes.Lines(text) {
		p.number++
		p.line(strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r"))
	}
	if len(p.faults) > 0 {
		return nil, flaw(strings.Join(p.faults, "\n"))
	}
	return p.entries, nil
}

// An envFile is the state of one call of ParseEnvFile.
type envFile struct {
	names   settingNames
	environ map[string]string
	number  int // number of the current line
	entries []string
	lineOf  map[string]int // number of the line that set a name
	faults  []string
}

var (
	// assignment matches a line that sets a variable or holds only its name.
	assignment = lazyregexp.New(`^(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)(=.*)?$`)

	// otherSyntax matches the beginning of lines that set a variable in the
	// syntax of other programs.
	otherSyntax = lazyregexp.New(`(?i)^(export|set|setx|setenv|env|declare|typeset|readonly|local|let|var|rem|-e|--env|-)[ \t=]`)
)

func (p *envFile) line(line string) {
	if i := strings.IndexFunc(line, isHiddenBreak); i >= 0 {
		p.fault("holds a control character or another kind of line break, behind which the rest of the line is easily overlooked", line)
		return
	}
	line = strings.TrimLeft(line, " \t")
	if line == "" || line[0] == '#' {
		return
	}
	match := assignment().FindStringSubmatch(line)
	if match == nil {
		p.fault(reasonFor(line), line)
		return
	}
	name, value, isSet := match[1], strings.TrimPrefix(match[2], "="), match[2] != ""
	if isSet {
		p.set(name, value)
	} else if _, ok := p.environ[name]; !ok {
		p.fault("is a name without a value, and the environment has none for it", name)
	}
}

func (p *envFile) set(name, value string) {
	bare, inner := p.names.inEnvFile(fold(name)), p.names.within(value)
	switch {
	case bare != "":
		p.report("has a name that stands for a setting and does not begin with HMA_; write " + bare + "=value")
	case serviceLink().MatchString(name):
		p.report("has a name that Kubernetes gives to a service and this program ignores; for the address that clients connect to write HMA_LISTEN=value")
	case inner != "":
		p.report("holds a whole setting in its value; write " + inner + "=value on a line of its own")
	case p.lineOf[name] > 0:
		p.report(fmt.Sprintf("sets a variable that line %d has set already", p.lineOf[name]))
	default:
		p.lineOf[name] = p.number
		p.entries = append(p.entries, name+"="+value)
	}
}

// fault reports a line that cannot be parsed, and what to write instead.
func (p *envFile) fault(reason, line string) {
	repair := "expected NAME=value with a name of letters, digits and underscores, or a comment that begins with #"
	if setting := p.names.settingIn(line); setting != "" {
		repair = "write " + setting + "=value"
	}
	p.report(reason + "; " + repair)
}

func (p *envFile) report(text string) {
	p.faults = append(p.faults, fmt.Sprintf("environment file line %d %s", p.number, text))
}

// reasonFor says why a line cannot be parsed.
func reasonFor(line string) string {
	before, _, isSet := strings.Cut(line, "=")
	switch {
	case strings.ContainsFunc(before, func(r rune) bool { return !unicode.IsPrint(r) && r != '\t' }):
		return "holds a character that is not seen (a zero-width or no-break space, a byte order mark)"
	case strings.HasPrefix(line, "="):
		return "has no name before the ="
	case strings.HasPrefix(line, ";"), strings.HasPrefix(line, "//"), strings.HasPrefix(line, "＃"):
		return "begins as a comment does elsewhere; comments begin with #"
	case strings.ContainsAny(line[:1], "\"'`"), strings.HasPrefix(line, "“"), strings.HasPrefix(line, "„"):
		return "begins with a quotation mark"
	case strings.HasPrefix(line, "$"), strings.HasPrefix(line, "%"), otherSyntax().MatchString(line):
		return "has the form of another program or shell"
	case isSet && strings.ContainsAny(before, " \t"):
		return "has white space in the name"
	case !isSet:
		return "has no ="
	}
	return "has a name with other characters than letters, digits and underscores"
}

// isHiddenBreak reports whether some programs treat a character within a line
// as the end of the line. Such a character in a comment would make the setting
// after the character invisible.
func isHiddenBreak(r rune) bool {
	return unicode.IsControl(r) && r != '\t' || r == '\u2028' || r == '\u2029'
}
