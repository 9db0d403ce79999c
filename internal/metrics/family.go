package metrics

import (
	"maps"
	"sync"
	"sync/atomic"
)

// A family finds the metric for a set of labels without building a map or
// hashing each label. These two steps are most of the cost of counting in
// package prometheus. A family holds at most limit metrics, and one more for the
// label set in the field "rest". All further label sets share that metric. If the
// values of a label grow without limit, the metrics lose precision but use no
// further memory.
type family[K comparable, M any] struct {
	limit int
	rest  K
	child func(K) M

	made *atomic.Pointer[map[K]M] // the map is never changed, so that get needs no lock
	mu   *sync.Mutex              // held while made is replaced
}

func newFamily[K comparable, M any](limit int, rest K, child func(K) M) family[K, M] {
	f := family[K, M]{limit: limit, rest: rest, child: child, made: new(atomic.Pointer[map[K]M]), mu: new(sync.Mutex)}
	f.made.Store(&map[K]M{})
	return f
}

// get returns the metric of k.
func (f *family[K, M]) get(k K) M {
	if m, ok := (*f.made.Load())[k]; ok {
		return m
	}
	return f.add(k)
}

func (f *family[K, M]) add(k K) M {
	f.mu.Lock()
	defer f.mu.Unlock()
	made := *f.made.Load()
	if m, ok := made[k]; ok {
		return m
	}
	if len(made) >= f.limit {
		k = f.rest
		if m, ok := made[k]; ok {
			return m
		}
	}
	m := f.child(k)
	made = maps.Clone(made)
	made[k] = m
	f.made.Store(&made)
	return m
}
