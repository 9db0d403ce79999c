//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"hmaproxy/internal/emulator"
)

const (
	// soakClients is the number of clients. The first uses hmaproxy through the
	// corporate proxy, the second opens streams.
	soakClients = 8
	// soakCalm is the time without faults between two faults.
	soakCalm = 10 * time.Second
	// soakRecovery is the time after a fault during which a new request may
	// still fail.
	soakRecovery = 5 * time.Second
	// soakWarmUp is the time without faults before the first measurement.
	soakWarmUp = 30 * time.Second
	// soakTokenLifetime makes hmaproxy renew its token several times.
	soakTokenLifetime = 3 * time.Minute
	// soakReload is how long a change of the allow-list or of the certificate may
	// take until it is in force. hmaproxy looks at the file every 5 s, and at the
	// vault every 10 s.
	soakReload = 30 * time.Second
)

// otherMailbox is on the allow-list for a part of the time.
const otherMailbox = "bob@contoso.com"

// A soak is a long run of random faults.
type soak struct {
	*environment
	out      io.Writer
	random   *mathrand.Rand
	proxies  []*proxy // without and with the corporate proxy
	certs    []*emulator.Certificate
	listed   bool           // otherMailbox is on the allow-list
	applied  map[string]int // by name of the fault
	turns    int
	longest  time.Duration // longest recovery after a fault
	problems []string
}

// soak applies random faults while clients send requests, the allow-list changes
// and the certificate is replaced. It checks that no request was lost, executed
// twice or given another request's response; that a new request succeeds within
// soakRecovery after each fault; that each change comes into force; and that
// hmaproxy needs no more memory, files and goroutines than after the warm-up.
func (w *environment) soak(p plan) error {
	w.emulator.Entra().SetTokenLifetime(soakTokenLifetime)
	if err := w.startProxy(manyFiles, ""); err != nil {
		return err
	}
	corporate, err := w.launch(8082, manyFiles, "http")
	if err != nil {
		return err
	}
	defer corporate.stop()
	s := &soak{environment: w, out: os.Stdout, random: mathrand.New(mathrand.NewPCG(p.seed, 1)), proxies: []*proxy{w.proxy, corporate},
		certs: []*emulator.Certificate{w.emulator.Certificate()}, applied: map[string]int{}}

	stop := s.startClients(p.seed)
	w.pause(soakWarmUp)
	stop()
	w.pause(returnTime)
	before, err := s.usage()
	if err != nil {
		return err
	}
	stop = s.startClients(p.seed + 1)
	s.run(p.soak)
	stop()
	if w.ctx.Err() != nil {
		return w.ctx.Err()
	}
	after, err := s.awaitUsage(before)
	if err != nil {
		return err
	}
	return s.report(p, before, after)
}

// startClients starts the clients. The returned function stops them and closes
// their idle connections.
func (s *soak) startClients(seed uint64) (stop func()) {
	sending, cancel := context.WithCancel(s.ctx)
	var clients sync.WaitGroup
	for i := range soakClients {
		random := mathrand.New(mathrand.NewPCG(seed, uint64(i)+2))
		p := s.proxies[0]
		if i == 0 {
			p = s.proxies[1]
		}
		clients.Go(func() {
			for sending.Err() == nil {
				s.sendTo(s.ctx, p, randomRequest(random, i == 1))
				pauseFor(sending, time.Duration(random.IntN(100))*time.Millisecond)
			}
		})
	}
	return func() {
		cancel()
		clients.Wait()
		for _, p := range s.proxies {
			p.client.CloseIdleConnections()
		}
	}
}

func randomRequest(random *mathrand.Rand, stream bool) request {
	r := request{size: random.IntN(40 << 10), think: time.Duration(random.IntN(200)) * time.Millisecond, stream: stream}
	switch {
	case stream:
		r.think = time.Duration(1+random.IntN(20)) * time.Second
	case random.IntN(20) == 0:
		r.size = random.IntN(1 << 20)
	}
	return r
}

// run applies faults for the given time: all of them in random order, then all in
// another order.
func (s *soak) run(lasts time.Duration) {
	var deck []soakFault
	for end := time.Now().Add(lasts); time.Now().Before(end) && s.ctx.Err() == nil; s.turns++ {
		if len(deck) == 0 {
			deck = slices.Clone(soakFaults)
			s.random.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		}
		fault := deck[0]
		deck = deck[1:]
		duration := fault.atLeast + time.Duration(s.random.Int64N(int64(9*time.Second)))
		fault.begin(s)
		s.applied[fault.name]++
		s.pause(duration)
		s.link.set(rtt)
		s.names.set(0, exchangeA)
		for i, p := range s.proxies {
			s.recover(p, fmt.Sprintf("%s for %v, proxy %d", fault.name, duration.Round(time.Millisecond), i))
		}
		calm := time.Now().Add(soakCalm)
		if s.turns%2 == 1 {
			s.changeList()
		}
		if s.turns%len(soakFaults) == 2 {
			s.rotate()
		}
		s.pause(time.Until(calm))
	}
}

// recover waits until a request to the proxy succeeds.
func (s *soak) recover(p *proxy, after string) {
	began := time.Now()
	o := s.sendTo(s.ctx, p, request{})
	for o.what != "ok" && time.Since(began) < time.Minute && s.ctx.Err() == nil {
		s.pause(50 * time.Millisecond)
		o = s.sendTo(s.ctx, p, request{})
	}
	took := time.Since(began)
	s.longest = max(s.longest, took)
	if o.what != "ok" || took > soakRecovery {
		s.problem("after %s: %s after %v", after, o.what, took.Round(time.Millisecond))
	}
}

// changeList adds otherMailbox to the allow-list or removes it, and waits until
// both proxies obey.
func (s *soak) changeList() {
	s.listed = !s.listed
	list, want := []string{mailbox}, "mailbox-not-allowed"
	if s.listed {
		list, want = append(list, otherMailbox), "ok"
	}
	if err := s.writeList(list...); err != nil {
		s.problem("%v", err)
		return
	}
	for i, p := range s.proxies {
		s.await(fmt.Sprintf("proxy %d has a request for %s end as %s", i, otherMailbox, want), func() bool {
			return s.sendTo(s.ctx, p, request{mailbox: otherMailbox}).what == want
		})
	}
}

// rotate replaces the certificate by one with another expiry, and waits until both
// proxies use it. All certificates have the same key, because making a key takes
// long. The previous certificate is not registered any more afterwards.
func (s *soak) rotate() {
	expiry := s.nextExpiry()
	c, err := emulator.NewCertificate(emulator.CertOptions{Key: s.certs[0].Key, NotAfter: expiry})
	if err != nil {
		s.problem("%v", err)
		return
	}
	s.emulator.Entra().Register(c)
	s.emulator.KeyVault().Upload(s.emulator.Config().CertName, c)
	for i, p := range s.proxies {
		s.await(fmt.Sprintf("proxy %d uses certificate %d", i, len(s.certs)), func() bool {
			got, err := p.metric(`hmaproxy_certificate_expiry_timestamp_seconds{slot="active"}`)
			return err == nil && int64(got) == expiry.Unix()
		})
	}
	s.emulator.Entra().Unregister(s.certs[len(s.certs)-1])
	s.certs = append(s.certs, c)
}

// nextExpiry returns the expiry of the next certificate, which no other one has.
func (s *soak) nextExpiry() time.Time {
	return s.certs[0].Leaf.NotAfter.Add(time.Duration(len(s.certs)) * time.Hour).Truncate(time.Second)
}

// await waits until a change is in force. It records a problem if that takes
// longer than soakReload.
func (s *soak) await(what string, inForce func() bool) {
	for end := time.Now().Add(soakReload); !inForce(); s.pause(200 * time.Millisecond) {
		if s.ctx.Err() != nil {
			return
		}
		if time.Now().After(end) {
			s.problem("not within %v: %s", soakReload, what)
			return
		}
	}
}

func (s *soak) problem(format string, arguments ...any) {
	s.problems = append(s.problems, fmt.Sprintf(format, arguments...))
	fmt.Fprintln(s.out, "FAILED:", s.problems[len(s.problems)-1])
}

// usage returns what the proxies use.
func (s *soak) usage() (all []usage, err error) {
	for _, p := range s.proxies {
		u, oneErr := p.usage()
		all, err = append(all, u), errors.Join(err, oneErr)
	}
	return all, err
}

// awaitUsage waits until the proxies use no more than before, but for two minutes at
// most. It returns what they use then.
func (s *soak) awaitUsage(before []usage) (after []usage, err error) {
	for end := time.Now().Add(2 * time.Minute); ; s.pause(time.Second) {
		after, err = s.usage()
		same := true
		for i, u := range after {
			same = same && u.files <= before[i].files && u.goroutines <= before[i].goroutines && u.memory <= before[i].memory+maxMemoryGrowth
		}
		if err != nil || same || time.Now().After(end) || s.ctx.Err() != nil {
			return after, err
		}
	}
}

// report prints the result. It returns an error if a check has failed.
func (s *soak) report(p plan, before, after []usage) error {
	r, err := s.check("soak", 0, nil)
	if err != nil {
		return err
	}
	r.Recovery = s.longest
	fmt.Fprintln(s.out, resultHeader)
	fmt.Fprintln(s.out, r)
	var counts []string
	for _, f := range soakFaults {
		counts = append(counts, fmt.Sprintf("%s %d", f.name, s.applied[f.name]))
		if s.applied[f.name] == 0 {
			fmt.Fprintln(s.out, "NOT APPLIED, the time is too short:", f.name)
		}
	}
	failed := map[string]int{}
	for _, o := range s.outcomes {
		if o.what != "ok" {
			failed[o.what]++
		}
	}
	fmt.Fprintln(s.out, "outcomes other than ok:", failed)
	fmt.Fprintf(s.out, "%d faults (%s), %d rotations, %d changes of the allow-list\n", s.turns, strings.Join(counts, ", "), len(s.certs)-1, s.turns/2)
	for i := range before {
		fmt.Fprintf(s.out, "proxy %d after the warm-up: %v; at the end: %v\n", i, before[i], after[i])
		if growth := after[i].growth(before[i]); growth != nil {
			s.problem("proxy %d: %v", i, growth)
		}
	}
	if !r.good() || len(s.problems) > 0 {
		return fmt.Errorf("the soak of %v with -seed %d found errors", p.soak, p.seed)
	}
	return nil
}

// A soakFault is a fault of the soak. It lasts up to nine seconds longer than
// atLeast.
type soakFault struct {
	name    string
	atLeast time.Duration
	begin   func(*soak)
}

// lostPeerTime is longer than the 64 s after which hmaproxy gives up a connection
// whose peer is lost.
const lostPeerTime = 65 * time.Second

var soakFaults = []soakFault{
	{"loss", time.Second, func(s *soak) { s.link.set(faults{delay: rtt.delay, loss: 0.01 + 0.1*s.random.Float64()}) }},
	{"delay", time.Second, func(s *soak) { s.link.set(faults{delay: time.Duration(s.random.IntN(500)) * time.Millisecond}) }},
	{"blackout", time.Second, func(s *soak) { s.link.set(faults{down: true}) }},
	{"long blackout", lostPeerTime, func(s *soak) { s.link.set(faults{down: true}) }},
	{"lost connections", lostPeerTime, func(s *soak) { s.link.forget() }},
	{"slow line", time.Second, func(s *soak) { s.link.set(faults{delay: rtt.delay, rate: 16<<10 + s.random.IntN(100<<10)}) }},
	{"lost queries", time.Second, func(s *soak) { s.names.set(s.random.IntN(4), exchangeA) }},
	{"another address", time.Second, func(s *soak) {
		s.names.set(0, exchangeB)
		s.link.set(faults{delay: rtt.delay, dead: map[netip.Addr]bool{exchangeA: true}})
	}},
}

// pauseFor waits until d has passed or ctx ends.
func pauseFor(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
