package proxy

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// An admissionTest counts the admitted and the refused requests of an
// admission.
type admissionTest struct {
	*admission
	delay    atomic.Int64 // scheduler delay in nanoseconds
	admitted int
	refused  int
	waits    []time.Duration // waits of the requests that were admitted
}

func testAdmission(t *testing.T, test func(a *admissionTest)) {
	synctest.Test(t, func(*testing.T) {
		a := new(admissionTest)
		a.admission = &admission{delay: func() time.Duration { return time.Duration(a.delay.Load()) }}
		time.Sleep(time.Second) // so that the next request adapts the limit
		test(a)
	})
}

// The method "come" starts n requests at the same time. Each request lasts for d
// after its admission.
func (a *admissionTest) come(n int, d time.Duration) {
	for range n {
		go func() {
			began := time.Now()
			err := a.enter(context.Background(), began)
			a.mu.Lock()
			if err != nil {
				a.refused++
				a.mu.Unlock()
				return
			}
			a.admitted++
			a.waits = append(a.waits, time.Since(began))
			a.mu.Unlock()
			time.Sleep(d)
			a.leave(time.Now())
		}()
	}
	synctest.Wait()
}

// expect checks how many requests were admitted and refused since the last call.
func (a *admissionTest) expect(t *testing.T, when string, admitted, refused int) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.admitted != admitted || a.refused != refused {
		t.Errorf("%s: %d admitted and %d refused, want %d and %d", when, a.admitted, a.refused, admitted, refused)
	}
	a.admitted, a.refused = 0, 0
}

func TestSlowExchangeIsNoOverload(t *testing.T) {
	testAdmission(t, func(a *admissionTest) {
		a.delay.Store(int64(maxSchedulerDelay))
		for range 2 {
			a.come(5000, time.Hour)
			time.Sleep(time.Second)
		}
		a.expect(t, "10,000 requests that wait for Exchange", 10000, 0)
		time.Sleep(2 * time.Hour)
	})
}

func TestOverload(t *testing.T) {
	testAdmission(t, func(a *admissionTest) {
		for range 10 { // 1,000 requests per second
			a.come(100, 50*time.Millisecond)
			time.Sleep(admissionInterval)
		}
		a.expect(t, "before", 1000, 0)
		a.come(400, 500*time.Millisecond)
		time.Sleep(50 * time.Millisecond)
		a.expect(t, "a burst without delay", 400, 0)
		a.delay.Store(int64(maxSchedulerDelay + time.Nanosecond))
		time.Sleep(admissionInterval)
		a.come(3000, 500*time.Millisecond)
		time.Sleep(300 * time.Millisecond) // time for the batches in which requests are refused
		synctest.Wait()
		a.mu.Lock()
		if n := a.admitted; n > 0 {
			t.Errorf("%d requests were admitted beyond the limit", n)
		}
		if n := a.refused; n < 900 || n > 2600 { // the bounds allow for any rate of up to 1,000 requests per second in the first part of the test
			t.Errorf("%d of 3,000 requests were refused at once", n)
		}
		waiting := a.waiting.Len()
		if waiting < 400 {
			t.Errorf("%d requests wait", waiting)
		}
		a.mu.Unlock()
		time.Sleep(2*time.Second + admissionInterval)
		synctest.Wait()
		a.mu.Lock()
		if got := a.admitted + a.refused; got != 3000 || a.admitted == 0 {
			t.Errorf("%d of 3,000 requests were admitted or refused, %d admitted", got, a.admitted)
		}
		for _, w := range a.waits {
			if w > 2*time.Second {
				t.Errorf("a request was admitted after %v", w)
			}
		}
		a.admitted, a.refused = 0, 0
		a.mu.Unlock()
		a.delay.Store(int64(0))
		time.Sleep(10 * time.Second)
		a.come(1, 0)
		time.Sleep(admissionInterval)
		a.come(1000, time.Second)
		time.Sleep(200 * time.Millisecond)
		a.expect(t, "after the overload", 1001, 0)
		time.Sleep(time.Minute)
	})
}

// TestLimitFollowsTheDelay checks that the limit becomes half the number of requests
// in progress during an overload. It then rises by about 3 % per interval, and by
// about 12 % if the delay is at most half as long as the longest one.
func TestLimitFollowsTheDelay(t *testing.T) {
	testAdmission(t, func(a *admissionTest) {
		a.come(400, time.Hour)
		time.Sleep(admissionInterval)
		for i, tc := range []struct {
			delay time.Duration
			limit int
		}{
			{maxSchedulerDelay, 0},
			{maxSchedulerDelay + 1, 200},
			{maxSchedulerDelay + 1, 200},
			{maxSchedulerDelay, 408}, // 401 requests are in progress, so the limit rises from 401
			{maxSchedulerDelay/2 + 1, 421},
			{maxSchedulerDelay / 2, 474},
			{0, 534},
		} {
			a.delay.Store(int64(tc.delay))
			a.come(1, time.Hour)
			a.mu.Lock()
			if a.limit != tc.limit {
				t.Errorf("interval %d: limit %d, want %d", i, a.limit, tc.limit)
			}
			a.mu.Unlock()
			time.Sleep(admissionInterval)
		}
		time.Sleep(2 * time.Hour)
	})
}

// TestBurstBeginsInBatches sends thousands of requests before the scheduler delay
// was measured. At most minBatch of them may begin at the same time.
func TestBurstBeginsInBatches(t *testing.T) {
	testAdmission(t, func(a *admissionTest) {
		a.come(minBatch, time.Hour)
		a.expect(t, "as many as a batch has", minBatch, 0)
		time.Sleep(batchTime)
		a.come(5000, time.Hour)
		for range 10 {
			a.expect(t, "a batch", minBatch, 0)
			time.Sleep(batchPause)
			synctest.Wait()
		}
		a.come(1, time.Hour)
		a.expect(t, "the next batch, without the new request", minBatch, 0)
		time.Sleep(time.Second)
		a.expect(t, "the rest", 5001-11*minBatch, 0)
		time.Sleep(2 * time.Hour)
	})
}

// TestBatchFollowsTheRate checks that a batch has twice as many requests as
// usually end within batchTime.
func TestBatchFollowsTheRate(t *testing.T) {
	testAdmission(t, func(a *admissionTest) {
		for range 400 { // 10,000 per second
			a.come(25, 0)
			time.Sleep(2500 * time.Microsecond)
		}
		a.expect(t, "before", 10000, 0)
		time.Sleep(batchTime)
		a.come(1000, time.Hour)
		a.mu.Lock()
		if n := a.admitted; n < 95 || n > 100 {
			t.Errorf("a batch of %d, want 100", n)
		}
		a.mu.Unlock()
		time.Sleep(2 * time.Hour)
	})
}

// TestRefusalsBelongToABatch checks that not all responses to refused requests are
// written at the same time, whether the queue was full or the wait was too long.
func TestRefusalsBelongToABatch(t *testing.T) {
	testAdmission(t, func(a *admissionTest) {
		a.delay.Store(int64(time.Second))
		a.come(minAdmitted, time.Hour)
		time.Sleep(time.Second)
		a.expect(t, "as many as are always admitted", minAdmitted, 0)
		a.come(1000, time.Hour)
		a.expect(t, "a full queue", 0, minBatch)
		time.Sleep(batchPause)
		synctest.Wait()
		a.expect(t, "the next batch", 0, minRefusals)
		time.Sleep(time.Second)
		a.expect(t, "the rest", 0, 1000-minBatch-minRefusals)

		a.mu.Lock()
		a.rate = 2e9 // so high that the queue has room for all requests, even after measurements have halved the rate several times
		a.mu.Unlock()
		a.come(1000, time.Hour)
		time.Sleep(maxAdmissionWait - admissionInterval)
		a.expect(t, "before the longest wait", 0, 0)
		a.mu.Lock()
		a.rate = 1e6 // the number of refusals does not follow the rate
		a.mu.Unlock()
		time.Sleep(admissionInterval + batchPause)
		synctest.Wait()
		a.mu.Lock()
		if n := a.refused; n < minRefusals || n > 2*minRefusals {
			t.Errorf("%d requests were refused at the same time", n)
		}
		a.mu.Unlock()
		time.Sleep(time.Second)
		a.expect(t, "all", 0, 1000)
		time.Sleep(2 * time.Hour)
	})
}

// TestFewRequestsAreAlwaysAdmitted checks that minAdmitted requests are
// admitted during an overload, and that one more request is refused.
func TestFewRequestsAreAlwaysAdmitted(t *testing.T) {
	testAdmission(t, func(a *admissionTest) {
		a.delay.Store(int64(time.Second))
		a.come(minAdmitted, time.Hour)
		time.Sleep(time.Second)
		a.expect(t, "as many as are always admitted", minAdmitted, 0)
		a.come(1, time.Hour)
		time.Sleep(2*time.Second + admissionInterval)
		a.expect(t, "one more", 0, 1)
		time.Sleep(2 * time.Hour)
	})
}

// TestAbandonedPlace checks that a waiting request whose client leaves is removed
// from the queue, and does not count as a request in progress.
func TestAbandonedPlace(t *testing.T) {
	testAdmission(t, func(a *admissionTest) {
		a.rate = 100
		a.delay.Store(int64(time.Second))
		a.come(minAdmitted, time.Minute)
		time.Sleep(admissionInterval)
		ctx, cancel := context.WithCancel(context.Background())
		left := make(chan error)
		go func() { left <- a.enter(ctx, time.Now()) }()
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		time.Sleep(2 * time.Minute)
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.running != 0 || a.waiting.Len() != 0 {
			t.Errorf("%d requests run and %d wait", a.running, a.waiting.Len())
		}
	})
}
