package clientauth

import (
	"sync"
	"time"
)

const (
	// verifiedTime is how long verified credentials need no further comparison.
	// Each request prolongs it, so that a flood of wrong passwords does not keep
	// active clients out. A change of the file ends it.
	verifiedTime = 5 * time.Minute
	maxVerified  = 1024 // fingerprints; a client has one, or a few after changes of its password
)

// verified holds the fingerprints of credentials that were verified a short
// time ago. Its zero value is empty and ready for use.
type verified struct {
	mu    sync.Mutex
	until map[fingerprint]time.Time
}

func (v *verified) has(f fingerprint) bool {
	now := time.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	if !now.Before(v.until[f]) {
		return false
	}
	v.until[f] = now.Add(verifiedTime)
	return true
}

// add adds a fingerprint. It makes room by dropping the expired ones, and any
// one when none has expired.
func (v *verified) add(f fingerprint) {
	now := time.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.until == nil {
		v.until = make(map[fingerprint]time.Time)
	}
	for old, until := range v.until {
		if len(v.until) >= maxVerified || !now.Before(until) {
			delete(v.until, old)
		}
	}
	v.until[f] = now.Add(verifiedTime)
}
