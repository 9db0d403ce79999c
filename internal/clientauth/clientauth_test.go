package clientauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"hmaproxy/internal/allowlist"
	"hmaproxy/internal/config"
	"hmaproxy/proxy"
	"hmaproxy/proxy/policy"
)

// newTestUser returns a user whose hash has the given cost.
func newTestUser(t testing.TB, name, password string, cost int, patterns ...string) config.ClientUser {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		t.Fatal(err)
	}
	u := config.ClientUser{Name: name, Hash: config.Secret(hash)}
	if len(patterns) > 0 {
		u.Patterns = mailboxes(t, strings.Join(patterns, ","))
	}
	return u
}

func mailboxes(t testing.TB, list string) config.Mailboxes {
	t.Helper()
	p, err := policy.ParsePatterns(list)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPasswords(t *testing.T) {
	long := strings.Repeat("x", maxPassword)
	u := newUsers(config.ClientUsers{
		newTestUser(t, "crm", "right", 4), newTestUser(t, "archive", "other", 5), newTestUser(t, "long", long, 4), newTestUser(t, "ümlaut", "pässword", 4),
		// A test vector of OpenBSD's bcrypt in Openwall's crypt_blowfish:
		// $2a$05$, password "U*U".
		{Name: "vector", Hash: "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
	}, nil)
	cases := []struct {
		name, user, password string
		want                 bool
	}{
		{"right", "crm", "right", true},
		{"right at another cost", "archive", "other", true},
		{"right, beyond ASCII", "ümlaut", "pässword", true},
		{"a known vector", "vector", "U*U", true},
		{"a known vector's neighbour", "vector", "U*U*", false},
		{"wrong", "crm", "wrong", false},
		{"another user's", "crm", "other", false},
		{"in other letter case", "crm", "Right", false},
		{"name in other letter case", "CRM", "right", false},
		{"unknown user", "nobody", "right", false},
		{"no name", "", "right", false},
		{"no password", "crm", "", false},
		{"neither", "", "", false},
		{"as long as bcrypt reads", "long", long, true},
		{"longer than bcrypt reads", "long", long + "x", false},
		{"cycled by its final zero", "crm", "right\x00right", false},
		{"the hash itself", "crm", u.list[0].Hash.Reveal(), false},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if got := u.matches(tc.user, tc.password); got != tc.want {
				t.Errorf("matches = %v", got)
			}
		})
	}
}

// TestEveryComparisonDoesTheSameWork checks that the duration of a response
// shows neither whether the user exists, nor what was wrong, nor the cost of
// the hash. The work of bcrypt at cost c is proportional to 2^c.
func TestEveryComparisonDoesTheSameWork(t *testing.T) {
	u := newUsers(config.ClientUsers{newTestUser(t, "cheap", "a", 4), newTestUser(t, "expensive", "b", 8)}, nil)
	work := 0
	u.compare = func(hash, password []byte) error {
		cost, err := bcrypt.Cost(hash)
		if err != nil {
			t.Fatal(err)
		}
		work += 1 << cost
		if len(hash) != 60 { // as bcrypt makes it: "$2a$", cost, "$", 22 characters of salt, 31 characters of digest
			t.Errorf("a hash of %d characters", len(hash))
		}
		if len(password) > maxPassword || bytes.IndexByte(password, 0) >= 0 {
			t.Errorf("bcrypt gets a password that it does not read to its end")
		}
		return bcrypt.ErrMismatchedHashAndPassword
	}
	for _, tc := range []struct{ name, user, password string }{
		{"unknown user", "unknown", "wrong"},
		{"wrong, expensive hash", "expensive", "wrong"},
		{"wrong, cheap hash", "cheap", "wrong"},
		{"right, cheap hash", "cheap", "a"},
		{"too long", "expensive", strings.Repeat("x", 100)},
		{"zero byte", "cheap", "a\x00"},
	} {
		work = 0
		u.matches(tc.user, tc.password)
		if work != 1<<8 {
			t.Errorf("%s: work %d, want that of one comparison at the cost 8", tc.name, work)
		}
	}
}

// newTestAuthenticator returns an Authenticator with the users "crm" and
// "archive". The user "archive" has a pattern.
func newTestAuthenticator(t testing.TB, list string) *Authenticator {
	t.Helper()
	c := &config.Config{ClientUsersFile: "users", ClientUsers: config.ClientUsers{
		newTestUser(t, "crm", "right", 4), newTestUser(t, "archive", "other", 4, "alice@contoso.com"),
	}}
	if list != "" {
		c.AllowedMailboxes = mailboxes(t, list)
	}
	l, err := allowlist.New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(c, l)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func policyOf(t testing.TB, a *Authenticator, name, password string) *policy.Policy {
	t.Helper()
	p, err := a.Authenticate(t.Context(), "10.1.2.3:50000", name, password)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return p
}

// known reports whether name and password are accepted from a client whose
// address is not on loopback.
func known(t testing.TB, a *Authenticator, name, password string) bool {
	t.Helper()
	_, err := a.Authenticate(t.Context(), "10.1.2.3:50000", name, password)
	if err != nil && !errors.Is(err, proxy.ErrCredentials) {
		t.Errorf("%s: %v", name, err)
	}
	return err == nil
}

// slowly changes a: each comparison of a password takes half a second longer. It
// returns a counter of the comparisons.
func slowly(a *Authenticator) (comparisons *atomic.Int64) {
	comparisons = new(atomic.Int64)
	compare := a.users.Load().compare
	a.users.Load().compare = func(hash, password []byte) error {
		time.Sleep(time.Second / 2)
		comparisons.Add(1)
		return compare(hash, password)
	}
	return comparisons
}

// TestVerifiedCredentialsDoNotWait checks that verified credentials are accepted
// immediately, although no comparison can begin.
func TestVerifiedCredentialsDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTestAuthenticator(t, "")
		if !known(t, a, "crm", "right") {
			t.Fatal("refused")
		}
		a.fresh.slot <- struct{}{} // a comparison that does not end
		if !known(t, a, "crm", "right") {
			t.Error("refused while another comparison is in progress")
		}
		if _, err := a.Authenticate(t.Context(), "192.0.2.1:1", "crm", "wrong"); !errors.Is(err, errBusy) {
			t.Errorf("credentials that need a comparison: %v, want %v", err, errBusy)
		}
	})
}

func TestVerifiedCredentialsAreNotComparedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTestAuthenticator(t, "")
		comparisons := slowly(a)
		expect := func(when string, want bool, compared int64, name, password string) {
			t.Helper()
			time.Sleep(20 * time.Second) // wait until the queue's pause after a wrong password has ended
			comparisons.Store(0)
			if got := known(t, a, name, password); got != want || comparisons.Load() != compared {
				t.Errorf("%s: known %v after %d comparisons, want %v after %d", when, got, comparisons.Load(), want, compared)
			}
		}
		expect("first", true, 1, "crm", "right")
		expect("again", true, 0, "crm", "right")
		expect("wrong password", false, 1, "crm", "wrong")
		expect("another user", false, 1, "archive", "right")
		expect("the same bytes, split elsewhere", false, 1, "cr", "mright")
		expect("another name of the same length", false, 1, "crn", "right")
		expect("another password of the same length", false, 1, "crm", "rights"[1:])
		expect("after wrong ones", true, 0, "crm", "right")
		const ttl = 5 * time.Minute
		time.Sleep(ttl - 21*time.Second)
		expect("shortly before the end", true, 0, "crm", "right")
		time.Sleep(ttl - 21*time.Second)
		expect("prolonged by the last request", true, 0, "crm", "right")
		time.Sleep(ttl - 20*time.Second)
		expect("at the end", true, 1, "crm", "right")
	})
}

// TestCredentialsVerifiedDuringTheWait checks that several connections with the
// same credentials need only one comparison.
func TestCredentialsVerifiedDuringTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTestAuthenticator(t, "")
		comparisons := slowly(a)
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if !known(t, a, "crm", "right") {
					t.Error("refused")
				}
			})
		}
		all.Wait()
		if n := comparisons.Load(); n != 1 {
			t.Errorf("%d comparisons", n)
		}
	})
}

func TestFingerprintsDifferBetweenProcesses(t *testing.T) {
	first, second := newTestAuthenticator(t, ""), newTestAuthenticator(t, "")
	before := first.fingerprint("crm", "right")
	if before == second.fingerprint("crm", "right") {
		t.Error("the key of the fingerprints is not random")
	}
	if first.fingerprint("crm", "right") != before {
		t.Error("the same credentials have two fingerprints")
	}
}

// guess sends wrong passwords from each of the peers until stop is called. stop
// waits for the last comparison.
func guess(t *testing.T, a *Authenticator, peers ...string) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, remote := range peers {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				_, _ = a.Authenticate(ctx, remote, "crm", fmt.Sprint("guess ", i))
			}
		})
	}
	return func() {
		cancel()
		all.Wait()
	}
}

// TestRestAfterAWrongPassword checks how long a queue pauses after a wrong
// password: four times the comparison's duration, or nine times if the peer has
// sent a wrong password before, and at most five seconds.
func TestRestAfterAWrongPassword(t *testing.T) {
	for _, tc := range []struct {
		name             string
		comparison, rest time.Duration
		suspect          bool
	}{
		{"first wrong password", time.Second, 4 * time.Second, false},
		{"another wrong password of the peer", time.Second / 2, 4500 * time.Millisecond, true},
		{"at most half of the time that a request waits", 3 * time.Second, 5 * time.Second, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newTestAuthenticator(t, "")
				a.users.Load().compare = func(_, _ []byte) error {
					time.Sleep(tc.comparison)
					return bcrypt.ErrMismatchedHashAndPassword
				}
				try := func() {
					t.Helper()
					if _, err := a.Authenticate(t.Context(), "10.1.2.3:50000", "crm", "wrong"); !errors.Is(err, proxy.ErrCredentials) {
						t.Error(err)
					}
				}
				if tc.suspect {
					try()
				} else {
					a.suspects = newRecent[string](0, 1) // its keys expire immediately, so no peer is a suspect
				}
				start := time.Now()
				try()
				try()
				if got := time.Since(start) - 2*tc.comparison; got != tc.rest {
					t.Errorf("a rest of %v, want %v", got, tc.rest)
				}
			})
		})
	}
}

// TestSuspectTime checks that a peer's comparisons use the suspect queue for one
// minute after a wrong password.
func TestSuspectTime(t *testing.T) {
	for age, suspect := range map[time.Duration]bool{0: true, time.Minute - 1: true, time.Minute: false} {
		synctest.Test(t, func(t *testing.T) {
			a := newTestAuthenticator(t, "")
			if known(t, a, "crm", "wrong") {
				t.Fatal("a wrong password is right")
			}
			time.Sleep(age)
			a.suspect.slot <- struct{}{} // occupies the queue, like a comparison that does not end
			_, err := a.Authenticate(t.Context(), "10.1.2.3:50001", "crm", "right")
			if waited := errors.Is(err, errBusy); waited != suspect {
				t.Errorf("after %v: %v", age, err)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	a := newTestAuthenticator(t, "")
	for i := range 1100 {
		a.suspects.add(fmt.Sprint(i))
		a.users.Load().verified.add(a.fingerprint("crm", fmt.Sprint(i)))
	}
	if n, m := len(a.suspects.until), len(a.users.Load().verified.until); n != 1024 || m != 1024 {
		t.Errorf("%d peers and %d fingerprints, want 1024 of each", n, m)
	}
}

func TestGuessesAreSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTestAuthenticator(t, "")
		comparisons := slowly(a)
		var peers []string
		for i := range 20 {
			peers = append(peers, fmt.Sprintf("10.1.2.%d:50000", i))
		}
		stop := guess(t, a, peers...)
		time.Sleep(10 * time.Minute)
		stop()
		// Guesses use at most a fifth of the time in one queue and a tenth in
		// the other.
		if n := comparisons.Load(); n > 2*(600/5+600/10)+4 || n < 60 {
			t.Errorf("%d half seconds of work in 600 seconds", n)
		}
	})
}

func TestGuessesOfAnotherPeerDoNotKeepAClientOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTestAuthenticator(t, "")
		slowly(a)
		defer guess(t, a, "10.1.2.9:50000")()
		time.Sleep(10 * time.Second) // by now the other peer has sent a wrong password
		start := time.Now()
		if !known(t, a, "archive", "other") || time.Since(start) > time.Second {
			t.Errorf("a client of another peer waited for %v", time.Since(start))
		}
	})
}

func TestCredentialsThatCannotBeComparedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTestAuthenticator(t, "")
		a.fresh.slot <- struct{}{} // a comparison that does not end
		start := time.Now()
		_, err := a.Authenticate(t.Context(), "10.1.2.3:50000", "crm", "right")
		if err == nil || errors.Is(err, proxy.ErrCredentials) || time.Since(start) != 10*time.Second {
			t.Errorf("%v after %v; want another error than for a wrong password", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if _, err := a.Authenticate(ctx, "10.1.2.3:50000", "crm", "right"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("a client that left: %v after %v", err, time.Since(start))
		}
	})
}

func TestPeerOf(t *testing.T) {
	for remote, want := range map[string]string{
		"10.1.2.3:50000": "10.1.2.3", "[2001:db8::1]:50000": "2001:db8::1",
		"127.0.0.1:50000": "127.0.0.1:50000", "[::1]:50000": "[::1]:50000", "@uid=1000": "@uid=1000",
		"[::ffff:127.0.0.1]:50000": "[::ffff:127.0.0.1]:50000",
	} {
		if got := peerOf(remote); got != want {
			t.Errorf("peerOf(%s) = %s, want %s", remote, got, want)
		}
	}
}

func TestRecentIsBounded(t *testing.T) {
	r := newRecent[int](time.Minute, 100)
	for i := range 300 {
		r.add(i)
	}
	if len(r.until) != 100 || !r.has(299) {
		t.Errorf("%d keys, the last one held: %v", len(r.until), r.has(299))
	}
}

func TestRecentKeepsWhatHasNotExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecent[string](time.Minute, 3)
		r.add("expires")
		time.Sleep(30 * time.Second)
		r.add("stays")
		time.Sleep(30 * time.Second)
		if r.has("expires") || r.renew("expires") || !r.has("stays") || r.has("unknown") || r.renew("unknown") {
			t.Error("after a minute the first key is held, or the second one is not")
		}
		r.add("new")
		if len(r.until) != 2 || !r.has("stays") || !r.has("new") {
			t.Errorf("held: %v", r.until)
		}
		time.Sleep(29 * time.Second)
		if !r.renew("stays") {
			t.Error("a key is not held for its time")
		}
		time.Sleep(59 * time.Second)
		if !r.has("stays") || r.has("new") {
			t.Errorf("a key is not renewed, or another one with it: %v", r.until)
		}
	})
}

// TestRecentDropsTheKeyThatExpiresFirst checks which key is dropped when a new key
// is added and the limit is reached. If no key has expired, it is the key that
// expires first: the one whose last add or renew is longest ago.
func TestRecentDropsTheKeyThatExpiresFirst(t *testing.T) {
	for _, test := range []struct {
		name string
		last func(*recent[int])
		want []int
	}{
		{"a new key", func(r *recent[int]) { r.add(9) }, []int{0, 2, 3, 4, 5, 6, 7, 9}},
		{"a key that is held", func(r *recent[int]) { r.add(5) }, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{"a new key, and one has expired", func(r *recent[int]) {
			time.Sleep(time.Minute - 7*time.Second)
			r.add(9)
		}, []int{0, 2, 3, 4, 5, 6, 7, 9}},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRecent[int](time.Minute, 8)
			for i := range 8 {
				r.add(i)
				time.Sleep(time.Second)
			}
			if !r.renew(0) {
				t.Fatal("the first key is not held")
			}
			test.last(r)
			if got := slices.Sorted(maps.Keys(r.until)); !slices.Equal(got, test.want) {
				t.Errorf("%s: held %v, want %v", test.name, got, test.want)
			}
		})
	}
}

func TestPatternsNarrowTheListInForce(t *testing.T) {
	a := newTestAuthenticator(t, "alice@contoso.com, bob@contoso.com")
	list := filepath.Join(t.TempDir(), "list")
	a.config.AllowedMailboxesFile = config.Path(list)
	allows := func(name, password, mailbox string) bool {
		t.Helper()
		return policyOf(t, a, name, password).Allows(mailbox)
	}
	if !allows("crm", "right", "bob@contoso.com") || allows("crm", "right", "ceo@contoso.com") {
		t.Error("a user without patterns has another list than the global one")
	}
	if !allows("archive", "other", "alice@contoso.com") || allows("archive", "other", "bob@contoso.com") {
		t.Error("a user's patterns do not narrow the list")
	}
	if err := os.WriteFile(list, []byte("bob@contoso.com"), 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := a.list.Reload(); !changed || err != nil {
		t.Fatalf("Reload of the allow-list = %v, %v", changed, err)
	}
	if allows("archive", "other", "alice@contoso.com") || allows("archive", "other", "bob@contoso.com") {
		t.Error("a user's patterns lift what the global list no longer allows")
	}
	first := policyOf(t, a, "archive", "other")
	if second := policyOf(t, a, "archive", "other"); first != second {
		t.Error("the policy is made again for every request")
	}
}

func TestPatternsWithoutAGlobalList(t *testing.T) {
	a := newTestAuthenticator(t, "")
	wide := policyOf(t, a, "crm", "right")
	narrow := policyOf(t, a, "archive", "other")
	if wide.Limited() || !narrow.Limited() || !narrow.Allows("alice@contoso.com") || narrow.Allows("bob@contoso.com") {
		t.Error("the patterns of one user are not his list, or are another's")
	}
}

func TestModeAndScopeApplyToUsersPatterns(t *testing.T) {
	c := config.Config{ListMode: config.Audit, ListScope: config.Targets}
	a, reload := newTestUsersFile(t, c, "archive:"+testHash+" alice@contoso.com\n")
	if p := a.Policy(); !p.Audit() || !p.References() || p.Allows("bob@contoso.com") {
		t.Error("the mode or the scope does not hold for users' patterns")
	}
	if err := reload("archive:" + testHash + "\n"); err == nil || !a.Policy().Audit() {
		t.Errorf("audit mode without a list: %v", err)
	}
}

// TestUsersWithoutAPossiblePolicy checks that New and Reload return an error
// in audit mode if there is no allow-list and no user has patterns.
func TestUsersWithoutAPossiblePolicy(t *testing.T) {
	c := &config.Config{ListMode: config.Audit, ClientUsersFile: "users", ClientUsers: config.ClientUsers{newTestUser(t, "crm", "right", 4)}}
	l, err := allowlist.New(&config.Config{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if a, err := New(c, l); a != nil || err == nil {
		t.Errorf("New = %v, %v", a, err)
	}
	a, reload := newTestUsersFile(t, config.Config{}, "crm:"+testHash+"\n")
	users := a.users.Load()
	a.config.ListMode = config.Audit
	if err := reload("archive:" + testHash + "\n"); err == nil || a.users.Load() != users {
		t.Errorf("Reload: %v", err)
	}
}

func TestNoClientUsers(t *testing.T) {
	if a, err := New(&config.Config{}, nil); a != nil || err != nil {
		t.Errorf("New = %v, %v, want no Authenticator", a, err)
	}
}

func TestUsersWithoutTheDefaultMailboxAreReloaded(t *testing.T) {
	a, reload := newTestUsersFile(t, config.Config{DefaultMailbox: "room@contoso.com"}, "crm:"+testHash+" room@contoso.com\n")
	if err := reload("crm:" + testHash + " alice@contoso.com\n"); err != nil {
		t.Fatalf("Reload: %v", err)
	}
	if p := a.Policy(); p.Allows("room@contoso.com") || !p.Allows("alice@contoso.com") || !a.DefaultMailboxOff() {
		t.Errorf("the old patterns are in force, or nothing reports the default mailbox (%v)", a.DefaultMailboxOff())
	}
}

// TestChangedUsersFile runs under synctest, where comparing a password takes no
// time. So the queue, which pauses for a multiple of that time after a wrong
// password, does not pause.
func TestChangedUsersFile(t *testing.T) { synctest.Test(t, testChangedUsersFile) }

func testChangedUsersFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	write := func(users ...config.ClientUser) {
		t.Helper()
		var b bytes.Buffer
		for _, u := range users {
			fmt.Fprintf(&b, "%s:%s\n", u.Name, u.Hash.Reveal())
		}
		if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := newTestAuthenticator(t, "alice@contoso.com")
	a.config.ClientUsersFile = config.Path(file)
	if !known(t, a, "crm", "right") {
		t.Fatal("crm is refused")
	}
	dear := newTestUser(t, "crm", "new", config.MinCost)
	write(dear)
	if changed, err := a.Reload(); !changed || err != nil {
		t.Fatalf("Reload = %v, %v", changed, err)
	}
	if known(t, a, "crm", "right") || known(t, a, "archive", "other") || !known(t, a, "crm", "new") {
		t.Error("the old users are still in force")
	}
	if changed, err := a.Reload(); changed || err != nil {
		t.Errorf("Reload of the same content = %v, %v", changed, err)
	}
	for name, bad := range map[string][]config.ClientUser{
		"no user": nil, "a faulty line": {dear, {Name: "b", Hash: "in clear"}}, "a cheap hash": {newTestUser(t, "crm", "right", 4)},
	} {
		write(bad...)
		if changed, err := a.Reload(); changed || err == nil || strings.Contains(err.Error(), "clear") {
			t.Errorf("%s: Reload = %v, %v", name, changed, err)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if changed, err := a.Reload(); changed || err == nil {
		t.Errorf("no file: Reload = %v, %v", changed, err)
	}
	if !known(t, a, "crm", "new") || known(t, a, "crm", "right") {
		t.Error("a bad file took the users away, or brought others")
	}
}

func BenchmarkKnownClient(b *testing.B) {
	a := newTestAuthenticator(b, "alice@contoso.com")
	for b.Loop() {
		if !known(b, a, "archive", "other") {
			b.Fatal("refused")
		}
	}
}

// newTestUsersFile returns an Authenticator of a file with the given content,
// and a function that replaces the content and reloads the file.
func newTestUsersFile(t *testing.T, c config.Config, content string) (a *Authenticator, reload func(content string) error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "users")
	write := func(content string) {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(content)
	c.ClientUsersFile = config.Path(file)
	var err error
	if c.ClientUsers, c.ClientUsersUnended, err = config.ReadClientUsers(os.ReadFile, c.ClientUsersFile); err != nil {
		t.Fatal(err)
	}
	l, err := allowlist.New(&c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if a, err = New(&c, l); err != nil {
		t.Fatal(err)
	}
	return a, func(content string) error {
		write(content)
		changed, err := a.Reload()
		if changed != (err == nil) {
			t.Errorf("Reload = %v, %v", changed, err)
		}
		return err
	}
}

// testHash has the form of a bcrypt hash, with the lowest cost that a users file
// may contain.
const testHash = "$2a$10$abcdefghijklmnopqrstuuIbWd1ZUqYfKjJ4F1W9Y3hXkJm3ZLr7e"

func TestReloadDoesNotWidenToEveryMailbox(t *testing.T) {
	const narrow, wide = ":" + testHash + " alice@contoso.com\n", ":" + testHash + "\n"
	cases := []struct {
		name, before, after string
		list                string // the global allow-list
		want                string // part of the error; "" if the reload must succeed
	}{
		{"other patterns", "crm" + narrow, "crm:" + testHash + " bob@contoso.com\n", "", ""},
		{"another narrowed user", "crm" + narrow, "crm" + narrow + "new" + narrow, "", ""},
		{"another user without patterns", "crm" + narrow, "crm" + narrow + "new" + wide, "", "user 2 of the file"},
		{"the only user loses its patterns", "crm" + narrow, "crm" + wide, "", "user 1 of the file"},
		{"a user without patterns at start", "all" + wide + "crm" + narrow, "all" + wide + "crm" + narrow + "new" + wide, "", ""},
		{"a narrowed user loses its patterns next to one without", "all" + wide + "crm" + narrow, "all" + wide + "crm" + wide, "", "user 2 of the file"},
		{"with an allow-list the patterns only narrow it", "crm" + narrow, "crm" + wide + "new" + wide, "alice@contoso.com,bob@contoso.com", ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			var c config.Config
			if tc.list != "" {
				c.AllowedMailboxes = mailboxes(t, tc.list)
			}
			a, reload := newTestUsersFile(t, c, tc.before)
			users := a.users.Load()
			err := reload(tc.after)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Reload: %v, want %q", err, tc.want)
			}
			if changed := a.users.Load() != users; changed != (tc.want == "") {
				t.Errorf("users replaced: %v", changed)
			}
		})
	}
}

func TestReloadNeedsTheLastLineEnd(t *testing.T) {
	const line = "crm:" + testHash + " alice@contoso.com"
	for _, tc := range []struct {
		name, before, after string
		reloaded            bool
	}{
		{"both with line end", line + "\n", "new" + line + "\n", true},
		{"cut", line + "\n", "new" + line, false},
		{"cut inside the patterns", line + " bob@contoso.com\n", line + " b@contoso.com", false},
		{"none at start either", line, "new" + line, true},
		{"none at start, one now", line, "new" + line + "\n", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, reload := newTestUsersFile(t, config.Config{}, tc.before)
			err := reload(tc.after)
			if (err == nil) != tc.reloaded || err != nil && !strings.Contains(err.Error(), "line end") {
				t.Errorf("Reload: %v", err)
			}
		})
	}
}
