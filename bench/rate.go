//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// perSecond is a moderate rate: no peer is anywhere near its end.
const perSecond = 500

func rateMetric(what string) metric {
	return metric{fmt.Sprintf("%s at %d requests/s", what, perSecond), "µs"}
}

// rate sends at fixed times, whether or not the answers before have come.
func (b *bench) rate(ctx context.Context) error {
	all, stop, err := b.launchVerified(ctx)
	if err != nil {
		return err
	}
	defer stop()
	for round := range b.rounds {
		b.progress("rate, round %d of %d", round+1, b.rounds)
		straight := request()
		straight.authorization = "Bearer " + b.token
		base, err := b.atRate(ctx, direct, "https://"+b.direct, straight)
		if err != nil {
			return err
		}
		for _, i := range inTurn(round, all) {
			before := i.cpu()
			p50, err := b.atRate(ctx, i.name, i.url(), request())
			if err != nil {
				return err
			}
			used := i.cpu() - before
			b.results.add(rateMetric("CPU per request"), i.name, micro(used)/float64(b.sent()))
			b.results.add(rateMetric("p50 added"), i.name, micro(p50-base))
		}
	}
	return nil
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// sent is how many requests a run has.
func (b *bench) sent() int { return perSecond * b.pick(3, 1) }

// atRate measures one target and returns the p50. Each latency counts from the
// time that the request was meant to go out, so that a stall is seen by all who
// would have met it.
func (b *bench) atRate(ctx context.Context, name, base string, m message) (p50 time.Duration, err error) {
	client := &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: workers, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // as wrk does
	}}
	defer client.CloseIdleConnections()
	if err := b.spread(ctx, client, base, m, workers, new([]time.Duration)); err != nil { // opens the connections
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	var took []time.Duration
	if err := b.spread(ctx, client, base, m, b.sent(), &took); err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	slices.Sort(took)
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	b.results.add(rateMetric("p50"), name, micro(p50))
	b.results.add(rateMetric("p99"), name, micro(p99))
	return p50, nil
}

// workers is how many requests may be under way.
const workers = 16

// spread sends count requests at their times and appends how long each took.
func (b *bench) spread(ctx context.Context, client *http.Client, base string, m message, count int, took *[]time.Duration) error {
	due := make(chan time.Time, count)
	var mu sync.Mutex
	var first error
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for at := range due {
				status, _, err := post(ctx, client, base, m)
				if err == nil && status != http.StatusOK {
					err = fmt.Errorf("a request got %d", status)
				}
				mu.Lock()
				if first == nil {
					first = err
				}
				*took = append(*took, time.Since(at))
				mu.Unlock()
			}
		})
	}
	late := inTime(count, due)
	all.Wait()
	if count > workers {
		b.results.add(rateMetric("lateness of the sender"), direct, micro(late))
	}
	return first
}

// inTime names count times as they come, closes due, and returns the median of
// how late it was. time.Sleep would be late by half a millisecond.
func inTime(count int, due chan<- time.Time) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // in ns; of this thread
	defer close(due)
	late := make([]time.Duration, count)
	began := time.Now()
	for i := range late {
		at := began.Add(time.Duration(i) * time.Second / perSecond)
		for wait := time.Until(at); wait > 0; wait = time.Until(at) {
			pause := unix.NsecToTimespec(int64(wait))
			_ = unix.Nanosleep(&pause, nil)
		}
		due <- at
		late[i] = time.Since(at)
	}
	slices.Sort(late)
	return late[count/2]
}
