package exchange

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// since returns the changes of a history whose numbers are greater than point, but
// at most limit changes. The result "reached" is the number of the last change that
// it took into account. The result "last" is true if the limit left out no change.
// For an object that changed several times, the function returns one change, at the
// position of the latest one. It omits objects that were both created and deleted
// after point.
func since(log []change, point, limit int) (news []change, reached int, last bool) {
	born, latest, heavy := map[string]bool{}, map[string]change{}, map[string]bool{}
	for _, ch := range log {
		if ch.seq <= point {
			continue
		}
		latest[ch.id] = ch
		born[ch.id] = born[ch.id] || ch.kind == "Create"
		heavy[ch.id] = heavy[ch.id] || ch.kind == "Update"
	}
	for _, ch := range latest {
		switch {
		case ch.kind == "Delete" && born[ch.id]:
			continue
		case ch.kind == "Delete":
		case born[ch.id]:
			ch.kind = "Create"
		case heavy[ch.id]:
			ch.kind = "Update"
		}
		news = append(news, ch)
	}
	slices.SortFunc(news, func(a, b change) int { return a.seq - b.seq })
	if len(news) > limit {
		news = news[:limit]
		if limit > 0 {
			point = news[limit-1].seq
		}
		return news, point, false
	}
	if len(log) > 0 {
		point = max(point, log[len(log)-1].seq)
	}
	return news, point, true
}

// syncPoint returns the number of the last change that a SyncState includes, -1
// for an empty SyncState. A SyncState is empty in a client's first request and
// is opaque to clients. ok is false if the SyncState does not belong to kind
// and owner.
func syncPoint(state, kind, owner string) (point int, ok bool) {
	if state == "" {
		return -1, true
	}
	parts := parseID(state)
	if len(parts) != 3 || parts[0] != kind || parts[1] != owner {
		return 0, false
	}
	point, err := strconv.Atoi(parts[2])
	return point, err == nil
}

func syncResponse(state string, last bool, name, changes string) result {
	return result{inner: fmt.Sprintf(`<m:SyncState>%s</m:SyncState><m:%s>%t</m:%[2]s><m:Changes>%[4]s</m:Changes>`, state, name, last, changes)}
}

func invalidSyncState() result {
	return failed("ErrorInvalidSyncStateData", "The SyncState data is invalid.")
}

// syncFolderItems returns the changes in a folder since the SyncState.
func syncFolderItems(c *call) response {
	ids := c.op.children("SyncFolderId")
	if len(ids) == 0 {
		return replies("SyncFolderItems", []result{failed("ErrorInvalidRequest", "The request is invalid.")})
	}
	f, bad := c.resolve(ids[0])
	if bad != nil {
		return replies("SyncFolderItems", []result{*bad})
	}
	point, ok := syncPoint(c.op.value("SyncState"), "S", f.id)
	if !ok {
		return replies("SyncFolderItems", []result{invalidSyncState()})
	}
	limit := 512
	if n, err := strconv.Atoi(c.op.value("MaxChangesReturned")); err == nil {
		limit = n
	}
	news, point, last := since(f.log, point, limit)
	var b strings.Builder
	for _, ch := range news {
		writeChange(&b, f, ch, c.shape())
	}
	return replies("SyncFolderItems", []result{syncResponse(opaqueID("S", f.id, strconv.Itoa(point)), last, "IncludesLastItemInRange", b.String())})
}

func writeChange(b *strings.Builder, f *folder, ch change, s shape) {
	i := f.owner.items[ch.id]
	switch {
	case ch.kind == "Delete":
		fmt.Fprintf(b, `<t:Delete><t:ItemId Id="%s"/></t:Delete>`, ch.id)
	case i == nil || i.folder != f:
	case ch.kind == "ReadFlagChange":
		fmt.Fprintf(b, "<t:ReadFlagChange>%s<t:IsRead>%s</t:IsRead></t:ReadFlagChange>", i.idXML(), i.text("IsRead"))
	default:
		fmt.Fprintf(b, "<t:%s>%s</t:%[1]s>", ch.kind, s.of(i))
	}
}

// syncFolderHierarchy returns the changes below a folder since the SyncState.
// As in Exchange, the folder itself is not among them. The default of
// SyncFolderId is the root of the mailbox. Deletions are returned for the whole
// mailbox.
func syncFolderHierarchy(c *call) response {
	base := c.user.folder("root")
	if ids := c.op.children("SyncFolderId"); len(ids) > 0 {
		f, bad := c.resolve(ids[0])
		if bad != nil {
			return replies("SyncFolderHierarchy", []result{*bad})
		}
		base = f
	}
	owner := base.owner
	point, ok := syncPoint(c.op.value("SyncState"), "H", owner.GUID)
	if !ok {
		return replies("SyncFolderHierarchy", []result{invalidSyncState()})
	}
	within := base.below(true)
	news, point, last := since(owner.log, point, 1<<30)
	var b strings.Builder
	for _, ch := range news {
		switch f := owner.folder(ch.id); {
		case f == nil:
			fmt.Fprintf(&b, `<t:Delete><t:FolderId Id="%s"/></t:Delete>`, mailboxID("F", owner.GUID, ch.id))
		case slices.Contains(within, f):
			fmt.Fprintf(&b, "<t:%s>%s</t:%[1]s>", ch.kind, f.xml())
		}
	}
	return replies("SyncFolderHierarchy", []result{syncResponse(opaqueID("H", owner.GUID, strconv.Itoa(point)), last, "IncludesLastFolderInRange", b.String())})
}
