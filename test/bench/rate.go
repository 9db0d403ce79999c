//go:build linux

package main

import (
	"cmp"
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

// perSecond is a moderate rate, far below the capacity of every peer.
const perSecond = 500

func rateMetric(what string) metric {
	return metric{fmt.Sprintf("%s at %d requests/s", what, perSecond), "µs"}
}

// rate measures each peer with requests that are sent at fixed times, whether or
// not the responses to earlier requests have arrived.
func (b *bench) rate(ctx context.Context) error {
	all, stop, err := b.launchAll(ctx, b.direct)
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

// sent returns the number of requests that one measurement sends at the rate
// perSecond.
func (b *bench) sent() int { return perSecond * b.pick(3, 1) }

// atRate measures one target and returns the median latency. Each latency
// counts from the scheduled time of the request, so that a stall also counts
// for the requests that it delays.
func (b *bench) atRate(ctx context.Context, name, base string, m message) (p50 time.Duration, err error) {
	client := &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: workers, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // every worker can keep a connection, because MaxIdleConnsPerHost is the number of workers
	}}
	defer client.CloseIdleConnections()
	if _, _, err := pace(ctx, client, base, m, workers); err != nil { // open the connections
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	late, took, err := pace(ctx, client, base, m, b.sent())
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	b.late = append(b.late, late...)
	slices.Sort(took)
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	b.results.add(rateMetric("p50"), name, micro(p50))
	b.results.add(rateMetric("p99"), name, micro(p99))
	return p50, nil
}

// workers is the largest number of concurrent requests.
const workers = 16

// pace sends requests at their scheduled times, as many as count says. For each
// request it returns how late the request was sent and when its response came.
// Both times are counted from the scheduled time.
func pace(ctx context.Context, client *http.Client, base string, m message, count int) (late, took []time.Duration, err error) {
	due := make(chan time.Time, count)
	var mu sync.Mutex
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for at := range due {
				behind := time.Since(at)
				failed := good(ctx, client, base, m)
				mu.Lock()
				late, took = append(late, behind), append(took, time.Since(at))
				err = cmp.Or(err, failed)
				mu.Unlock()
			}
		})
	}
	inTime(count, due)
	all.Wait()
	return late, took, err
}

// good posts a message. A status other than 200 is an error.
func good(ctx context.Context, client *http.Client, base string, m message) error {
	status, _, err := post(ctx, client, base, m)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("a request got %d", status)
	}
	return err
}

// spin is slightly longer than a processor needs to wake up.
const spin = 100 * time.Microsecond

// inTime schedules the given number of requests at the rate perSecond. It sends
// each scheduled time to the channel "due" when that time has come. time.Sleep is
// late by up to half a millisecond and nanosleep by 30 µs, so the end of each
// wait is a busy loop.
func inTime(count int, due chan<- time.Time) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // set the timer slack of this thread to 1 ns
	defer close(due)
	began := time.Now()
	for i := range count {
		at := began.Add(time.Duration(i) * time.Second / perSecond)
		for wait := time.Until(at) - spin; wait > 0; wait = time.Until(at) - spin {
			pause := unix.NsecToTimespec(int64(wait))
			_ = unix.Nanosleep(&pause, nil)
		}
		for time.Until(at) > 0 {
		}
		due <- at
	}
}
