//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A load is traffic for hmaproxy, and the check of its outcomes.
type load struct {
	name    string
	what    string
	limited bool // hmaproxy runs in the control group
	// run sends the traffic, returns when it has ended, and counts the outcomes
	// of the requests in t.
	run func(w *environment, t *tally)
	// check returns what is wrong with the outcomes. nil: all outcomes are
	// permitted.
	check func(w *environment, load, mail, probes *tally) []string
}

// mailBound is how long a short request may take under any load. Thousands of
// other clients may wait for a connection before the client of that request.
const mailBound = 10 * time.Second

var loads = []load{
	{"none", "mail alone", true, func(w *environment, _ *tally) { pause(w.ctx, 5*time.Second) }, nil},
	{"uploads", "400 concurrent uploads of 4 MiB, which Exchange takes slowly", true, func(w *environment, t *tally) {
		w.slow.Store(true)
		text := envelope(4 << 20)
		time.AfterFunc(20*time.Second, func() { w.slow.Store(false) })
		parallel(400, func(int) { upload(w.ctx, t, text) })
	}, servedOrBusy()},
	{"unfinished-heads", "1,500 heads of 100 KiB that do not end", true, func(w *environment, t *tally) {
		text := strings.TrimSuffix(head(1000), "\r\n\r\n") + "\r\nX-Long: " + strings.Repeat("x", 100<<10)
		parallel(1500, func(int) { halfOpen(w.ctx, t, text) })
	}, servedOrBusy("408 ")}, // outcomeOf returns "408 " for a client whose head is incomplete after 10 s
	{"half-open-posts", "6,000 POSTs of which the body does not end", true, func(w *environment, t *tally) {
		text := envelope(8 << 10)
		parallel(6000, func(int) { halfOpen(w.ctx, t, head(len(text))+text[:len(text)-100]) })
	}, servedOrBusy("500 body")}, // outcomeOf returns "500 body" for a client that sends no byte of the body for 30 s
	{"idle-admin", "7,600 idle connections to the admin listener", true, func(w *environment, _ *tally) {
		hold(w.ctx, 7600, adminAddress, "", 15*time.Second)
	}, nil},
	{"overload", "5,000 clients that send one request after another", false, overload, checkOverload},
	{"memory-comes-back", "1,000 slow uploads of 1 MiB without a memory limit", false, func(w *environment, t *tally) {
		w.before, _, _ = resident(w.proxy.Process.Pid)
		w.slow.Store(true)
		text := envelope(1 << 20)
		parallel(1000, func(int) { upload(w.ctx, t, text) })
		pause(w.ctx, 30*time.Second)
		w.after, w.peak, _ = resident(w.proxy.Process.Pid)
	}, func(w *environment, load, _, _ *tally) []string {
		fmt.Printf("  resident before %d MiB, at most %d, 30 s after the end %d\n", w.before/mib, w.peak/mib, w.after/mib)
		if w.after > w.before+keptMemory {
			return append(servedOrBusy()(w, load, nil, nil), "memory was not given back within 30 s")
		}
		return servedOrBusy()(w, load, nil, nil)
	}},
}

// keptMemory is the limit of additional resident memory after a burst.
const keptMemory = 16 * mib

func (w *environment) run(l load) ([]string, error) {
	if err := w.startProxy(l.limited); err != nil {
		return nil, err
	}
	w.slow.Store(false)
	ctx, stop := context.WithCancel(w.ctx)
	outcomes, mails, probes := newTally(), newTally(), newTally()
	var background sync.WaitGroup
	background.Go(func() { mail(ctx, mails) })
	background.Go(func() { probe(ctx, probes) })
	began := time.Now()
	l.run(w, outcomes)
	took := time.Since(began)
	pause(ctx, time.Second)
	stop()
	background.Wait()
	u, err := w.stopProxy()
	fmt.Printf("%s: %s, %.0f s\n  memory at most %d MiB of which sockets %d; mail: %v; probes: %v", l.name, l.what, took.Seconds(), u.total/mib, u.sockets/mib, mails, probes)
	if text := outcomes.String(); text != "" {
		fmt.Printf("; the load itself: %s", text)
	}
	fmt.Println()
	if err != nil {
		return []string{err.Error()}, nil
	}
	var problems []string
	if l.limited && u.total > memoryLimit {
		problems = append(problems, fmt.Sprintf("used %d MiB of %d", u.total/mib, memoryLimit/mib))
	}
	if u.kills > 0 {
		problems = append(problems, "the kernel killed a process for lack of memory")
	}
	if longest := mails.max(served); longest > mailBound || mails.count(served) < mails.total()/2 {
		problems = append(problems, "mail did not pass")
	}
	if l.check != nil {
		problems = append(problems, l.check(w, outcomes, mails, probes)...)
	}
	return problems, nil
}

func (t *tally) total() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, count := range t.counts {
		n += count
	}
	return n
}

// servedOrBusy returns a check for a load. Every client must have been served, or
// must have got ErrorServerBusy or one of the outcomes in others.
func servedOrBusy(others ...string) func(_ *environment, load, _, _ *tally) []string {
	return func(_ *environment, load, _, _ *tally) []string {
		rest := load.total()
		for _, what := range append(others, served, busy) {
			rest -= load.count(what)
		}
		if rest > 0 {
			return []string{fmt.Sprintf("%d clients got something else than a response or ErrorServerBusy", rest)}
		}
		return nil
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// parallel calls f n times at the same time.
func parallel(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// upload sends a long body as fast as possible.
func upload(ctx context.Context, t *tally, text string) {
	began := time.Now()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 3 * time.Minute}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+clientAddress+"/EWS/Exchange.asmx", strings.NewReader(text))
	if err != nil {
		t.add(err.Error(), 0)
		return
	}
	r.Header.Set("Content-Type", "text/xml; charset=utf-8")
	t.add(outcomeOf(client.Do(r)), time.Since(began))
}

func connect(address string) (net.Conn, error) {
	return net.DialTimeout("tcp", address, time.Minute)
}

// halfOpen sends text, a request without the end of its head or of its body, and
// waits for the response.
func halfOpen(ctx context.Context, t *tally, text string) {
	began := time.Now()
	c, err := connect(clientAddress)
	if err != nil {
		t.add(err.Error(), time.Since(began))
		return
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	_ = c.SetDeadline(time.Now().Add(3 * time.Minute))
	if _, err := io.WriteString(c, text); err != nil {
		t.add("broken off", time.Since(began))
		return
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	t.add(outcomeOf(resp, err), time.Since(began))
}

// hold opens n connections, sends text on each and keeps the connections open until
// ctx ends, but not longer than the argument "lasts".
func hold(ctx context.Context, n int, address, text string, lasts time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, lasts)
	defer cancel()
	parallel(n, func(int) {
		c, err := connect(address)
		if err != nil {
			return
		}
		defer c.Close()
		defer context.AfterFunc(ctx, func() { c.Close() })()
		_, _ = io.WriteString(c, text)
		_, _ = io.Copy(io.Discard, c)
	})
	<-ctx.Done()
}

func pemOf(certificate []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
}
