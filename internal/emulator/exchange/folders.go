package exchange

import (
	"cmp"
	"fmt"
)

func getFolder(c *call) response {
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

// below returns the folder's children. If deep is true, it returns all
// descendants.
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

// valueOf finds the first FieldURI or ExtendedFieldURI in list and returns the
// folder's value of that field, or "" if the emulator does not know the field.
func (f *folder) valueOf(list []*node) string {
	for _, n := range list {
		if n.name.Local != "FieldURI" && n.name.Local != "ExtendedFieldURI" {
			continue
		}
		return map[string]string{
			"DisplayName": f.display, "FolderClass": f.class,
			"3001": f.display, "3613": f.class, // PidTagDisplayName, PidTagContainerClass
		}[cmp.Or(fieldName(n), extendedKey(n))]
	}
	return ""
}

func (f *folder) list() string {
	return fmt.Sprintf(`<m:Folders><t:%s><t:FolderId Id="%s" ChangeKey="AQAAAA=="/></t:%[1]s></m:Folders>`, f.element(), f.id)
}
