package emulator

import (
	"slices"
	"strconv"
	"strings"
)

// A shape is the set of an item's fields in a response.
type shape struct {
	base string  // "IdOnly", "Default", "AllProperties", "" for Default
	more []*node // FieldURI, IndexedFieldURI, ExtendedFieldURI
	find bool    // FindItem: no bodies, no recipients, no attachments
	mime bool    // IncludeMimeContent
}

// shape reads ItemShape.
func (c *call) shape() shape {
	n := c.op.find("ItemShape")
	return shape{
		base: n.value("BaseShape"),
		more: n.children("AdditionalProperties"),
		find: c.op.name.Local == "FindItem",
		mime: n.value("IncludeMimeContent") == "true",
	}
}

func (s shape) wants(name string) bool {
	switch name {
	case "ItemId":
		return true
	case "ExtendedProperty":
		return false // see extended
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

// fieldName returns the element of a FieldURI, or "".
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

// shaped renders an item with the fields of the shape.
func (i *item) shaped(s shape) string {
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

// extended returns an extended property, set or computed, or nil.
func (i *item) extended(uri *node) *node {
	key := extendedKey(uri)
	for _, f := range i.fields {
		if f.name.Local == "ExtendedProperty" && extendedKey(f.find("ExtendedFieldURI")) == key {
			return f
		}
	}
	if value := i.property(key); value != "" {
		return branch("ExtendedProperty", uri, leaf("Value", value))
	}
	return nil
}

// property computes some MAPI properties, by their tags in hexadecimal.
func (i *item) property(tag string) string {
	switch tag {
	case "e23": // PidTagInternetArticleNumber, IMAP's unique identifier
		return strconv.Itoa(i.number())
	case "e08": // PidTagMessageSize
		return strconv.FormatInt(i.size, 10)
	case "e07": // PidTagMessageFlags: read, unsent
		flags := 0
		if i.text("IsRead") == "true" {
			flags |= 1
		}
		if i.draft {
			flags |= 8
		}
		return strconv.Itoa(flags)
	case "1a": // PidTagMessageClass
		return i.itemClass()
	}
	return ""
}
