// Package graphmap maps EWS operations to the corresponding APIs of Microsoft
// Graph, from a list by Microsoft.
package graphmap

import (
	_ "embed" // for the list in mapping.tsv
	"fmt"
	"strings"
)

//go:embed mapping.tsv
var mapping string

// apiPages is the common prefix of the URLs in the list.
const apiPages = "https://learn.microsoft.com/graph/api/"

// Caveats returns notes for readers of the list. Each note is one sentence.
func Caveats() []string {
	return []string{
		"Microsoft Graph reaches mailboxes in Exchange Online only: a mailbox on premises must be moved there first.",
		"The list names the mail API. Calendar events, contacts and tasks have APIs of their own, and the log does not say what an item is.",
		"A counterpart is not a replacement: properties, limits and permissions differ. No counterpart in the list does not prove that there is none.",
	}
}

// An API is an API of Microsoft Graph that corresponds to an operation.
type API struct {
	Title     string // "Get message"
	Page      string // URL of its reference documentation
	Condition string // condition under which the API corresponds to the operation; "" means no condition
}

// A Source is the origin of the list.
type Source struct {
	Title, URL, Repository, Commit string
	Read                           string // date on which the list was read
}

// A Map maps EWS operations to APIs.
type Map struct {
	Source     Source
	operations map[string][]API
}

// Load returns the embedded list.
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

// set sets a field of s from a comment of the form "key<tab>value". It ignores
// other comments.
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

// APIs returns the APIs for an operation, named as in the schema, or for
// "Subscribe:Push". It returns nil if Microsoft lists no API.
func (m *Map) APIs(operation string) []API { return m.operations[operation] }

// Operations calls yield with the operations of the list, in any order.
func (m *Map) Operations(yield func(string) bool) {
	for name := range m.operations {
		if !yield(name) {
			return
		}
	}
}
