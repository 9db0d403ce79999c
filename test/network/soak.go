//go:build linux

package main

import (
	"context"
	"fmt"
	mathrand "math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

const (
	soakClients = 8
	// soakCalm is the time without faults between two faults.
	soakCalm = 10 * time.Second
	// soakRecovery is the time after a fault during which a new request may
	// still fail.
	soakRecovery = 5 * time.Second
)

// soak applies random faults while clients send requests. Afterwards it checks
// that no request was lost, executed twice or given another request's response.
// After each fault, a new request must succeed within soakRecovery.
func (w *environment) soak(p plan) error {
	if err := w.startProxy(manyFiles, ""); err != nil {
		return err
	}
	random := mathrand.New(mathrand.NewPCG(p.seed, 1))
	sending, stop := context.WithCancel(w.ctx)
	var clients sync.WaitGroup
	for i := range soakClients {
		own := mathrand.New(mathrand.NewPCG(p.seed, uint64(i)+2))
		clients.Go(func() { w.sendUntil(sending, own) })
	}
	count, late := 0, 0
	for end := time.Now().Add(p.soak); time.Now().Before(end) && w.ctx.Err() == nil; count++ {
		name, lasts := w.randomFault(random)
		pauseFor(w.ctx, lasts)
		w.link.set(rtt)
		w.names.set(0, exchangeA)
		began := time.Now()
		o := w.send(w.ctx, request{})
		for o.what != "ok" && time.Since(began) < time.Minute && w.ctx.Err() == nil {
			o = w.send(w.ctx, request{})
		}
		if took := time.Since(began); o.what != "ok" || took > soakRecovery {
			fmt.Printf("after %s for %v: %s, recovered after %v\n", name, lasts.Round(time.Millisecond), o.what, took.Round(time.Millisecond))
			late++
		}
		pauseFor(w.ctx, soakCalm)
	}
	stop()
	clients.Wait()
	r, err := w.check("soak", 0, nil)
	if err != nil {
		return err
	}
	fmt.Println(r)
	fmt.Printf("%d faults, %d times no recovery within %v\n", count, late, soakRecovery)
	if !r.good() || late > 0 {
		return fmt.Errorf("the soak of %v with -seed %d found errors", p.soak, p.seed)
	}
	return nil
}

// sendUntil sends requests until ctx ends.
func (w *environment) sendUntil(ctx context.Context, random *mathrand.Rand) {
	for ctx.Err() == nil {
		r := request{size: random.IntN(40 << 10), think: time.Duration(random.IntN(200)) * time.Millisecond}
		if random.IntN(20) == 0 {
			r.size = random.IntN(1 << 20)
		}
		w.send(w.ctx, r)
		pauseFor(ctx, time.Duration(random.IntN(100))*time.Millisecond)
	}
}

// randomFault begins a fault and returns its name and duration.
func (w *environment) randomFault(random *mathrand.Rand) (name string, lasts time.Duration) {
	lasts = time.Second + time.Duration(random.Int64N(int64(9*time.Second)))
	switch random.IntN(6) {
	case 0:
		w.link.set(faults{delay: rtt.delay, loss: 0.01 + 0.1*random.Float64()})
		return "loss", lasts
	case 1:
		w.link.set(faults{delay: time.Duration(random.IntN(500)) * time.Millisecond})
		return "delay", lasts
	case 2:
		w.link.set(faults{down: true})
		return "blackout", lasts
	case 3:
		w.link.set(faults{delay: rtt.delay, rate: 16<<10 + random.IntN(100<<10)})
		return "slow line", lasts
	case 4:
		w.names.set(random.IntN(4), exchangeA)
		return "lost queries", lasts
	}
	w.names.set(0, exchangeB)
	w.link.set(faults{delay: rtt.delay, dead: map[netip.Addr]bool{exchangeA: true}})
	return "another address", lasts
}

// pauseFor waits until d has passed or ctx ends.
func pauseFor(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
