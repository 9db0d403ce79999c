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
	turn           int // number of requests with strict affinity so far; its parity selects the back end
}

// SetStrictAffinity chooses how requests without an X-BackEndOverrideCookie are
// routed. If on is true, the back ends take turns. Otherwise the anchor mailbox
// determines the back end.
func (f *FrontEnd) SetStrictAffinity(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.strictAffinity = on
}

// backEndFor returns the back end for a request without a cookie. With strict
// affinity the back ends take turns. Otherwise the back end depends on the
// position of the anchor mailbox in mailboxes, or on the hash of the address if
// mailboxes does not contain it.
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
