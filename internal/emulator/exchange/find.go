package exchange

import (
	"fmt"
	"strconv"
	"strings"
)

func findItem(c *call) response {
	var results []result
	for _, id := range c.op.children("ParentFolderIds") {
		f, bad := c.resolve(id)
		if bad != nil {
			results = append(results, *bad)
			continue
		}
		items, bad := search(c, f)
		if bad != nil {
			results = append(results, *bad)
			continue
		}
		results = append(results, result{inner: page(c, items)})
	}
	return replies("FindItem", results)
}

// page returns the part of the results that an IndexedPageItemView requests.
func page(c *call, items []*item) string {
	total, from, size := len(items), 0, 1000
	if view := c.op.find("IndexedPageItemView"); view != nil {
		from, _ = strconv.Atoi(view.attribute("", "Offset"))
		if n, err := strconv.Atoi(view.attribute("", "MaxEntriesReturned")); err == nil {
			size = n
		}
	}
	from = min(max(from, 0), total)
	to := min(from+max(size, 0), total)
	var b strings.Builder
	for _, i := range items[from:to] {
		b.WriteString(c.shape().of(i))
	}
	return fmt.Sprintf(`<m:RootFolder IndexedPagingOffset="%d" TotalItemsInView="%d" IncludesLastItemInRange="%t"><t:Items>%s</t:Items></m:RootFolder>`,
		to, total, to == total, b.String())
}

func findFolder(c *call) response {
	var results []result
	for _, id := range c.op.children("ParentFolderIds") {
		f, bad := c.resolve(id)
		if bad == nil {
			r := listFolders(f, c.op)
			bad = &r
		}
		results = append(results, *bad)
	}
	return replies("FindFolder", results)
}

// listFolders lists the folders below a folder for FindFolder.
func listFolders(f *folder, op *node) result {
	var b strings.Builder
	n := 0
	for _, kid := range f.below(op.attribute("", "Traversal") == "Deep") {
		ok, bad := meets(op.children("Restriction"), kid.valueOf)
		if bad != nil {
			return *bad
		}
		if ok {
			n++
			b.WriteString(kid.xml())
		}
	}
	return result{inner: fmt.Sprintf(`<m:RootFolder TotalItemsInView="%d" IncludesLastItemInRange="true"><t:Folders>%s</t:Folders></m:RootFolder>`, n, b.String())}
}
