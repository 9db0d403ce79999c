package config

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
)

// ParseEnvFile parses the content of a file in the grammar of Docker's
// --env-file and returns its entries "NAME=value":
//
//   - White space before a line is dropped, empty lines and lines that begin
//     with # are skipped.
//   - NAME=value sets a variable. The value is all that follows the first "=";
//     quotes, # and white space are part of it.
//   - NAME alone takes the variable from the environment. It yields no entry:
//     the environment wins over the file anyway.
//
// A UTF-8 byte order mark is skipped and UTF-16 refused. A name with white
// space in it is an error, as with Docker. So is a name that the file sets
// twice, where Docker lets the last line win: of two allow-lists neither is
// obviously the one that was meant.
//
// The error lists every faulty line by number and holds nothing of the file.
func ParseEnvFile(data []byte) ([]string, error) {
	text, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("environment file %v", err)
	}
	p := envFile{lineOf: map[string]int{}}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		p.line(number, strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r"))
	}
	if len(p.faults) > 0 {
		return nil, flaw(strings.Join(p.faults, "\n"))
	}
	return p.entries, nil
}

type envFile struct {
	entries []string
	lineOf  map[string]int // where a name was set
	faults  []string
}

func (p *envFile) line(number int, line string) {
	line = strings.TrimLeftFunc(line, unicode.IsSpace)
	if line == "" || line[0] == '#' {
		return
	}
	name, _, isSet := strings.Cut(line, "=")
	switch {
	case name == "":
		p.fault(number, "has no name before the =")
	case strings.ContainsFunc(name, unicode.IsSpace):
		p.fault(number, "has white space in the name; expected NAME=value")
	case isSet && p.lineOf[name] > 0:
		p.fault(number, fmt.Sprintf("sets a variable that line %d has set already", p.lineOf[name]))
	case isSet:
		p.lineOf[name] = number
		p.entries = append(p.entries, line)
	}
}

func (p *envFile) fault(number int, text string) {
	p.faults = append(p.faults, fmt.Sprintf("environment file line %d %s", number, text))
}
