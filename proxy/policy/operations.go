package policy

import (
	"errors"
	"strings"

	"hmaproxy/proxy/ews"
)

// Operations says which operations may be called. The zero value is the
// default: all but those that escape a mailbox.
type Operations struct {
	named map[string]bool // by key
	lift  bool            // named ones come on top of the default
}

// IsZero reports whether o is the default.
func (o Operations) IsZero() bool { return o.named == nil }

// ParseOperations reads a list of operations, written like an allow-list.
//
//	+AddDelegate, +Subscribe:Push   the default and these two
//	GetFolder, FindItem, Subscribe  just these three
//
// Names are those of the schema in any letter case, with or without "Request"
// at their end. Subscribe:Push is a subscription for push notifications, and
// Subscribe alone never includes it; GetNonIndexableItem* is both operations
// that begin so.
//
// Mixing the two forms is an error, since it could be read in two ways, and so
// is to lift an operation that is not refused. All problems are reported at
// once, without the entries' text; a misspelt name with the nearest real one.
func ParseOperations(text string) (Operations, error) {
	known, escaping := operationKeys(operationNames), operationKeys(escapingOperations)
	o := Operations{named: make(map[string]bool)}
	lifts, plain := 0, 0
	err := eachEntry(text, func(entry string) string {
		name, lift := strings.CutPrefix(entry, "+")
		if lift {
			lifts++
		} else {
			plain++
		}
		return o.add(trim(name), lift, known, escaping)
	})
	if lifts > 0 && plain > 0 {
		err = errors.Join(err, errors.New("either all entries begin with + or none does"))
	}
	if err == nil && len(o.named) == 0 {
		err = errors.New("the list of operations has no entry")
	}
	if err != nil {
		return Operations{}, err
	}
	o.lift = lifts > 0
	return o, nil
}

// add takes a name in and returns what is wrong with it.
func (o Operations) add(name string, lift bool, known, escaping map[string]string) string {
	key := operationKey(nil, name, false)
	keys := []string{string(key)}
	if string(key) == escapingPrefix+"*" {
		keys = []string{escapingPrefix + "details", escapingPrefix + "statistics"}
	}
	for _, k := range keys {
		if _, ok := known[k]; !ok {
			return "no operation of that name; the nearest is " + nearest(k, known)
		}
		if _, ok := escaping[k]; lift && !ok {
			return "+ lifts an operation that is refused by default, and this one is not"
		}
		o.named[k] = true
	}
	return ""
}

// operationKey appends the key of an operation: its name in lower case without
// "request" at the end, and ":push" where it asks for push notifications.
//
// Exchange takes names as the schema has them. Should a version of it be less
// strict about letter case, then what it takes for AddDelegate is refused here
// nonetheless.
func operationKey(dst []byte, name string, push bool) []byte {
	const suffix = "request"
	name, form, _ := strings.Cut(name, ":")
	dst = appendLower(dst, name)
	if n := len(dst) - len(suffix); n > 0 && string(dst[n:]) == suffix {
		dst = dst[:n]
	}
	if form != "" {
		dst = appendLower(append(dst, ':'), form)
	}
	if push && string(dst) == "subscribe" {
		dst = append(dst, ":push"...)
	}
	return dst
}

// operationKeys returns the names of a list, by key.
func operationKeys(names string) map[string]string {
	keys := make(map[string]string)
	for _, name := range strings.Fields(names) {
		keys[string(operationKey(nil, name, false))] = name
	}
	return keys
}

// A rule is what a policy knows about an operation.
type rule struct {
	name    ews.Operation // as the schema has it, without "Request"
	allowed bool
}

// An operationTable judges operations by one look-up.
type operationTable struct {
	rules  map[string]rule // by key
	others bool            // names that are not in rules are allowed
}

func newOperationTable(o Operations) operationTable {
	escaping := operationKeys(escapingOperations)
	t := operationTable{
		rules:  make(map[string]rule),
		others: o.IsZero() || o.lift,
	}
	for key, name := range operationKeys(operationNames) {
		_, escapes := escaping[key]
		t.rules[key] = rule{ews.Operation(name), o.named[key] || t.others && !escapes}
	}
	return t
}

// maxOperation is more than the longest name has: what is longer is unknown.
const maxOperation = 64

// find returns the rule for a message's operation. One that is not known has
// the name ews.OtherOperation.
func (t operationTable) find(m *ews.Request) rule {
	other := rule{ews.OtherOperation, t.others && !hasPrefixFold(m.Operation, escapingPrefix)}
	if len(m.Operation) > maxOperation {
		return other
	}
	// the scanner looks for a push subscription in Subscribe as XML spells it
	// alone; in any other spelling it might be one
	push := m.Push || m.Operation != "Subscribe"
	var buf [maxOperation + len(":push")]byte
	if r, ok := t.rules[string(operationKey(buf[:0], m.Operation, push))]; ok {
		return r
	}
	return other
}
