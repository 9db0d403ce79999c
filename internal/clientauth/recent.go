package clientauth

import (
	"sync"
	"time"
)

// A recent is a set of keys that expire. It is safe for concurrent use.
type recent[K comparable] struct {
	ttl   time.Duration // time for which a key is kept, from the last add or renew
	limit int           // limit for the number of keys

	mu    sync.Mutex
	until map[K]time.Time
}

func newRecent[K comparable](ttl time.Duration, limit int) *recent[K] {
	return &recent[K]{ttl: ttl, limit: limit, until: make(map[K]time.Time)}
}

// renew reports whether k was added and has not expired. If so, renew starts its
// time from the beginning.
func (r *recent[K]) renew(k K) bool {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !now.Before(r.until[k]) {
		return false
	}
	r.until[k] = now.Add(r.ttl)
	return true
}

// The method "has" reports whether k was added and has not expired.
func (r *recent[K]) has(k K) bool {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	return now.Before(r.until[k])
}

// add adds a key, or extends the time of a key that is held. It drops expired keys.
// If the other keys reach the limit, it also drops the key that would expire first.
func (r *recent[K]) add(k K) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	var first K
	var end time.Time // time when the key in the variable "first" expires
	for old, until := range r.until {
		if !now.Before(until) {
			delete(r.until, old)
		} else if end.IsZero() || until.Before(end) {
			first, end = old, until
		}
	}
	if _, held := r.until[k]; !held && len(r.until) >= r.limit {
		delete(r.until, first)
	}
	r.until[k] = now.Add(r.ttl)
}
