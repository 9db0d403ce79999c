// Package graphmap knows which API of Microsoft Graph is the counterpart of an EWS
// operation, by Microsoft's own list.
package graphmap

import (
	_ "embed" // the list
	"fmt"
	"strings"
)

//go:embed mapping.tsv
var mapping string

// apiPages is what the pages of the list are below.
const apiPages = "https://learn.microsoft.com/graph/api/"

// Caveats are what a reader of the list must know, each a sentence.
func Caveats() []string {
	return []string{
		"Microsoft Graph reaches mailboxes in Exchange Online only: a mailbox on premises must be moved there first.",
		"The list names the mail API. Calendar events, contacts and tasks have APIs of their own, and the log does not say what an item is.",
		"A counterpart is not a replacement: properties, limits and permissions differ. No counterpart in the list does not prove that there is none.",
	}
}

// An API is a counterpart.
type API struct {
	Title     string // "Get message"
	Page      string // URL of its reference
	Condition string // under which it is the counterpart, "" for none
}

// A Source says where the list comes from.
type Source struct {
	Title, URL, Repository, Commit string
	Read                           string // when it was read, a date
}

// A Map is the list.
type Map struct {
	Source     Source
	operations map[string][]API
}

// Load returns the list that is in the program.
func Load() (*Map, error) { return parse(mapping) }

func parse(text string) (*Map, error) {
	m := &Map{operations: make(map[string][]API)}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSuffix(line, "\n")
		if comment, ok := strings.CutPrefix(line, "# "); ok || line == "#" {
			m.Source.set(comment)
			continue
		}
		fields := strings.Split(line, "\t")
		if len(fields) != 4 || fields[0] == "" || fields[1] == "" || fields[2] == "" {
			return nil, fmt.Errorf("graphmap: line %d does not have an operation, an API, a page and a condition", number)
		}
		m.operations[fields[0]] = append(m.operations[fields[0]], API{fields[1], apiPages + fields[2], fields[3]})
	}
	if m.Source.URL == "" || m.Source.Read == "" || len(m.operations) == 0 {
		return nil, fmt.Errorf("graphmap: the list does not say where it comes from, or is empty")
	}
	return m, nil
}

// set takes a comment of the form "key<tab>value".
func (s *Source) set(comment string) {
	key, value, _ := strings.Cut(comment, "\t")
	switch key {
	case "source":
		s.Title = value
	case "url":
		s.URL = value
	case "repository":
		s.Repository = value
	case "commit":
		s.Commit = value
	case "read":
		s.Read = value
	}
}

// APIs returns the counterparts of an operation, named as the schema names it, or
// "Subscribe:Push". It returns nil if Microsoft lists none.
func (m *Map) APIs(operation string) []API { return m.operations[operation] }

// Operations calls yield with the operations of the list, in any order.
func (m *Map) Operations(yield func(string) bool) {
	for name := range m.operations {
		if !yield(name) {
			return
		}
	}
}
