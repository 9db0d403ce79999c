package app

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/emulator"
)

// blankLine is "\r\n\r\n" in base64, which ends the header of a MIME message. Without it
// the emulated Exchange would read the content of the message as a header, which takes
// longer than to read a body.
const blankLine = "DQoNCg=="

// TestManyRequestsWithRevokedToken revokes the token of many requests in
// progress. One refresh serves them all, and Exchange executes each request
// once.
func TestManyRequestsWithRevokedToken(t *testing.T) {
	for _, c := range []struct {
		name     string
		requests int
		size     int  // length of the message's content in base64, in bytes
		buffered bool // true: the body is buffered and sent with the head; false: it is sent only after 100 Continue
	}{
		{"small", 400, 0, true},
		{"buffered", 40, 150 << 10, true},
		{"too long to buffer", 40, 300 << 10, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestProduct(t, emulator.Config{}).start().settle()
				defer s.close()
				x := s.emu.Exchange()
				content := blankLine + strings.Repeat("QUJD", c.size/4)
				x.RevokeAll()
				x.ClearHops()
				late := s.emu.Exchange().Count() + c.requests
				x.InjectWhile(func() bool { return true }, emulator.Fault{Latency: time.Second})
				var wg sync.WaitGroup
				failed := make([]*response, c.requests)
				for i := range c.requests {
					wg.Go(func() {
						if a := s.send(context.Background(), create(fmt.Sprintf("message %04d", i), content)); !a.ok() {
							failed[i] = &a
						}
					})
				}
				time.Sleep(500 * time.Millisecond)
				synctest.Wait()
				if n := x.Count(); n != late {
					t.Errorf("%d requests have reached Exchange, want %d at once", n, late)
				}
				wg.Wait()
				failed = slices.DeleteFunc(failed, func(a *response) bool { return a == nil })
				if len(failed) > 0 {
					t.Errorf("%d requests failed: %+v", len(failed), failed[0])
				}
				if n := len(s.tokenRequests()); n != 2 {
					t.Errorf("%d token requests, want the first and one more", n)
				}
				s.executedOnce(c.requests)
				for _, h := range x.Hops() {
					if expects := h.Header.Get("Expect") != ""; expects == c.buffered {
						t.Fatalf("a request was sent with Expect: %q", h.Header.Get("Expect"))
					}
				}
			})
		})
	}
}

// executedOnce checks that each of the messages 0 … n-1 was created exactly
// once.
func (s *testProduct) executedOnce(n int) {
	s.t.Helper()
	subjects := s.emu.Exchange().Subjects("alice@contoso.com", "drafts")
	if len(subjects) != n || len(slices.Compact(subjects)) != n || s.emu.Exchange().Executed("CreateItem") != n {
		s.t.Errorf("Exchange executed %d requests and made %d messages, want %d of each", s.emu.Exchange().Executed("CreateItem"), len(subjects), n)
	}
}

// TestExchangeRefusesEveryToken checks requests while Exchange also refuses new
// tokens, because their audience is another host. Every response has a back-off
// time, and the product limits the forced refreshes.
func TestExchangeRefusesEveryToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestProduct(t, emulator.Config{})
		s.emu.Entra().EditClaims(func(claims map[string]any) {
			if claims["appid"] == s.emu.Config().HMAAppID {
				claims["aud"] = "https://autodiscover.contoso.com"
			}
		})
		s.start()
		defer s.close()
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 16*time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				for ctx.Err() == nil {
					a := s.ask()
					if a.status != 500 || a.header.Get("X-Hmaproxy-Error") != "upstream-401" || a.header.Get("Retry-After") == "" ||
						!strings.Contains(a.text, "ErrorServerBusy") || !strings.Contains(a.text, "audience is another host") {
						t.Errorf("the client got %+v", a)
						return
					}
					time.Sleep(3 * time.Second)
				}
			})
		}
		wg.Wait()
		s.checkRefreshRate(began)
		s.wantLog("request", "2000003", "invalid_resource", "audience is another host", "HMA_RESOURCE_ID", "autodiscover.contoso.com")

		s.emu.Entra().EditClaims(nil)
		time.Sleep(31 * time.Second)
		s.ask() // makes Exchange refuse the token
		s.allSucceed(5*time.Second, 5*time.Minute)
	})
}

// checkRefreshRate checks the forced refreshes: a burst of three, and then at most
// one in any 30 seconds.
func (s *testProduct) checkRefreshRate(began time.Time) {
	s.t.Helper()
	hops := s.tokenRequests()[1:] // the first refresh was not forced
	if n := len(hops); n < 30 {
		s.t.Errorf("%d forced refreshes since %v: too few for the check", n, began)
	}
	for i := range hops {
		for j := i; j < len(hops); j++ {
			d := hops[j].Time.Sub(hops[i].Time)
			if n := j - i + 1; n > 3+int(d/(30*time.Second)) {
				s.t.Fatalf("%d forced refreshes within %v", n, d)
			}
		}
	}
}

// TestLongBodyIsReplayed checks that a request is replayed with a new token after
// Exchange has refused the first token. A body that is too long to be buffered is
// sent only after 100 Continue, so Exchange refuses the token before the body is
// sent.
func TestLongBodyIsReplayed(t *testing.T) {
	const size = 1 << 20
	for _, c := range []struct {
		name   string
		size   int
		edit   func(*http.Request)
		expect bool // the request to Exchange has "Expect: 100-continue"
	}{
		{"buffered", 200 << 10, func(*http.Request) {}, false},
		{"of known length", size, func(*http.Request) {}, true},
		{"of unknown length", size, func(r *http.Request) { r.ContentLength = -1 }, true},
		{"from a client that expects 100 Continue too", size, func(r *http.Request) { r.Header.Set("Expect", "100-continue") }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newTestProductOnSockets(t, emulator.Config{}).start().settle()
			defer s.close()
			s.emu.Exchange().RevokeAll()
			s.emu.Exchange().ClearHops()
			text := envelopeWith(create("long", strings.Repeat("QUJD", c.size/4)))
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.clients+"/EWS/Exchange.asmx", strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "text/xml; charset=utf-8")
			c.edit(req)
			if a := s.do(req); !a.ok() {
				t.Fatalf("%d %v %s", a.status, a.err, a.text)
			}
			s.executedOnce(1)
			hops := s.emu.Exchange().Hops()
			if len(hops) != 2 || hops[0].Status != 401 || hops[1].Status != 200 || hops[1].BodySHA256 != emulator.BodySHA256([]byte(text), "soap") {
				t.Fatalf("Exchange saw %+v", hops)
			}
			for i, h := range hops {
				if got := h.Header.Get("Expect") != ""; got != c.expect {
					t.Errorf("attempt %d had Expect: %v", i+1, got)
				}
			}
			if c.expect && hops[0].Bytes > 0 {
				t.Errorf("%d bytes were sent with a refused token", hops[0].Bytes)
			}
			if n := len(s.tokenRequests()); n != 2 {
				t.Errorf("%d token requests", n)
			}
		})
	}
}

func TestIdleConnectionsBrokenSilently(t *testing.T) {
	for _, c := range []struct {
		name     string
		size     int
		swallows bool
	}{
		{"small", 0, false},
		{"buffered", 200 << 10, false},
		{"long", 1 << 20, false},
		// In this case the first write to the broken connection succeeds. It
		// contains only the head, because a long body is sent after 100 Continue.
		// A short or buffered body is part of the first write: if that write
		// succeeded, the request could not be retried.
		{"long, after the head had gone", 1 << 20, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestProduct(t, emulator.Config{})
				network := &staleNet{next: s.emu.DialContext, swallows: c.swallows}
				s.dial = network.dial
				s.start().settle()
				defer s.close()
				for i := range 5 {
					network.kill()
					if a := s.send(t.Context(), create(fmt.Sprint("message ", i), strings.Repeat("QUJD", c.size/4))); !a.ok() {
						t.Fatalf("request %d: %d %v %s", i, a.status, a.err, a.text)
					}
				}
				s.executedOnce(5)
			})
		})
	}
}

// TestColdStart checks that the requests before the first token share one token
// request, and that a cancelled request does not cancel the others.
func TestColdStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestProduct(t, emulator.Config{})
		// The first token comes after 3.4 seconds: four requests to Entra ID precede it.
		// The HTTP server notices after three seconds that a client has left, and a
		// request waits for up to four seconds for a token.
		s.emu.Entra().InjectWhile(func() bool { return true }, emulator.Fault{Latency: 850 * time.Millisecond})
		s.start()
		defer s.close()
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Go(func() {
				ctx := t.Context()
				if i >= 50 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, time.Duration(i-49)*100*time.Millisecond)
					defer cancel()
				}
				if a := s.send(ctx, askFolder); a.ok() != (i < 50) {
					t.Errorf("caller %d: %+v", i, a)
				}
			})
		}
		wg.Wait()
		if n := len(s.tokenRequests()); n != 1 {
			t.Errorf("%d token requests", n)
		}
		if n := s.emu.Exchange().Executed("GetFolder"); n != 50 {
			t.Errorf("%d requests were executed; cancelled requests must not be executed", n)
		}
		if n := testing.AllocsPerRun(10_000, func() {
			if _, err := s.app.keeper.Token(context.Background()); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("Token allocates %v times", n)
		}
	})
}
