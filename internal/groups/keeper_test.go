package groups

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/proxy/policy"
)

// A testKeeper expands one group whose members a test sets.
type testKeeper struct {
	*Keeper
	mu      sync.Mutex // guards the fields below
	members []string
	err     error // error of Expand
	refuse  error // error of Apply
	applied int   // number of members in the latest successful call of Apply, -1 before it
	calls   int   // number of calls of Expand
}

func newTestKeeper() *testKeeper {
	k := &testKeeper{applied: -1}
	k.Keeper = New(Config{
		Groups: []string{"g@contoso.com"},
		Expand: func(context.Context, []string) (Members, error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.calls++
			return Members{Mailboxes: k.members}, k.err
		},
		Apply: func(patterns []policy.Pattern) error {
			k.mu.Lock()
			defer k.mu.Unlock()
			if k.refuse == nil {
				k.applied = len(patterns)
			}
			return k.refuse
		},
		Log: slog.New(slog.DiscardHandler),
	})
	return k
}

// set calls change, which may change fields of k. It may be called while Run is
// running.
func (k *testKeeper) set(change func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change()
}

// counts returns k.calls and k.applied. It may be called while Run is running.
func (k *testKeeper) counts() (calls, applied int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.calls, k.applied
}

// users returns n addresses with consecutive numbers from first.
func users(first, n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("u%d@contoso.com", first+i))
	}
	return all
}

// TestMassChange tests both sides of each limit: half of the members are missing,
// or the number of new members exceeds half the old number plus twenty.
func TestMassChange(t *testing.T) {
	for _, test := range []struct {
		name     string
		old, new []string
		held     bool
	}{
		{"first", nil, users(0, 5000), false},
		{"equal", users(0, 10), users(0, 10), false},
		{"in another case", users(0, 10), strings.Split(strings.ToUpper(strings.Join(users(0, 10), " ")), " "), false},
		{"less than half gone", users(0, 10), users(0, 6), false},
		{"half gone", users(0, 10), users(0, 5), true},
		{"all but one gone", users(0, 3), users(0, 1), true},
		{"one of three gone", users(0, 3), users(0, 2), false},
		{"grown by half and twenty", users(0, 10), users(0, 35), false},
		{"grown by one more", users(0, 10), users(0, 36), true},
		{"grown by twenty from one", users(0, 1), users(0, 21), false},
		{"grown by twenty-one from one", users(0, 1), users(0, 22), true},
		{"replaced", users(0, 10), users(10, 10), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := newTestKeeper()
			if test.old != nil {
				k.members = test.old
				k.Refresh(t.Context(), false)
			}
			k.members = test.new
			k.Refresh(t.Context(), false)
			want := len(test.new)
			if test.held {
				want = len(test.old)
			}
			if k.applied != want || errors.Is(k.Status().Err, ErrHeld) != test.held || k.Status().Members != want {
				t.Errorf("in force %d, status %+v; want %d, held %v", k.applied, k.Status(), want, test.held)
			}
			k.Refresh(t.Context(), true)
			if k.applied != len(test.new) || k.Status().Err != nil {
				t.Errorf("after confirmation: in force %d, status %+v", k.applied, k.Status())
			}
		})
	}
}

func TestFailureKeepsTheOldMembers(t *testing.T) {
	k := newTestKeeper()
	k.members = users(0, 10)
	k.Refresh(t.Context(), false)
	at := k.Status().At
	for name, change := range map[string]func(){
		"expansion":  func() { k.err = errors.New("group g@contoso.com: no members") },
		"no mailbox": func() { k.members = nil },
		"policy":     func() { k.refuse = errors.New("refused") },
	} {
		change()
		for _, confirmed := range []bool{false, true} {
			k.Refresh(t.Context(), confirmed)
			if s := k.Status(); k.applied != 10 || s.Members != 10 || s.Err == nil || s.At != at {
				t.Errorf("%s, confirmed %v: in force %d, status %+v", name, confirmed, k.applied, s)
			}
		}
		k.err, k.members, k.refuse = nil, users(0, 10), nil
	}
	k.Refresh(t.Context(), false)
	if k.Status().Err != nil {
		t.Errorf("after recovery: %v", k.Status().Err)
	}
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTestKeeper()
		if !k.Waiting(time.Now()) {
			t.Error("readiness does not wait before the first expansion")
		}
		k.err = errors.New("down")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); k.Run(ctx) }()
		synctest.Wait()
		if calls, _ := k.counts(); calls != 1 || !k.Waiting(time.Now()) {
			t.Errorf("%d expansions at the start, waiting %v", calls, k.Waiting(time.Now()))
		}
		time.Sleep(FirstLimit)
		synctest.Wait()
		if calls, _ := k.counts(); k.Waiting(time.Now()) || calls < 3 {
			t.Errorf("after two minutes: %d expansions, waiting %v", calls, k.Waiting(time.Now()))
		}
		k.set(func() { k.err, k.members = nil, users(0, 10) })
		time.Sleep(Interval)
		synctest.Wait()
		if _, applied := k.counts(); applied != 10 || k.Waiting(time.Now()) {
			t.Errorf("in force %d", applied)
		}
		k.set(func() { k.calls = 0 })
		time.Sleep(4 * Interval)
		synctest.Wait()
		if calls, _ := k.counts(); calls < 3 || calls > 5 {
			t.Errorf("%d expansions in an hour, want about 4", calls)
		}
		k.set(func() { k.members = users(0, 100) })
		time.Sleep(2 * Interval)
		synctest.Wait()
		if _, applied := k.counts(); applied != 10 {
			t.Errorf("in force %d without confirmation", applied)
		}
		k.Confirm()
		synctest.Wait()
		if _, applied := k.counts(); applied != 100 || k.Status().Err != nil {
			t.Errorf("in force %d after confirmation, %v", applied, k.Status().Err)
		}
		cancel()
		<-done
	})
}

// BenchmarkExpandedList measures the decision about a mailbox by a policy with the
// 20,000 members of a group.
func BenchmarkExpandedList(b *testing.B) {
	patterns, err := patternsOf(users(0, 20_000))
	if err != nil {
		b.Fatal(err)
	}
	p, err := policy.New(policy.Config{Allowed: patterns})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if !p.Allows("u7@contoso.com") {
			b.Fatal("not allowed")
		}
	}
}
