package policy

import (
	"errors"
	"strings"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/internal/ascii"
)

// Operations says which operations may be called. The zero value is the
// default: all but those that act beyond the impersonated mailbox.
type Operations struct {
	named map[string]bool // by key
	lift  bool            // the named operations are allowed in addition to the default
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
// A mix of the two forms is an error because it has two meanings. To lift an
// operation that is not refused is an error too. The error reports all problems
// together, without the entries' text; for a misspelt name it gives the nearest
// known one.
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

// add adds an entry and returns what is wrong with it.
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
// Exchange accepts names in the schema's letter case only. The key ignores case,
// so that a version of Exchange that is less strict cannot be used to call a
// refused operation.
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

// operationKeys returns the names in a list, by key.
func operationKeys(names string) map[string]string {
	keys := make(map[string]string)
	for _, name := range strings.Fields(names) {
		keys[string(operationKey(nil, name, false))] = name
	}
	return keys
}

// A rule is a policy's rule for one operation.
type rule struct {
	name    ews.Operation // as the schema has it, without "Request"
	allowed bool
}

// An operationTable has the rules for all known operations.
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

// maxOperation is longer than any known name.
const maxOperation = 64

// find returns the rule for a request's operation. For an unknown operation its
// name is ews.OtherOperation.
func (t operationTable) find(r *ews.Request) rule {
	other := rule{ews.OtherOperation, t.others && !ascii.HasPrefixFold(r.Operation, escapingPrefix)}
	if len(r.Operation) > maxOperation {
		return other
	}
	// The scanner looks for a push subscription only in an element that is
	// spelt Subscribe. Any other spelling could be one.
	push := r.Push || r.Operation != "Subscribe"
	var buf [maxOperation + len(":push")]byte
	if known, ok := t.rules[string(operationKey(buf[:0], r.Operation, push))]; ok {
		return known
	}
	return other
}
