//go:build linux

package main

import (
	"bufio"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A roundTripper is the proxy and the network in a test.
type roundTripper func(*http.Request) *http.Response

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

// brokenProxy responds to every request with a fault immediately.
func brokenProxy(*http.Request) *http.Response {
	recorder := httptest.NewRecorder()
	recorder.Header().Set("X-Hmaproxy-Error", "upstream-broken")
	recorder.WriteHeader(http.StatusInternalServerError)
	return recorder.Result()
}

// newTestEnvironment returns an environment without a network, in which
// roundTrip responds to the clients, and an Exchange.
func newTestEnvironment(t *testing.T, roundTrip roundTripper) (*environment, *exchangeServer) {
	exchange := &exchangeServer{ledger: map[string]int{}}
	return &environment{
		ctx: t.Context(), outcomes: map[string]outcome{},
		link: &link{random: rand.New(rand.NewPCG(1, 1)), known: map[flow]bool{}},
		proxy: &proxy{
			address: "proxy.test", client: &http.Client{Transport: roundTrip},
			transport: func() http.RoundTripper { return roundTrip },
		},
		ledger: func() (map[string]int, error) {
			exchange.mu.Lock()
			defer exchange.mu.Unlock()
			return maps.Clone(exchange.ledger), nil
		},
	}, exchange
}

func faultNamed(name string) fault {
	return allFaults[slices.IndexFunc(allFaults, func(f fault) bool { return f.name == name })]
}

// startProcess starts a process that ends without an error after SIGTERM, or when
// the test's process ends and closes its input.
func startProcess(t *testing.T) *exec.Cmd {
	cmd := exec.Command("sh", "-c", "trap 'exit 0' TERM; echo ready; read line")
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	return cmd
}

// TestEachFaultNeedsResponses checks that no fault passes with a proxy that serves
// nothing.
func TestEachFaultNeedsResponses(t *testing.T) {
	for _, f := range allFaults {
		t.Run(f.name, func(t *testing.T) {
			process := startProcess(t) // for stop-under-streams
			synctest.Test(t, func(t *testing.T) {
				w, _ := newTestEnvironment(t, brokenProxy)
				w.proxy.process = process
				r, err := w.measure(f)
				if err != nil {
					t.Fatal(err)
				}
				if r.good() {
					t.Errorf("passed: %v", r)
				}
			})
		})
	}
}

// TestOneFailedRequest checks the fault "none" with a proxy that serves all
// requests, and with one that serves all but the hundredth.
func TestOneFailedRequest(t *testing.T) {
	for _, serves := range []bool{true, false} {
		t.Run(fmt.Sprintf("serves all: %v", serves), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var exchange *exchangeServer
				count := 0
				w, exchange := newTestEnvironment(t, func(r *http.Request) *http.Response {
					if count++; count == 100 && !serves {
						return brokenProxy(r)
					}
					recorder := httptest.NewRecorder()
					exchange.ServeHTTP(recorder, r)
					return recorder.Result()
				})
				r, err := w.measure(faultNamed("none"))
				if err != nil {
					t.Fatal(err)
				}
				if r.good() != serves || r.Requests != 200 {
					t.Errorf("good is %v: %v, %s", r.good(), r, strings.Join(r.Problems, "; "))
				}
			})
		})
	}
}

// TestLongestWaitAndRecovery checks the two times of a result, during a blackout
// of 30 s with a proxy that fails requests until three seconds after its end.
func TestLongestWaitAndRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var exchange *exchangeServer
		var w *environment
		w, exchange = newTestEnvironment(t, func(r *http.Request) *http.Response {
			w.link.mu.Lock()
			broken := w.link.faults.down || time.Since(w.link.restored) < 3*time.Second
			w.link.mu.Unlock()
			if broken {
				time.Sleep(time.Second)
				return brokenProxy(r)
			}
			recorder := httptest.NewRecorder()
			exchange.ServeHTTP(recorder, r)
			return recorder.Result()
		})
		r, err := w.measure(faultNamed("blackout"))
		if err != nil {
			t.Fatal(err)
		}
		// The request that Exchange works on waits only for Exchange.
		if r.Longest != time.Second {
			t.Errorf("longest wait %v, want 1 s", r.Longest)
		}
		// The request in progress began 0.5 s before the blackout and took 32.5 s.
		if r.Recovery != 2*time.Second {
			t.Errorf("recovery %v, want 2 s", r.Recovery)
		}
	})
}

// TestMissingFaults checks that the faults without a result are named.
func TestMissingFaults(t *testing.T) {
	r := &report{results: []result{{Fault: "none"}, {Fault: "loss", Nginx: true}}}
	parts := []plan{{only: "none,loss"}, {only: "none,loss", nginx: true}, {only: "slow-line"}}
	want := []string{"loss", "none with nginx", "slow-line"}
	if got := r.missing(parts); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestParts checks that a plan's parts hold each fault once, and those of a group
// together.
func TestParts(t *testing.T) {
	var want, got []string
	for _, f := range allFaults {
		want = append(want, f.name)
		if f.nginx {
			want = append(want, f.name+" with nginx")
		}
	}
	parts := plan{nginx: true}.parts()
	for _, p := range parts {
		groups := map[string]bool{}
		for name := range strings.SplitSeq(p.only, ",") {
			groups[faultNamed(name).group] = true
			if p.nginx {
				name += " with nginx"
			}
			got = append(got, name)
		}
		if len(groups) != 1 {
			t.Errorf("%s are of %d groups", p.only, len(groups))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (plan{nginx: true, soak: time.Hour}).parts(); len(got) != 1 || got[0].nginx {
		t.Errorf("got %v, want one part with hmaproxy", got)
	}
	if got := (plan{only: "dead-peer,none,changed-address"}).parts(); len(got) != 2 || got[0].only != "none" || got[1].only != "changed-address,dead-peer" {
		t.Errorf("got %v, want none, and changed-address with dead-peer", got)
	}
}
