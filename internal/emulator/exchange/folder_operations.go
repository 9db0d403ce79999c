package exchange

import (
	"slices"
	"strconv"
)

func createFolder(c *call) response {
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
		results = append(results, newFolder(c, parent, n))
	}
	return replies("CreateFolder", results)
}

func newFolder(c *call, parent *folder, n *node) result {
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
	name := strconv.Itoa(c.store.nextChange())
	f := &folder{id: mailboxID("F", parent.owner.GUID, name), name: name, display: display, class: class, owner: parent.owner, above: parent}
	parent.owner.folders = append(parent.owner.folders, f)
	c.store.noteFolder(f, "Create")
	return result{inner: f.list()}
}

// updateFolder implements a change of the display name only.
func updateFolder(c *call) response {
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
		c.store.noteFolder(f, "Update")
		results = append(results, result{inner: f.list()})
	}
	return replies("UpdateFolder", results)
}

func deleteFolder(c *call) response {
	return c.eachOwnFolder("DeleteFolder", func(f *folder) result {
		for _, gone := range append(f.below(true), f) {
			for _, i := range f.owner.itemsOf(gone) {
				c.store.take(i, "DeletedEvent")
			}
			f.owner.folders = slices.DeleteFunc(f.owner.folders, func(other *folder) bool { return other == gone })
			c.store.noteFolder(gone, "Delete")
		}
		return result{}
	})
}

func moveFolder(c *call) response {
	to, bad := c.target()
	return c.eachOwnFolder("MoveFolder", func(f *folder) result {
		if bad != nil {
			return *bad
		}
		f.above = to
		c.store.noteFolder(f, "Update")
		return result{inner: f.list()}
	})
}
