package token

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestReplace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t, newCert(t, 0, "one")).run()
		defer w.close()
		first, err := w.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.entra.respondWith(&response{delay: 2 * time.Second})
		// A thousand requests are refused at the same time. One refresh serves
		// all requests. Until the refresh ends, Token returns the old token.
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if token, err := w.Replace(t.Context(), first); err != nil || token == first || !w.entra.valid(token) {
					t.Errorf("Replace: %v", err)
				}
			})
		}
		time.Sleep(time.Second)
		if token, err := w.Token(t.Context()); token != first || err != nil {
			t.Error("the old token was discarded before the new one was there")
		}
		wg.Wait()
		if n := w.entra.requests(); n != 2 || w.count(Forced) != 1 {
			t.Errorf("%d token requests, want 2", n)
		}
		if token, err := w.Replace(t.Context(), first); err != nil || token == first || w.entra.requests() != 2 {
			t.Errorf("latecomer: %v", err)
		}
	})
}

// TestPermanentRejection checks that the limit for forced refreshes applies when
// an upstream refuses every token. Otherwise each request of a client would cause
// a request to Entra.
func TestPermanentRejection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t, newCert(t, 0, "one")).run()
		defer w.close()
		synctest.Wait()
		w.entra.respondWith(&response{delay: 200 * time.Millisecond})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				for ctx.Err() == nil {
					token, err := w.Token(ctx)
					if err != nil {
						t.Error(err)
						return
					}
					start := time.Now()
					_, err = w.Replace(ctx, token)
					if errors.Is(err, ErrLimited) && time.Since(start) != 0 {
						t.Error("ErrLimited came late")
					}
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if n := w.count(Forced); n != 3 {
			t.Errorf("%d forced refreshes in the first seconds, want the burst of 3", n)
		}
		wg.Wait()
		if n := w.count(Forced); n > 3+10*60/30 || n < 20 {
			t.Errorf("%d forced refreshes in ten minutes, want 3 and one per 30 s", n)
		}
	})
}

func TestReplaceWhileEntraFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t, newCert(t, 0, "one")).run()
		defer w.close()
		first, err := w.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.entra.respondWith(&response{status: 503, header: map[string][]string{"Retry-After": {"60"}}})
		var e *Error
		for range 50 {
			if _, err := w.Replace(t.Context(), first); !errors.As(err, &e) || e.Status != 503 {
				t.Fatalf("error %v", err)
			}
		}
		if n := w.entra.requests(); n != 2 {
			t.Errorf("%d token requests: Replace defeats the back-off", n)
		}
		if token, err := w.Token(t.Context()); token != first || err != nil {
			t.Error("the old token is gone")
		}
		w.entra.respondWith(nil)
		w.mustUse(2 * time.Hour)
	})
}

func TestReplaceGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t, newCert(t, 0, "one")).run()
		defer w.close()
		first, _ := w.Token(t.Context())
		w.entra.respondWith(&response{hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := w.Replace(ctx, first); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

func TestLimiter(t *testing.T) {
	var l limiter
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var allowed []int
	for s := range 300 {
		for range 10 {
			if l.allow(now.Add(time.Duration(s) * time.Second)) {
				allowed = append(allowed, s)
			}
		}
	}
	want := []int{0, 0, 0, 30, 60, 90, 120, 150, 180, 210, 240, 270}
	if len(allowed) != len(want) {
		t.Fatalf("allowed at %v, want %v", allowed, want)
	}
	for i := range want {
		if allowed[i] != want[i] {
			t.Fatalf("allowed at %v, want %v", allowed, want)
		}
	}
}

// TestReplaceBySameToken checks that Replace returns ErrSameToken when Entra
// issues the rejected token again. Entra may take the token from its own cache.
func TestReplaceBySameToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t, newCert(t, 0, "one"))
		w.entra.respondWith(&response{status: 200, body: `{"token_type":"Bearer","expires_in":3600,"access_token":"same"}`})
		w.run()
		defer w.close()
		first, err := w.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Replace(t.Context(), first); !errors.Is(err, ErrSameToken) {
			t.Errorf("error %v", err)
		}
	})
}
