package process

import "testing"

// TestPercentFor checks that garbage stays within 16 MiB or a quarter of the
// live heap, whichever is more.
func TestPercentFor(t *testing.T) {
	const mib = 1 << 20
	for live, want := range map[uint64]int{
		0: 400, 4 * mib: 400, 5 * mib: 200, 8 * mib: 200, 16 * mib: 100, 32 * mib: 50, 64 * mib: 25, 1 << 40: 25,
	} {
		if got := percentFor(live); got != want {
			t.Errorf("%d MiB live: GOGC %d, want %d", live/mib, got, want)
		}
	}
}

func TestHeapLimit(t *testing.T) {
	if got := heapLimit(128 << 20); got != 96<<20 { // the memory limit of the pods in deploy/kubernetes
		t.Errorf("%d bytes of 128 MiB", got)
	}
}
