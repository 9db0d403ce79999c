package emulator

import (
	"fmt"
	"slices"
	"strconv"
)

// noteFolder adds an entry to the history of a mailbox's folders.
func (x *Exchange) noteFolder(f *folder, kind string) {
	x.changes++
	f.owner.log = append(f.owner.log, change{x.changes, kind, f.name})
}

func (f *folder) list() string {
	return fmt.Sprintf(`<m:Folders><t:%s><t:FolderId Id="%s" ChangeKey="AQAAAA=="/></t:%[1]s></m:Folders>`, f.element(), f.id)
}

func (c *call) createFolder() response {
	var parent *folder
	bad := &result{code: "ErrorInvalidRequest", text: "The request is invalid."}
	if ids := c.op.children("ParentFolderId"); len(ids) > 0 {
		parent, bad = c.resolve(ids[0])
	}
	var results []result
	for _, n := range c.op.children("Folders") {
		if bad != nil {
			results = append(results, *bad)
			continue
		}
		results = append(results, c.newFolder(parent, n))
	}
	return replies("CreateFolder", results)
}

func (c *call) newFolder(parent *folder, n *node) result {
	display := n.value("DisplayName")
	if slices.ContainsFunc(parent.below(false), func(f *folder) bool { return f.display == display }) {
		return failed("ErrorFolderExists", "A folder with the specified name already exists.")
	}
	class := n.value("FolderClass")
	if class == "" {
		class = map[string]string{"CalendarFolder": "IPF.Appointment", "ContactsFolder": "IPF.Contact", "TasksFolder": "IPF.Task"}[n.name.Local]
	}
	if class == "" {
		class = "IPF.Note"
	}
	c.x.changes++
	name := strconv.Itoa(c.x.changes)
	f := &folder{id: mailboxID("F", parent.owner.GUID, name), name: name, display: display, class: class, owner: parent.owner, above: parent}
	parent.owner.folders = append(parent.owner.folders, f)
	c.x.noteFolder(f, "Create")
	return result{inner: f.list()}
}

// updateFolder implements a change of the display name only.
func (c *call) updateFolder() response {
	var results []result
	for _, ch := range c.op.children("FolderChanges") {
		if len(ch.kids) == 0 {
			continue
		}
		f, bad := c.resolve(ch.kids[0])
		if bad != nil {
			results = append(results, *bad)
			continue
		}
		for _, update := range ch.children("Updates") {
			for _, kid := range update.kids {
				if name := kid.value("DisplayName"); name != "" {
					f.display = name
				}
			}
		}
		c.x.noteFolder(f, "Update")
		results = append(results, result{inner: f.list()})
	}
	return replies("UpdateFolder", results)
}

// eachOwnFolder calls a function for every folder in FolderIds. Like Exchange, it
// leaves distinguished folders alone.
func (c *call) eachOwnFolder(operation string, do func(*folder) result) response {
	var results []result
	for _, id := range c.op.children("FolderIds") {
		f, bad := c.resolve(id)
		if bad == nil && f.above == nil {
			bad = &result{code: "ErrorDeleteDistinguishedFolder", text: "Distinguished folders cannot be deleted."}
		}
		if bad == nil {
			r := do(f)
			bad = &r
		}
		results = append(results, *bad)
	}
	return replies(operation, results)
}

func (c *call) deleteFolder() response {
	return c.eachOwnFolder("DeleteFolder", func(f *folder) result {
		for _, gone := range append(f.below(true), f) {
			for _, i := range f.owner.itemsOf(gone) {
				c.x.take(i, "DeletedEvent")
			}
			f.owner.folders = slices.DeleteFunc(f.owner.folders, func(other *folder) bool { return other == gone })
			c.x.noteFolder(gone, "Delete")
		}
		return result{}
	})
}

func (c *call) moveFolder() response {
	to, bad := c.target()
	return c.eachOwnFolder("MoveFolder", func(f *folder) result {
		if bad != nil {
			return *bad
		}
		f.above = to
		c.x.noteFolder(f, "Update")
		return result{inner: f.list()}
	})
}
