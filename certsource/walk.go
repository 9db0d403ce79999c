package certsource

import (
	"cmp"
	"context"
	"slices"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

// maxLook limits the number of versions that one poll reads to find two usable
// versions.
const maxLook = 5

// A walk reads versions, beginning with the newest, until it has found enough
// usable versions.
type walk struct {
	versions *versionReader
	s        *session
	newest   string              // id of the newest version, empty when Key Vault did not return it
	seen     map[string]*version // all versions that were read
	rejected map[string]bool     // ids of versions that must not be used any more
	list     []*azsecrets.SecretProperties
	listed   bool
}

// run returns the usable versions, newest first. failure says why the newest
// version cannot be used or could not be requested.
func (w *walk) run(ctx context.Context) (good []*version, failure *Error) {
	v, err := w.get(ctx, "")
	if err != nil && !err.ofVersion() {
		return nil, err
	}
	if v != nil {
		w.newest = v.id
	}
	id := w.newest // id of v; v is nil when Key Vault refused the version
	for looked := 1; ; looked++ {
		if err == nil {
			err = v.check()
		}
		switch {
		case err == nil:
			good = append(good, v)
		case looked == 1:
			failure = err.about(err.Op, w.versions.client.cfg.Name, id)
		}
		if len(good) == maxUsable || looked == maxLook {
			return good, failure
		}
		if id = w.before(ctx, id, v); id == "" || w.seen[id] != nil {
			return good, failure
		}
		if v, err = w.get(ctx, id); err != nil && !err.ofVersion() {
			w.versions.client.cfg.Log.Warn("the certificate's previous version could not be read", "name", w.versions.client.cfg.Name, "version", id, "error", err)
			return good, failure
		}
	}
}

// get reads a version, or the newest version if id is empty.
func (w *walk) get(ctx context.Context, id string) (*version, *Error) {
	v, err := w.versions.get(ctx, w.s, id)
	if err == nil {
		w.seen[v.id] = v
	} else if err.ofVersion() {
		w.rejected[id] = true
	}
	return v, err
}

// before returns the id of the version that precedes id, or "" if it finds no
// such version. v is the version with this id, or nil when Key Vault refused
// it.
func (w *walk) before(ctx context.Context, id string, v *version) string {
	if v != nil && v.previous != "" {
		return v.previous
	}
	if !w.listed {
		w.list, w.listed = w.versions.list(ctx, w.s, w.newest), true
		for _, p := range w.list {
			if !enabled(p) {
				w.rejected[p.ID.Version()] = true
			}
		}
	}
	at := slices.IndexFunc(w.list, func(p *azsecrets.SecretProperties) bool { return p.ID.Version() == id })
	for _, p := range w.list[at+1:] {
		if enabled(p) && p.ID.Version() != id {
			return p.ID.Version()
		}
	}
	return ""
}

// topUp appends to found the versions of last that are not in found and were
// not rejected, up to maxUsable versions in total. last is the result of the
// previous poll. For example, if the newest version has been disabled, Key
// Vault does not name the version before it, so this poll cannot find that
// version.
func (w *walk) topUp(found, last []*version) []*version {
	for _, v := range last {
		have := slices.ContainsFunc(found, func(f *version) bool { return f.id == v.id })
		if !have && !w.rejected[v.id] && len(found) < maxUsable {
			found = append(found, v)
		}
	}
	return found
}

func enabled(p *azsecrets.SecretProperties) bool {
	return p.Attributes != nil && p.Attributes.Enabled != nil && *p.Attributes.Enabled
}

// byAge orders versions newest first. A version without a date comes last.
func byAge(a, b *azsecrets.SecretProperties) int {
	return cmp.Compare(created(b), created(a))
}

func created(p *azsecrets.SecretProperties) int64 {
	if p.Attributes == nil || p.Attributes.Created == nil {
		return 0
	}
	return p.Attributes.Created.Unix()
}
