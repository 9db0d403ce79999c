package soap

import (
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

// A schema is Microsoft's description of EWS, from messages.xsd and types.xsd.
// Names are prefixed with m: or t:.
type schema struct {
	types    map[string]*xsdNode // complex and simple types
	elements map[string]*xsdNode
	groups   map[string]*xsdNode
	subtypes map[string][]string
}

// An xsdNode is an element of a schema document.
type xsdNode struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Kids    []*xsdNode `xml:",any"`
	prefix  string     // prefix of the document's own names, "m" or "t"
}

func (n *xsdNode) attr(name string) string {
	for _, a := range n.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// qualified returns a name that n mentions, with its prefix: m:, t: or xs:. A name
// of the document that contains n has no prefix, or the prefix tns:.
func (n *xsdNode) qualified(name string) string {
	prefix, local, found := strings.Cut(name, ":")
	switch {
	case name == "":
		return ""
	case !found:
		return n.prefix + ":" + name
	case prefix == "tns":
		return n.prefix + ":" + local
	}
	return name
}

func (n *xsdNode) setPrefix(prefix string) {
	n.prefix = prefix
	for _, kid := range n.Kids {
		kid.setPrefix(prefix)
	}
}

// readSchema reads the schemas from a folder next to the checkout. If they are not
// there, it skips the test.
func readSchema(t *testing.T) *schema {
	t.Helper()
	s := &schema{map[string]*xsdNode{}, map[string]*xsdNode{}, map[string]*xsdNode{}, map[string][]string{}}
	for prefix, name := range map[string]string{"m": "messages.xsd", "t": "types.xsd"} {
		text, err := os.ReadFile("../../../../shared/wsdl/" + name)
		if errors.Is(err, os.ErrNotExist) {
			t.Skipf("NOT TESTED: %s is not on this machine", name)
		}
		if err != nil {
			t.Fatal(err)
		}
		var root xsdNode
		if err := xml.Unmarshal(text, &root); err != nil {
			t.Fatal(err)
		}
		root.setPrefix(prefix)
		for _, n := range root.Kids {
			full := prefix + ":" + n.attr("name")
			switch n.XMLName.Local {
			case "complexType", "simpleType":
				s.types[full] = n
				if base := s.base(n); base != "" {
					s.subtypes[base] = append(s.subtypes[base], full)
				}
			case "element":
				s.elements[full] = n
			case "group", "attributeGroup":
				s.groups[full] = n
			}
		}
	}
	return s
}

// base returns the name of the type that a complex type extends, or "".
func (s *schema) base(n *xsdNode) string {
	for _, content := range n.Kids {
		for _, extension := range content.Kids {
			if content.XMLName.Local == "complexContent" && extension.XMLName.Local == "extension" {
				return extension.qualified(extension.attr("base"))
			}
		}
	}
	return ""
}

// isText reports whether a simple type permits any text, unlike a number, a
// date or a list of words.
func (s *schema) isText(name string) bool {
	switch name {
	case "xs:string", "xs:anyURI", "xs:base64Binary", "xs:normalizedString", "xs:token", "xs:anyType":
		return true
	}
	n := s.types[name]
	if n == nil || n.XMLName.Local != "simpleType" {
		return false
	}
	for _, restriction := range n.Kids {
		if restriction.XMLName.Local != "restriction" {
			continue
		}
		words := slices.ContainsFunc(restriction.Kids, func(k *xsdNode) bool { return k.XMLName.Local == "enumeration" })
		return !words && s.isText(restriction.qualified(restriction.attr("base")))
	}
	return false
}

// A step is an element on the way to a leaf.
type step struct {
	name string // such as m:GetFolder
	kind string // name of the element's type
}

// A walker visits every place in which a request can contain text.
type walker struct {
	*schema
	seen map[string]bool
	next []visit
	leaf func(path []step, owner, name string) // called for each place; name is an element's name, "@" and an attribute's name, or "#text"
}

// A visit is the name of a type whose content must still be walked, and the path
// to an element of this type.
type visit struct {
	path []step
	kind string
}

// walk visits the types in w.next until the list is empty. A visit appends the
// types that it finds, so types with short paths come first.
func (w *walker) walk() {
	for len(w.next) > 0 {
		v := w.next[0]
		w.next = w.next[1:]
		w.visit(v.path, v.kind)
	}
}

// visit walks the content of a type. It walks the type once for each combination
// of the last three steps of the path, the operation, and whether the path is in
// an attached item. Only these determine whether a place is reported.
func (w *walker) visit(path []step, kind string) {
	last := path[max(0, len(path)-3):]
	attached := slices.ContainsFunc(path, func(s step) bool { return s.name == "t:ItemAttachment" })
	operation := path[0].name
	if len(path) > 3 {
		operation = "" // the operation makes no difference for paths of more than three steps
	}
	key := fmt.Sprint(operation, last, kind, attached)
	if w.seen[key] {
		return
	}
	w.seen[key] = true
	n := w.types[kind]
	if n == nil {
		return
	}
	if base := w.base(n); base != "" {
		w.visitOwn(path, base, w.types[base])
	}
	w.visitOwn(path, kind, n)
	for _, sub := range w.subtypes[kind] {
		w.next = append(w.next, visit{path, sub})
	}
}

func (w *walker) visitOwn(path []step, owner string, n *xsdNode) {
	if base := w.base(n); base != "" && w.types[base] != nil {
		w.visitOwn(path, base, w.types[base])
	}
	for _, kid := range n.Kids {
		w.particle(path, owner, kid)
	}
}

func (w *walker) particle(path []step, owner string, n *xsdNode) {
	switch n.XMLName.Local {
	case "element":
		w.element(path, owner, n)
	case "attribute":
		if w.isText(n.qualified(n.attr("type"))) {
			w.leaf(path, owner, "@"+n.attr("name"))
		}
	case "extension":
		if w.isText(n.qualified(n.attr("base"))) {
			w.leaf(path, owner, "#text")
		}
		fallthrough
	case "sequence", "choice", "all", "complexContent", "simpleContent", "complexType":
		for _, kid := range n.Kids {
			w.particle(path, owner, kid)
		}
	case "group", "attributeGroup":
		if group := w.groups[n.qualified(n.attr("ref"))]; group != nil {
			w.visitOwn(path, owner, group)
		}
	}
}

func (w *walker) element(path []step, owner string, n *xsdNode) {
	name := n.prefix + ":" + n.attr("name")
	if ref := n.attr("ref"); ref != "" {
		name = n.qualified(ref)
		n = w.elements[name]
	}
	kind := n.qualified(n.attr("type"))
	path = append(slices.Clone(path), step{name, kind})
	switch {
	case kind == "":
		for _, kid := range n.Kids {
			w.particle(path, owner+"/"+name, kid)
		}
	case w.isText(kind):
		w.leaf(path, owner, name[2:])
	default:
		w.next = append(w.next, visit{path, kind})
	}
}

// document returns a request with the elements of path, one within the other,
// and with text in the last element. If name is "@" and the name of an
// attribute, text is the value of that attribute of the last element instead.
func document(path []step, name, text string) []byte {
	var open, end string
	for i, s := range path {
		attribute := ""
		if i == len(path)-1 && strings.HasPrefix(name, "@") {
			attribute = fmt.Sprintf(` %s="%s"`, name[1:], text)
		}
		open += "<" + s.name + attribute + ">"
		end = "</" + s.name + ">" + end
	}
	if !strings.HasPrefix(name, "@") {
		open += text
	}
	return operation(open + end)
}

// canName matches the names of elements and attributes that could name a
// mailbox or an object in a mailbox.
var canName = regexp.MustCompile(`(?i)mail|smtp|address|legacydn|sid$|guid|owner|sender|organizer|represent|delegat|account|principal|user|member|mime|^@?id$|itemid|folderid|attachmentid|conversationid|personid|personaid|subscriptionid|masterid|occurrenceid|entryid|groupid|contactid`)

// placeOf returns the key of a leaf in the map "harmless". For an address,
// the key consists of the elements around it. For any other leaf, the key begins
// with the type that contains the leaf.
func placeOf(path []step, owner, name string) string {
	switch owner {
	case "t:EmailAddressType", "t:EmailAddressExtendedType", "t:EmailAddress", "t:ArrayOfSmtpAddressType", "t:UserIdType":
		if strings.HasPrefix(name, "@") || name == "#text" {
			break
		}
		return path[len(path)-3].name + "/" + path[len(path)-2].name + "/" + name
	}
	return owner + " " + name
}

// TestEveryMailboxInTheSchemaIsKnown writes and scans a request for every place
// of the schemas that can name a mailbox. Each such place must be reported as a
// reference, belong to an operation that is refused by default, or be in the
// table of harmless places.
func TestEveryMailboxInTheSchemaIsKnown(t *testing.T) {
	probes := []string{
		"mallory@contoso.com",
		"AAMkADRhM2JmZTdhLTBhNjAtNGQyNy1hMjFhLTZjMWRmZDE0ZTNhNABGAAAAAAA=",         // the id of an item
		"BABleDAxEAAAAAEBAQEBAQEBAQEBAQEBAQEBAgMEBQbQCBAAAAB6/jtKYAonTaIabB39FOOk", // the id of a subscription
		"4a3bfe7a-0a60-4d27-a21a-6c1dfd14e3a4",
	}
	w := &walker{schema: readSchema(t), seen: map[string]bool{}}
	refused := refusedByDefault(t)
	unlisted, used := map[string][]step{}, map[string]bool{}
	reported := map[string]bool{}
	places := 0
	s := NewScanner()
	finds := func(path []step, name, text string) (found bool) {
		s.Reset(func(r ews.Reference) error {
			found = found || r.Value == text || r.Unreadable || r.ID.Kind != ews.UnknownID
			return nil
		}, true)
		if err := scan(s, document(path, name, text), 0); err != nil {
			t.Fatalf("%v: %v", path, err)
		}
		return found
	}
	w.leaf = func(path []step, owner, name string) {
		if !canName.MatchString(name) && !(name == "#text" && canName.MatchString(path[len(path)-1].name+owner)) {
			return
		}
		places++
		key := placeOf(path, owner, name)
		attached := slices.ContainsFunc(path, func(s step) bool { return s.name == "t:ItemAttachment" })
		switch {
		case slices.ContainsFunc(probes, func(text string) bool { return finds(path, name, text) }):
			reported[key] = true
		case attached: // an attached item is content and names no mailbox to act on
		case harmless[key] == "":
			unlisted[key] = path
		default:
			used[key] = true
		}
	}
	for name, n := range w.elements {
		kind := n.qualified(n.attr("type"))
		for base := kind; base != "" && w.types[base] != nil; base = w.base(w.types[base]) {
			if base == "m:BaseRequestType" && !refused(name) {
				w.next = append(w.next, visit{[]step{{name, kind}}, kind})
			}
		}
	}
	w.walk()
	for _, key := range slices.Sorted(maps.Keys(unlisted)) {
		t.Errorf("%s is neither reported nor listed as harmless: %v", key, unlisted[key])
	}
	for key, reason := range harmless {
		if !used[key] {
			t.Errorf("%s is listed as harmless (%s), and there is no such place", key, reason)
		}
	}
	t.Logf("%d places in requests; reported are %s", places, slices.Sorted(maps.Keys(reported)))
	if len(reported) < 40 {
		t.Errorf("only %d kinds of places are reported", len(reported))
	}
}

// refusedByDefault returns a function that reports whether a policy with the
// default operations refuses the operation of an element.
func refusedByDefault(t *testing.T) func(element string) bool {
	t.Helper()
	patterns, err := policy.ParsePatterns("alice@contoso.com")
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.New(policy.Config{Allowed: patterns})
	if err != nil {
		t.Fatal(err)
	}
	return func(element string) bool {
		_, refusal := p.Decide(&ews.Request{
			Operation: element[2:],
			Identity:  ews.Identity{Kind: ews.SmtpAddress, Value: "alice@contoso.com"},
			Blocks:    []ews.HeaderBlock{{Space: ews.TypesNS, Name: "ExchangeImpersonation"}},
		}, "")
		return refusal != nil && refusal.Reason == policy.OperationNotAllowed
	}
}
