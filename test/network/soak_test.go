//go:build linux

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"hmaproxy/internal/emulator"
)

// A fakeProxy obeys the file of the allow-list and reports the newest certificate
// of the soak, unless it is stuck.
type fakeProxy struct {
	soak     *soak
	exchange *exchangeServer
	stuck    bool
	expiry   int64 // of the certificate in use
}

func (p *fakeProxy) respond(r *http.Request) *http.Response {
	recorder := httptest.NewRecorder()
	if r.URL.Path == "/metrics" {
		fmt.Fprintf(recorder, "hmaproxy_certificate_expiry_timestamp_seconds{slot=\"active\"} %d\n", p.expiry)
		return recorder.Result()
	}
	text, _ := io.ReadAll(r.Body)
	if !p.stuck && !p.soak.listed && strings.Contains(string(text), otherMailbox) {
		recorder.Header().Set("X-Hmaproxy-Error", "mailbox-not-allowed")
		recorder.WriteHeader(http.StatusInternalServerError)
		return recorder.Result()
	}
	r.Body = io.NopCloser(strings.NewReader(string(text)))
	p.exchange.ServeHTTP(recorder, r)
	return recorder.Result()
}

// newTestSoak returns a soak with one proxy.
func newTestSoak(t *testing.T) (*soak, *fakeProxy) {
	fake := &fakeProxy{}
	w, exchange := newTestEnvironment(t, fake.respond)
	w.dir = t.TempDir()
	e, err := emulator.New(emulator.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w.emulator = e
	fake.soak = &soak{environment: w, out: io.Discard, proxies: []*proxy{w.proxy}, certs: []*emulator.Certificate{e.Certificate()}, applied: map[string]int{}}
	fake.exchange = exchange
	return fake.soak, fake
}

// TestSoakNoticesTheAllowList checks that the soak reports a proxy that allows a
// mailbox which is not on the list any more.
func TestSoakNoticesTheAllowList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, fake := newTestSoak(t)
		s.changeList()
		s.changeList()
		if len(s.problems) > 0 || s.listed {
			t.Errorf("problems with a proxy that obeys: %q", s.problems)
		}
		s.changeList()
		fake.stuck = true
		s.changeList()
		if len(s.problems) != 1 || !strings.Contains(s.problems[0], "mailbox-not-allowed") {
			t.Errorf("problems with a proxy that does not obey: %q", s.problems)
		}
	})
}

// TestSoakNoticesTheCertificate checks that the soak reports a proxy that goes on
// using the previous certificate.
func TestSoakNoticesTheCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, fake := newTestSoak(t)
		fake.expiry = s.nextExpiry().Unix()
		s.rotate()
		if len(s.problems) > 0 {
			t.Errorf("problems with a proxy that uses the new certificate: %q", s.problems)
		}
		s.rotate()
		if len(s.problems) != 1 || !strings.Contains(s.problems[0], "uses certificate 2") {
			t.Errorf("problems with a proxy that uses the previous certificate: %q", s.problems)
		}
	})
}

// TestSoakNoticesNoRecovery checks that the soak reports a proxy that fails all
// requests after a fault.
func TestSoakNoticesNoRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newTestSoak(t)
		s.recover(s.proxy, "a blackout")
		if len(s.problems) > 0 {
			t.Errorf("problems with a proxy that serves: %q", s.problems)
		}
		s.proxy.client.Transport = roundTripper(brokenProxy)
		s.recover(s.proxy, "a blackout")
		if len(s.problems) != 1 || !strings.Contains(s.problems[0], "upstream-broken") {
			t.Errorf("problems with a proxy that serves nothing: %q", s.problems)
		}
	})
}

// TestGrowth checks the limits of growth on both sides.
func TestGrowth(t *testing.T) {
	before := usage{memory: 20 << 10, files: 18, goroutines: 20}
	for _, tc := range []struct {
		after usage
		want  string
	}{
		{usage{memory: 36 << 10, files: 22, goroutines: 28}, ""},
		{usage{memory: 36<<10 + 1, files: 22, goroutines: 28}, "36865 KiB of memory, 20480 after the warm-up"},
		{usage{memory: 36 << 10, files: 23, goroutines: 28}, "23 files, 18 after the warm-up"},
		{usage{memory: 36 << 10, files: 22, goroutines: 29}, "29 goroutines, 20 after the warm-up"},
	} {
		got := ""
		if err := tc.after.growth(before); err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%v: got %q, want %q", tc.after, got, tc.want)
		}
	}
}

// TestUsage checks that the files of a process are counted.
func TestUsage(t *testing.T) {
	admin := roundTripper(func(*http.Request) *http.Response {
		recorder := httptest.NewRecorder()
		fmt.Fprint(recorder, "# TYPE go_goroutines gauge\ngo_goroutines 7\n")
		return recorder.Result()
	})
	p := &proxy{process: startProcess(t), admin: "admin.test", client: &http.Client{Transport: admin}}
	u, err := p.usage()
	if err != nil {
		t.Fatal(err)
	}
	if u.memory < 100 || u.files < 3 || u.goroutines != 7 {
		t.Errorf("got %v, want some memory, at least the three standard files and 7 goroutines", u)
	}
}
