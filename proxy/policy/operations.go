package policy

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"hmaproxy/internal/ascii"
	"hmaproxy/internal/nearest"
	"hmaproxy/proxy/ews"
)

// Operations says which operations may be called. The zero value is the
// default: the known operations, except refusedOperations.
type Operations struct {
	named map[string]bool // the named operations, by operationKey
	lift  bool            // the named operations are allowed in addition to the default
	other []string        // named operations that no schema has, as written
}

// IsZero reports whether o is the default.
func (o Operations) IsZero() bool { return o.named == nil }

// Unknown returns the named operations that no schema has, as they are written in
// the list. They are allowed; a caller may want to warn about them.
func (o Operations) Unknown() []string { return slices.Clone(o.other) }

// ParseOperations reads a list of operations, written like an allow-list.
//
//	+AddDelegate, +Subscribe:Push   the default set and these two
//	GetFolder, FindItem, Subscribe  only these three
//	@read, UpdateItem               only the preset and this one
//
// Names are the schema's names in any letter case, with or without "Request" at
// the end. Subscribe:Push is a subscription for push notifications, which
// Subscribe does not include. GetNonIndexableItem* is short for the two
// operations with that prefix. The preset @read has operations that change
// nothing. The preset @send has the operations that compose and send a message.
//
// A name that is in no schema is accepted, because it may be an operation of a
// newer Exchange. A name so close to a known name that it is probably misspelt
// is an error.
//
// Mixing entries with and without "+" is an error because the meaning would be
// unclear. If an entry with "+" names a known operation that is not refused by
// default, this is an error too. The error reports all problems together, without
// the entries' text. For a misspelt name it contains the nearest known name.
func ParseOperations(text string) (Operations, error) {
	parser := operationParser{
		Operations: Operations{named: make(map[string]bool)},
		known:      operationKeys(knownOperations),
		refused:    operationKeys(refusedOperations),
	}
	lifts, plain := 0, 0
	err := eachEntry(text, func(entry string) string {
		name, lift := strings.CutPrefix(entry, "+")
		if lift {
			lifts++
			return parser.lift(trim(name))
		}
		plain++
		return parser.name(entry)
	})
	if lifts > 0 && plain > 0 {
		err = errors.Join(err, errors.New("either all entries begin with + or none does"))
	}
	if err == nil && len(parser.named) == 0 {
		err = errors.New("the list of operations has no entry")
	}
	if err != nil {
		return Operations{}, err
	}
	parser.Operations.lift = lifts > 0
	return parser.Operations, nil
}

// An operationParser collects the entries of a list of operations.
type operationParser struct {
	Operations
	known, refused map[string]string // names by operationKey
}

// lift adds an entry that began with "+". It returns what is wrong with the
// entry, or "".
func (p *operationParser) lift(name string) string {
	if strings.HasPrefix(name, "@") {
		return "+ lifts single operations; a preset is written without it"
	}
	for _, key := range entryKeys(name) {
		_, known := p.known[key]
		if _, refused := p.refused[key]; known && !refused {
			return "+ lifts an operation that is refused by default, and this one is not"
		}
	}
	return p.name(name)
}

// name adds the operation or the preset that an entry names. It returns what is
// wrong with the entry, or "".
func (p *operationParser) name(name string) string {
	if strings.HasPrefix(name, "@") {
		return p.preset(name)
	}
	for _, key := range entryKeys(name) {
		if _, known := p.known[key]; !known {
			if problem := p.unknownProblem(name, key); problem != "" {
				return problem
			}
			p.other = append(p.other, name)
		}
		p.named[key] = true
	}
	return ""
}

// preset adds the operations of the preset with the given name. It returns "", or
// what is wrong with the name.
func (p *operationParser) preset(name string) string {
	for _, preset := range presets {
		if ascii.EqualFold(name, preset.name) {
			for key := range operationKeys(preset.operations) {
				p.named[key] = true
			}
			return ""
		}
	}
	return "no preset of that name; the presets are @read and @send"
}

// misspelling is the largest edit distance from a known name at which a name
// counts as misspelt.
const misspelling = 2

// unknownProblem returns what is wrong with a name that no schema has, or "" if
// the name is accepted.
func (p *operationParser) unknownProblem(name, key string) string {
	key, distance := nearest.Of(key[:min(len(key), maxOperation)], slices.Values(slices.Sorted(maps.Keys(p.known))))
	if isOperationName(name) && distance > misspelling {
		return ""
	}
	return "no operation of that name; the nearest is " + p.known[key]
}

// isOperationName reports whether s has the form of the names in the schema.
func isOperationName(s string) bool {
	if s == "" || len(s) > maxOperation {
		return false
	}
	for i := range len(s) {
		if !ascii.IsAlnum(s[i]) {
			return false
		}
	}
	return s[0] > '9'
}

// entryKeys returns the operationKeys of the operations that an entry names. name
// is the entry without its "+".
func entryKeys(name string) []string {
	key := string(operationKey(nil, name, false))
	if key == "getnonindexableitem*" {
		return []string{"getnonindexableitemdetails", "getnonindexableitemstatistics"}
	}
	return []string{key}
}

// operationKey appends the key of an operation to dst. The key is the name in
// lower case, without "request" at the end. The key of a subscription to push
// notifications also ends with ":push".
//
// Exchange accepts names in the schema's letter case only. The key ignores
// case, so that a client cannot use another spelling to call a refused
// operation on a version of Exchange that is less strict.
func operationKey(dst []byte, name string, push bool) []byte {
	const suffix = "request"
	name, form, _ := strings.Cut(name, ":")
	dst = ascii.AppendLower(dst, name)
	if n := len(dst) - len(suffix); n > 0 && string(dst[n:]) == suffix {
		dst = dst[:n]
	}
	if form != "" {
		dst = ascii.AppendLower(append(dst, ':'), form)
	}
	if push && string(dst) == "subscribe" {
		dst = append(dst, ":push"...)
	}
	return dst
}

// operationKeys maps the operationKey of each name in names to the name. White
// space separates the names.
func operationKeys(names string) map[string]string {
	keys := make(map[string]string)
	for _, name := range strings.Fields(names) {
		keys[string(operationKey(nil, name, false))] = name
	}
	return keys
}

// A rule says whether an operation is allowed, and which name the operation has
// in a Decision.
type rule struct {
	name    ews.Operation
	allowed bool
}

// An operationTable has the rules for all known operations and for all
// operations that the configuration names. Every other operation is refused.
type operationTable map[string]rule // by operationKey

func newOperationTable(o Operations) operationTable {
	t := make(operationTable)
	for key := range o.named {
		t[key] = rule{ews.OtherOperation, true}
	}
	refused := operationKeys(refusedOperations)
	byDefault := o.IsZero() || o.lift
	for key, name := range operationKeys(knownOperations) {
		_, isRefused := refused[key]
		t[key] = rule{ews.Operation(name), o.named[key] || byDefault && !isRefused}
	}
	return t
}

// maxOperation is greater than the length of any known name. A longer name is
// refused in a list. A longer name in a request counts as ews.OtherOperation.
const maxOperation = 64

// find returns the rule for a request's operation. For an unknown operation the
// name in the rule is ews.OtherOperation.
func (t operationTable) find(r *ews.Request) rule {
	if len(r.Operation) > maxOperation {
		return rule{name: ews.OtherOperation}
	}
	// The scanner recognises a push subscription only in an element with
	// exactly the name Subscribe. Therefore any other spelling counts as a push
	// subscription.
	push := r.Push || r.Operation != "Subscribe"
	var buf [maxOperation + len(":push")]byte
	if known, ok := t[string(operationKey(buf[:0], r.Operation, push))]; ok {
		return known
	}
	return rule{name: ews.OtherOperation}
}
