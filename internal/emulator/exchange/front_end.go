package exchange

import (
	"hash/fnv"
	"strings"
	"sync"
)

// FrontEnd assigns requests to the two back ends. It is safe for concurrent use.
type FrontEnd struct {
	mu             sync.Mutex
	strictAffinity bool
	turn           int // index of the back end for the next request, with strict affinity
}

// SetStrictAffinity routes requests without an X-BackEndOverrideCookie to the back
// ends in turn, instead of by the anchor mailbox.
func (f *FrontEnd) SetStrictAffinity(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.strictAffinity = on
}

// backEndFor assigns mailboxes to the back ends by their position in the list of
// mailboxes, and unknown addresses by hash.
func (f *FrontEnd) backEndFor(anchor string, mailboxes []Mailbox) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := [2]string{"EX01", "EX02"}
	if f.strictAffinity {
		f.turn++
		return names[f.turn%2]
	}
	for i, m := range mailboxes {
		if strings.EqualFold(m.Primary, anchor) {
			return names[i%2]
		}
	}
	h := fnv.New32a()
	h.Write([]byte(strings.ToLower(anchor)))
	return names[h.Sum32()%2]
}
