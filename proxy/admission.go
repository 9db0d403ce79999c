package proxy

import (
	"container/list"
	"context"
	"errors"
	"runtime"
	"sync"
	"time"
)

// An admission limits the requests in progress while the process has more work
// than its processors can do. Otherwise all requests would be slow, including
// requests to the admin listener. The limit adapts to how long goroutines wait
// for a processor. Requests above the limit wait in the order of their arrival.
// The queue has room for as many requests as can be served within
// maxAdmissionWait at the current rate. Further requests are refused. A slow
// Exchange is not an overload, because requests that wait for Exchange need no
// processor.
//
// The measured delay is known too late if thousands of requests arrive at the same
// time. So requests begin in batches, even if there is no limit. The next batch
// begins after other runnable goroutines have had a turn, among them those of the
// admin listener. Not all requests that are refused get their response at the same
// time either, because a response needs a processor.
//
// An admission is safe for concurrent use.
type admission struct {
	delay func() time.Duration // returns how long goroutines wait for a processor; nil: the admission has no limit

	mu      sync.Mutex
	running int       // number of requests in progress
	limit   int       // limit of running; 0: no limit
	waiting list.List // list of *waiter, in the order of arrival
	excess  list.List // list of *waiter that will be refused, some with each batch
	ticking bool      // tick is scheduled
	opened  time.Time // time when the batch began
	batched int       // number of requests of the batch
	checked time.Time // time when limit and rate were last adapted
	ended   int       // number of requests that have ended since the time in checked
	rate    float64   // number of requests that end per second
}

// A waiter is a request in one of the two queues: waiting or excess.
type waiter struct {
	since    time.Time
	admitted chan bool // receives one value: whether the request is admitted
}

// errOverload means that a request was not admitted, because the processors are
// overloaded.
var errOverload = errors.New("more requests than can be served within two seconds")

// enter waits until a request is admitted. Then the caller must call leave when the
// request ends. enter returns errOverload if the queue is full or the request is not
// admitted within maxAdmissionWait, and ctx.Err() if ctx ends first.
func (a *admission) enter(ctx context.Context, now time.Time) error {
	if a.delay == nil {
		return nil
	}
	place, err := a.queue(now)
	if place == nil {
		return err
	}
	w := place.Value.(*waiter)
	select {
	case admitted := <-w.admitted:
		if !admitted {
			return errOverload
		}
		return nil
	case <-ctx.Done():
		a.abandon(place)
		return ctx.Err()
	}
}

// queue admits or refuses a request immediately, or puts it in a queue. place is
// nil unless the request was put in a queue. err is errOverload if the request was
// refused.
func (a *admission) queue(now time.Time) (place *list.Element, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.adapt(now)
	if !a.ticking && now.Sub(a.opened) >= batchTime {
		a.opened, a.batched = now, 0
	}
	queue := &a.waiting
	switch full := a.limit > 0 && float64(a.running+a.waiting.Len()) >= float64(a.limit)+a.rate*maxAdmissionWait.Seconds(); {
	case a.waiting.Len() == 0 && a.mayAdmit():
		a.running++
		a.batched++
		return nil, nil
	case full && a.excess.Len() == 0 && a.batched < a.batch():
		a.batched++
		return nil, errOverload
	case full:
		queue = &a.excess
	}
	a.schedule()
	return queue.PushBack(&waiter{now, make(chan bool, 1)}), nil
}

// abandon removes a request whose client has left. If the request was admitted
// at the same moment, abandon ends it.
func (a *admission) abandon(place *list.Element) {
	a.mu.Lock()
	a.waiting.Remove(place) // has no effect on an element of the other list
	a.excess.Remove(place)
	a.mu.Unlock()
	select {
	case admitted := <-place.Value.(*waiter).admitted:
		if admitted {
			a.leave(time.Now())
		}
	default:
	}
}

// leave ends a request that was admitted.
func (a *admission) leave(now time.Time) {
	if a.delay == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running--
	a.ended++
	a.adapt(now)
	a.admit()
}

// tick begins a batch: it adapts the limit, admits requests, and refuses some of
// those that have waited for too long. Thousands of requests can begin to wait at
// the same time. Their refusals are spread over some seconds, so that they do not delay
// other goroutines. tick schedules itself again while requests wait, so that
// they are admitted even if no other request arrives or ends.
func (a *admission) tick() {
	runtime.Gosched() // let goroutines of the previous batch run first
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.ticking, a.opened, a.batched = false, now, 0
	a.adapt(now)
	a.admit()
	for e := a.waiting.Front(); e != nil && now.Sub(e.Value.(*waiter).since) >= maxAdmissionWait; e = a.waiting.Front() {
		a.excess.PushBack(a.waiting.Remove(e))
	}
	for range min(a.excess.Len(), max(minRefusals, a.excess.Len()/512)) {
		a.batched++
		a.excess.Remove(a.excess.Front()).(*waiter).admitted <- false
	}
	if a.waiting.Len()+a.excess.Len() > 0 {
		a.schedule()
	}
}

// schedule makes the timer call tick after batchPause, unless the timer is already
// running. The caller of schedule, admit or adapt must hold a.mu.
func (a *admission) schedule() {
	if !a.ticking {
		a.ticking = true
		time.AfterFunc(batchPause, a.tick)
	}
}

// batch returns the number of requests of a batch: twice as many as usually end
// within batchTime, but at least minBatch.
func (a *admission) batch() int {
	return max(minBatch, int(2*a.rate*batchTime.Seconds()))
}

// mayAdmit reports whether the limit and the batch permit one more request.
func (a *admission) mayAdmit() bool {
	return (a.limit == 0 || a.running < a.limit) && a.batched < a.batch()
}

// admit admits as many waiting requests as mayAdmit permits.
func (a *admission) admit() {
	for a.waiting.Len() > 0 && a.mayAdmit() {
		a.running++
		a.batched++
		a.waiting.Remove(a.waiting.Front()).(*waiter).admitted <- true
	}
}

// adapt adapts the limit and the rate, at most once per admissionInterval.
func (a *admission) adapt(now time.Time) {
	passed := now.Sub(a.checked)
	if passed < admissionInterval {
		return
	}
	rate := float64(a.ended) / passed.Seconds()
	a.checked, a.ended = now, 0
	if a.rate = (a.rate + rate) / 2; a.limit == 0 {
		a.rate = max(a.rate, rate)
	}
	switch delay := a.delay(); {
	case delay > maxSchedulerDelay:
		a.limit = max(minAdmitted, a.running/2)
	case a.limit == 0:
	case a.waiting.Len() == 0 && a.running < a.limit/2:
		a.limit = 0
	case delay > maxSchedulerDelay/2: // rise slowly, because the processors are nearly overloaded
		a.limit = max(a.limit, a.running) + a.limit/32 + 1
	default:
		a.limit = max(a.limit, a.running) + a.limit/8 + 1
	}
}
