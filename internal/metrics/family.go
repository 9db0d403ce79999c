package metrics

import "sync"

// A family finds the metric for a set of labels without building a map or
// hashing each label, which is most of the cost of counting. It holds at most
// limit metrics. Further label sets share the metric of rest: if the values of
// a label grow without limit, the metrics lose precision but use no further
// memory.
type family[K comparable, M any] struct {
	limit int
	rest  K
	child func(K) M

	mu   *sync.RWMutex
	made map[K]M
}

func newFamily[K comparable, M any](limit int, rest K, child func(K) M) family[K, M] {
	return family[K, M]{limit: limit, rest: rest, child: child, mu: new(sync.RWMutex), made: make(map[K]M)}
}

// get returns the metric of k.
func (f *family[K, M]) get(k K) M {
	f.mu.RLock()
	m, ok := f.made[k]
	f.mu.RUnlock()
	if ok {
		return m
	}
	return f.add(k)
}

func (f *family[K, M]) add(k K) M {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m, ok := f.made[k]; ok {
		return m
	}
	if len(f.made) >= f.limit {
		k = f.rest
		if m, ok := f.made[k]; ok {
			return m
		}
	}
	m := f.child(k)
	f.made[k] = m
	return m
}
