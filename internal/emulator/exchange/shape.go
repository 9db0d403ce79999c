package exchange

import (
	"slices"
	"strings"
)

// A shape is the set of an item's fields in a response.
type shape struct {
	base string  // "IdOnly", "Default", "AllProperties", "" for Default
	more []*node // FieldURI, IndexedFieldURI, ExtendedFieldURI
	find bool    // the operation is FindItem, which returns no bodies, recipients or attachments
	mime bool    // IncludeMimeContent
}

func (s shape) wants(name string) bool {
	switch name {
	case "ItemId":
		return true
	case "ExtendedProperty":
		return false // method extended returns these properties
	case "Body", "Attachments", "TextBody", "ToRecipients", "CcRecipients", "BccRecipients", "ReplyTo", "MimeContent":
		if s.find {
			return false
		}
	}
	if s.lists(name) || name == "MimeContent" && s.mime {
		return true
	}
	return s.base != "IdOnly" && name != "MimeContent" && name != "TextBody"
}

func (s shape) lists(name string) bool {
	return slices.ContainsFunc(s.more, func(n *node) bool { return fieldName(n) == name })
}

// fieldName returns the name of the XML element to which a FieldURI or
// IndexedFieldURI refers. It returns "" for other nodes.
func fieldName(n *node) string {
	uri := n.attribute("", "FieldURI")
	prefix, name, _ := strings.Cut(uri, ":")
	switch n.name.Local {
	case "IndexedFieldURI":
		return map[string]string{
			"contacts:EmailAddress": "EmailAddresses", "contacts:PhoneNumber": "PhoneNumbers",
			"contacts:PhysicalAddress": "PhysicalAddresses", "item:InternetMessageHeader": "InternetMessageHeaders",
		}[prefix+":"+strings.SplitN(name, ":", 2)[0]]
	case "FieldURI":
		return name
	}
	return ""
}

func writeAll(b *strings.Builder, list []*node) {
	for _, n := range list {
		n.write(b)
	}
}

// extended returns the requested extended properties that the item has.
func (s shape) extended(i *item) []*node {
	var list []*node
	for _, uri := range s.more {
		if uri.name.Local != "ExtendedFieldURI" {
			continue
		}
		if f := i.extended(uri); f != nil {
			list = append(list, f)
		}
	}
	return list
}

// The method "of" returns the item i as XML, with the fields that the shape selects.
func (s shape) of(i *item) string {
	var b strings.Builder
	b.WriteString("<t:" + i.class + ">")
	extended := s.extended(i)
	for _, f := range i.render() {
		if rank(f.name.Local) > rank("ExtendedProperty") {
			writeAll(&b, extended)
			extended = nil
		}
		if s.wants(f.name.Local) {
			f.write(&b)
		}
	}
	writeAll(&b, extended)
	b.WriteString("</t:" + i.class + ">")
	return b.String()
}
