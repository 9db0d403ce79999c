//go:build linux

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// A fault is one case: a failure of the network and the limits that must hold.
type fault struct {
	name      string
	group     string // faults of a group run one after another; the groups run at the same time
	corporate string // scheme of the corporate proxy's URL; "": hmaproxy connects to Exchange directly
	nginx     bool   // the case also runs with nginx, for comparison
	files     int    // hmaproxy's limit of open files; 0 means manyFiles
	run       func(w *environment) ([]bound, error)
}

// A bound is a measured duration and its limit.
type bound struct {
	What        string
	Took, Limit time.Duration
}

// never is the duration of a request that did not succeed.
const never = time.Hour

var rtt = faults{delay: 10 * time.Millisecond}

var allFaults = []fault{
	{name: "none", nginx: true, run: func(w *environment) ([]bound, error) {
		return []bound{{"longest of 200 requests", w.many(200, request{size: 1000}, 0), 2 * time.Second}}, nil
	}},
	{name: "loss", nginx: true, run: func(w *environment) ([]bound, error) {
		w.link.set(faults{delay: 10 * time.Millisecond, loss: 0.02})
		return []bound{{"longest of 200 requests at 2 % loss", w.many(200, request{size: 5000}, 0), 10 * time.Second}}, nil
	}},
	{name: "dead-first-address", run: func(w *environment) ([]bound, error) {
		w.names.set(0, unreachable, exchangeA)
		return []bound{{"first request", w.mustSucceed(request{}), time.Second}}, nil
	}},
	{name: "black-hole", run: func(w *environment) ([]bound, error) {
		w.names.set(0, unreachable)
		o := w.send(w.ctx, request{})
		return []bound{{"until the fault", o.took, 10 * time.Second}}, expect(o, "upstream-unreachable")
	}},
	{name: "lost-query", run: lostQuery},
	{name: "changed-address", group: "lost", nginx: true, run: changedAddress},
	{name: "blackout", group: "blackout", nginx: true, run: blackout(500*time.Millisecond, 30*time.Second)},
	{name: "long-blackout", group: "blackout", nginx: true, run: blackout(29*time.Second, 60*time.Second)},
	{name: "client-gave-up", nginx: true, run: clientGaveUp},
	{name: "dead-peer", group: "lost", nginx: true, run: deadPeer},
	{name: "stop-under-streams", run: stopUnderStreams},
	{name: "idle-full-listener", files: fewFiles, run: idleFullListener},
	{name: "proxy-none", group: "proxy", corporate: "http", run: func(w *environment) ([]bound, error) {
		return []bound{{"longest of 200 requests", w.many(200, request{size: 1000}, 0), 2 * time.Second}}, nil
	}},
	{name: "proxy-dead-first-address", group: "proxy", corporate: "http", run: func(w *environment) ([]bound, error) {
		w.names.set(0, unreachable, exchangeA)
		return []bound{{"first request", w.mustSucceed(request{}), time.Second}}, nil
	}},
	{name: "proxy-black-hole", group: "proxy", corporate: "http", run: func(w *environment) ([]bound, error) {
		w.names.set(0, unreachable)
		o := w.send(w.ctx, request{})
		return []bound{{"until the fault", o.took, 10 * time.Second}}, expect(o, "upstream-unreachable")
	}},
	{name: "proxy-changed-address", group: "proxy-lost", corporate: "http", run: changedAddress},
	{name: "proxy-blackout", group: "proxy-lost", corporate: "http", run: blackout(500*time.Millisecond, 30*time.Second)},
	{name: "proxy-client-gave-up", group: "proxy", corporate: "http", run: clientGaveUp},
	{name: "proxy-dead-peer", group: "proxy-lost", corporate: "http", run: deadPeer},
	{name: "proxy-lost-query", group: "proxy", corporate: "http", run: lostQuery},
	{name: "https-proxy-dead-peer", group: "other-proxies", corporate: "https", run: deadPeer},
	{name: "socks5-proxy-dead-peer", group: "other-proxies", corporate: "socks5", run: deadPeer},
	{name: "slow-line", group: "slow-line", nginx: true, run: slowLine},
	{name: "proxy-slow-line", group: "proxy-slow-line", corporate: "http", run: slowLine},
}

// lostQuery loses the first two DNS queries, for A and for AAAA.
func lostQuery(w *environment) ([]bound, error) {
	w.names.set(2, exchangeA)
	return []bound{{"first request", w.mustSucceed(request{}), 2 * time.Second}}, nil
}

// slowLine sends long uploads over a line of 256 kbit/s. It carries 15 MB in 7 min
// 50 s, and in about 8 min 10 s with the headers of the packets.
func slowLine(w *environment) ([]bound, error) {
	w.link.set(faults{delay: 20 * time.Millisecond, rate: 32 << 10})
	return []bound{{"10 uploads of 1.5 MB at 256 kbit/s", w.parallel(10, request{size: 1500 << 10}), 9 * time.Minute}}, nil
}

// stopUnderStreams stops hmaproxy while streams and a short request are in
// progress.
func stopUnderStreams(w *environment) ([]bound, error) {
	const streams, think = 20, 3 * time.Second
	ended := make(chan outcome, streams)
	for range streams {
		go func() { ended <- w.send(w.ctx, request{stream: true, think: 5 * time.Minute}) }()
	}
	w.pause(2 * time.Second)
	short := make(chan outcome, 1)
	go func() { short <- w.send(w.ctx, request{think: think}) }()
	w.pause(200 * time.Millisecond)
	began := time.Now()
	err := w.proxy.process.Process.Signal(syscall.SIGTERM)
	var problems []error
	for range streams {
		problems = append(problems, expect(<-ended, "ended"))
	}
	streamsEnded := time.Since(began)
	problems = append(problems, err, expect(<-short, "ok"), w.proxy.process.Wait())
	w.proxy = nil
	return []bound{{"end of the streams", streamsEnded, time.Second}, {"end of the process", time.Since(began), think + time.Second}}, errors.Join(problems...)
}

// fewFiles is a limit on open files that leaves 256 connections for clients.
const fewFiles = 1024

// idleFullListener makes one request on each of 300 connections, which it
// leaves idle. hmaproxy can have only 256 connections of clients. A new client
// must be served nevertheless.
func idleFullListener(w *environment) ([]bound, error) {
	for range 300 {
		idle := &http.Client{Transport: w.proxy.transport()}
		defer idle.CloseIdleConnections()
		resp, err := idle.Get("http://" + w.proxy.address + "/EWS/Exchange.asmx")
		if err != nil {
			return nil, err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return nil, errors.New("the response to GET is " + resp.Status)
		}
	}
	return []bound{{"a new client", w.mustSucceed(request{}), time.Second}}, nil
}

// changedAddress moves Exchange to another address while connections to the old
// one are idle.
func changedAddress(w *environment) ([]bound, error) {
	w.mustSucceed(request{})
	w.names.set(0, exchangeB)
	w.link.set(faults{delay: rtt.delay, dead: map[netip.Addr]bool{exchangeA: true}})
	first := w.send(w.ctx, request{})
	next := w.mustSucceed(request{})
	return []bound{{"first failure", first.took, 65 * time.Second}, {"next request", next, time.Second}}, nil
}

// blackout returns a fault that interrupts the link for the given time. Exchange
// works on one request during that time, and on its connection nothing was sent for
// the time "quiet" before. It responds after the end of the blackout. So no side has
// unacknowledged bytes of that request, and its response comes without delay. If
// Exchange responded during the blackout, the back-off of Exchange's TCP would delay
// the response by up to the length of the blackout.
//
// Another request is sent at the beginning of the blackout on an open connection. Its
// bytes are not acknowledged before the end.
func blackout(quiet, lasts time.Duration) func(*environment) ([]bound, error) {
	return func(w *environment) ([]bound, error) {
		var during sync.WaitGroup
		var thinking, unacknowledged outcome
		thought, acknowledged := make(chan struct{}), make(chan struct{})
		go func() { thinking = w.send(w.ctx, request{think: quiet + lasts + 2*time.Second}); close(thought) }()
		w.pause(quiet)
		w.mustSucceed(request{}) // leaves an idle connection
		w.link.set(faults{down: true})
		began := time.Now()
		go func() { unacknowledged = w.send(w.ctx, request{}); close(acknowledged) }()
		w.pause(100 * time.Millisecond)
		var mu sync.Mutex
		var longest time.Duration
		for range 5 { // requests on new connections
			during.Go(func() {
				o := w.send(w.ctx, request{})
				mu.Lock()
				defer mu.Unlock()
				longest = max(longest, o.took)
			})
			w.pause(time.Second)
		}
		w.pause(time.Until(began.Add(lasts)))
		w.link.set(rtt)
		returned := time.Now()
		for w.send(w.ctx, request{}).what != "ok" && time.Since(returned) < time.Minute {
			w.pause(50 * time.Millisecond)
		}
		recovery := time.Since(returned)
		<-thought
		responded := time.Since(returned)
		during.Wait()
		<-acknowledged
		w.require(thinking, "ok")
		bounds := []bound{{"longest request during it", longest, 65 * time.Second}, {"first success after the end", recovery, 5 * time.Second},
			{"response of a request in progress", responded, 5 * time.Second}}
		if canLimitBackOff() {
			w.require(unacknowledged, "ok")
			bounds = append(bounds, bound{"request without acknowledgements, after the end", unacknowledged.ended.Sub(returned), 5 * time.Second})
		} else {
			fmt.Println("NOT CHECKED: the end of a request without acknowledgements; this kernel has no TCP_RTO_MAX_MS (Linux 6.15)")
		}
		return bounds, nil
	}
}

// canLimitBackOff reports whether the kernel has the option that limits the pause
// between two retransmissions.
func canLimitBackOff() bool {
	const rtoMaxMS = 44 // TCP_RTO_MAX_MS
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return false
	}
	defer syscall.Close(fd)
	return syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, rtoMaxMS, 4000) == nil
}

// clientGaveUp interrupts the link while long uploads are in progress, and before
// short ones begin. Their clients give up during the blackout. Exchange must not
// execute any of these requests later.
func clientGaveUp(w *environment) ([]bound, error) {
	const uploads = 3                                             // of each length
	w.parallel(2*uploads, request{think: 200 * time.Millisecond}) // leaves idle connections
	w.link.set(faults{delay: rtt.delay, rate: 64 << 10})          // less than a third of the long uploads passes before the blackout
	before := w.ids.Load()
	var all sync.WaitGroup
	upload := func(size int, timeout time.Duration) {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(w.ctx, timeout)
			defer cancel()
			w.send(ctx, request{size: size})
		})
	}
	for range uploads {
		upload(500<<10, 6*time.Second)
	}
	w.pause(2 * time.Second)
	w.link.set(faults{down: true})
	for range uploads {
		upload(20<<10, 2*time.Second)
	}
	all.Wait()
	w.pause(2 * time.Second)
	w.link.set(rtt)
	w.pause(15 * time.Second)
	ledger, err := w.ledger()
	if err != nil {
		return nil, err
	}
	delivered := 0
	for i := before + 1; i <= before+2*uploads; i++ {
		delivered += ledger[requestID(i)]
	}
	if delivered > 0 {
		return nil, fmt.Errorf("%d requests were delivered after their clients had given up", delivered)
	}
	return []bound{{"next request", w.mustSucceed(request{}), 5 * time.Second}}, nil
}

// deadPeer drops the packets of all open connections, like a firewall that has
// lost its state. New connections work.
func deadPeer(w *environment) ([]bound, error) {
	w.parallel(4, request{think: 200 * time.Millisecond}) // leaves four idle connections
	streamEnded := make(chan time.Time, 1)
	began := make(chan struct{})
	go func() {
		close(began)
		w.send(w.ctx, request{stream: true, think: 5 * time.Minute})
		streamEnded <- time.Now()
	}()
	<-began
	w.pause(3 * time.Second)
	w.link.forget()
	lost := time.Now()
	upload := make(chan outcome, 1)
	go func() { upload <- w.send(w.ctx, request{size: 300 << 10}) }()
	first := w.send(w.ctx, request{})
	uploaded := <-upload
	next := w.mustSucceed(request{})
	stream := (<-streamEnded).Sub(lost)
	if stream < 0 {
		return nil, errors.New("the stream ended before its connection was lost")
	}
	return []bound{{"request on a dead connection", first.took, 65 * time.Second}, {"upload on a dead connection", uploaded.took, 65 * time.Second}, {"next request", next, 5 * time.Second},
		{"end of a stream", stream, 65 * time.Second}}, nil
}

// The method "many" sends n requests one after another, with a pause after
// each, and returns the longest time. It records the requests that fail.
func (w *environment) many(n int, r request, pause time.Duration) (longest time.Duration) {
	for range n {
		longest = max(longest, w.require(w.send(w.ctx, r), "ok").took)
		w.pause(pause)
	}
	return longest
}

// parallel sends n requests at the same time and returns the longest time. It
// records the requests that fail.
func (w *environment) parallel(n int, r request) (longest time.Duration) {
	var all sync.WaitGroup
	var mu sync.Mutex
	for range n {
		all.Go(func() {
			o := w.require(w.send(w.ctx, r), "ok")
			mu.Lock()
			defer mu.Unlock()
			longest = max(longest, o.took)
		})
	}
	all.Wait()
	return longest
}

// pause waits until d has passed or the run is ended.
func (w *environment) pause(d time.Duration) { pauseFor(w.ctx, d) }

// mustSucceed sends a request and returns its duration. If the request fails,
// it records the failure and returns the constant "never".
func (w *environment) mustSucceed(r request) time.Duration {
	o := w.require(w.send(w.ctx, r), "ok")
	if o.what != "ok" {
		return never
	}
	return o.took
}

// A failure counts requests that had to end in one way and ended in another.
type failure struct {
	want, got string
	count     int
	longest   time.Duration
}

func (f failure) String() string {
	return fmt.Sprintf("%d requests: got %s, want %s, after at most %v", f.count, f.got, f.want, f.longest.Round(time.Millisecond))
}

// require records a failure if the outcome is not the wanted one. It returns the
// outcome.
func (w *environment) require(o outcome, want string) outcome {
	if o.what == want {
		return o
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.failures, func(f failure) bool { return f.want == want && f.got == o.what })
	if i < 0 {
		i = len(w.failures)
		w.failures = append(w.failures, failure{want: want, got: o.what})
	}
	w.failures[i].count++
	w.failures[i].longest = max(w.failures[i].longest, o.took)
	return o
}

func expect(o outcome, what string) error {
	if o.what != what {
		return fmt.Errorf("got %s, want %s", o.what, what)
	}
	return nil
}

// manyFiles is a limit of open files that is never reached.
const manyFiles = 8192

// runFaults runs the faults of a plan, and writes their results to standard output.
func (w *environment) runFaults(p plan) error {
	bad := 0
	for _, f := range allFaults {
		if !p.has(f.name) {
			continue
		}
		w.link.set(rtt)
		w.names.set(0, exchangeA)
		if err := w.startProxy(cmp.Or(f.files, manyFiles), f.corporate); err != nil {
			return err
		}
		r, err := w.measure(f)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
			return err
		}
		if !r.good() {
			bad++
		}
	}
	if bad > 0 && !p.nginx {
		return fmt.Errorf("%d faults have failed checks", bad)
	}
	return nil
}

// measure runs a fault with a proxy that has just started.
func (w *environment) measure(f fault) (result, error) {
	w.failures = nil
	before, began := w.ids.Load(), time.Now()
	bounds, problem := f.run(w)
	restored, interrupted := w.link.restoredAfter(began)
	w.link.set(rtt)
	if w.ctx.Err() != nil {
		return result{}, w.ctx.Err()
	}
	r, err := w.check(f.name, before, bounds)
	if err != nil {
		return result{}, err
	}
	if interrupted {
		r.Recovery = w.recovery(before, restored)
	}
	for _, failure := range w.failures {
		r.Problems = append(r.Problems, failure.String())
	}
	if problem != nil {
		r.Problems = append(r.Problems, problem.Error())
	}
	return r, nil
}

// recovery returns the time to the first success since "restored", or since the
// start of the first request after it if none was in progress then. It returns 0
// if no request ended later, and "never" if none of them succeeded. The parameter
// "before" is the same as that of check.
func (w *environment) recovery(before int64, restored time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var began, succeeded time.Time
	for i := before + 1; i <= w.ids.Load(); i++ {
		o := w.outcomes[requestID(i)]
		if !o.ended.After(restored) {
			continue
		}
		if start := o.ended.Add(-o.took); began.IsZero() || start.Before(began) {
			began = start
		}
		if o.what == "ok" && (succeeded.IsZero() || o.ended.Before(succeeded)) {
			succeeded = o.ended
		}
	}
	switch {
	case began.IsZero():
		return 0
	case succeeded.IsZero():
		return never
	case began.After(restored):
		return succeeded.Sub(began)
	}
	return succeeded.Sub(restored)
}

// check compares the outcomes of a fault's requests with Exchange's ledger. The
// parameter "before" is the number of the last request that was sent before the
// fault.
func (w *environment) check(name string, before int64, bounds []bound) (result, error) {
	ledger, err := w.ledger()
	if err != nil {
		return result{}, err
	}
	r := result{Fault: name, Nginx: w.nginx, Bounds: bounds}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := before + 1; i <= w.ids.Load(); i++ {
		id := requestID(i)
		o, executions := w.outcomes[id], ledger[id]
		r.Requests++
		r.Longest = max(r.Longest, o.waited)
		switch {
		case executions > 1:
			r.Doubled++
		case o.executed == "yes" && executions == 0:
			r.Lost++
		case o.wrong, o.executed == "no" && executions > 0:
			r.Wrong++
		}
	}
	return r, nil
}
