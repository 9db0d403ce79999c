package emulator

import (
	"fmt"
	"strings"
)

// resolve returns the folder of a FolderId or DistinguishedFolderId if the user may
// open it.
func (c *call) resolve(id *node) (*folder, *result) {
	owner, name := c.user, ""
	switch id.name.Local {
	case "DistinguishedFolderId":
		name = strings.ToLower(id.attribute("", "Id"))
		if address := id.value("Mailbox", "EmailAddress"); address != "" {
			owner = c.x.byAddress(address)
		}
	case "FolderId":
		if parts := parseID(id.attribute("", "Id")); len(parts) == 3 && parts[0] == "F" {
			owner, name = c.x.byGUID(parts[1]), parts[2]
		} else {
			r := failed("ErrorInvalidIdMalformed", "Id is malformed.")
			return nil, &r
		}
	default:
		r := failed("ErrorInvalidRequest", "The request is invalid.")
		return nil, &r
	}
	if owner == nil {
		r := failed("ErrorNonExistentMailbox", "The SMTP address has no mailbox associated with it.")
		return nil, &r
	}
	return c.open(owner, name)
}

func (c *call) open(owner *mailbox, name string) (*folder, *result) {
	if !c.mayOpen(owner) {
		r := denied()
		return nil, &r
	}
	for _, f := range owner.folders {
		if f.name == name {
			return f, nil
		}
	}
	r := failed("ErrorFolderNotFound", "The specified folder could not be found in the store.")
	return nil, &r
}

// mayOpen checks the rights of the impersonated user. The application's own
// permission only allows the impersonation.
func (c *call) mayOpen(owner *mailbox) bool {
	return owner == c.user || c.x.grants[[2]string{strings.ToLower(c.user.Primary), strings.ToLower(owner.Primary)}]
}

func (x *Exchange) byAddress(address string) *mailbox {
	for _, m := range x.mailboxes {
		if m.has(address) {
			return m
		}
	}
	return nil
}

func (x *Exchange) byGUID(guid string) *mailbox {
	for _, m := range x.mailboxes {
		if m.GUID == guid {
			return m
		}
	}
	return nil
}

func (c *call) getFolder() response {
	var results []result
	for _, id := range c.op.children("FolderIds") {
		f, bad := c.resolve(id)
		if bad != nil {
			bad.inner = "<m:Folders/>"
			results = append(results, *bad)
			continue
		}
		results = append(results, result{inner: "<m:Folders>" + f.xml() + "</m:Folders>"})
	}
	return replies("GetFolder", results)
}

func (f *folder) xml() string {
	count, news := 0, 0
	for _, i := range f.owner.items {
		if i.folder == f {
			count++
			if i.text("IsRead") == "false" {
				news++
			}
		}
	}
	unread := fmt.Sprintf("<t:UnreadCount>%d</t:UnreadCount>", news)
	if f.element() != "Folder" {
		unread = ""
	}
	return fmt.Sprintf(`<t:%s><t:FolderId Id="%s" ChangeKey="AQAAAA=="/><t:ParentFolderId Id="%s" ChangeKey="AQAAAA=="/><t:FolderClass>%s</t:FolderClass><t:DisplayName>%s</t:DisplayName><t:TotalCount>%d</t:TotalCount><t:ChildFolderCount>%d</t:ChildFolderCount>%s</t:%[1]s>`,
		f.element(), f.id, f.parent().id, f.class, esc(f.display), count, len(f.below(false)), unread)
}

// parent returns the folder above. The distinguished folders form a tree of three
// levels; the root is its own parent.
func (f *folder) parent() *folder {
	if f.above != nil {
		return f.above
	}
	if f.name == "root" || f.name == "msgfolderroot" {
		return f.owner.folder("root")
	}
	return f.owner.folder("msgfolderroot")
}

// below returns the children, or all descendants.
func (f *folder) below(deep bool) []*folder {
	var list []*folder
	for _, kid := range f.owner.folders {
		if kid == f || kid.parent() != f {
			continue
		}
		list = append(list, kid)
		if deep {
			list = append(list, kid.below(true)...)
		}
	}
	return list
}

func (f *folder) element() string {
	switch f.class {
	case "IPF.Appointment":
		return "CalendarFolder"
	case "IPF.Contact":
		return "ContactsFolder"
	case "IPF.Task":
		return "TasksFolder"
	}
	return "Folder"
}
