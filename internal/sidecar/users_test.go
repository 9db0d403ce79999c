package sidecar

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"hmaproxy/internal/config"
	"hmaproxy/proxy"
	"hmaproxy/proxy/policy"
)

// user makes a user with a cheap hash.
func user(t testing.TB, name, password string, cost int, patterns ...string) config.ClientUser {
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
	r := newRoster(config.ClientUsers{
		user(t, "crm", "right", 4), user(t, "archive", "other", 5), user(t, "long", long, 4), user(t, "ümlaut", "pässword", 4),
		// From the test vectors of OpenBSD's bcrypt, as Openwall's crypt_blowfish has them: $2a$05$, "U*U".
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
		{"the hash itself", "crm", r.users[0].Hash.Reveal(), false},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if got := r.matches(tc.user, tc.password); got != tc.want {
				t.Errorf("matches = %v", got)
			}
		})
	}
}

// TestComparisonsTakeTheSameTime: what is refused tells by its time neither
// whether the user exists, nor what was wrong, nor how dear the hash is.
func TestComparisonsTakeTheSameTime(t *testing.T) {
	r := newRoster(config.ClientUsers{user(t, "cheap", "a", 4), user(t, "dear", "b", 8)}, nil)
	cases := []struct{ name, user, password string }{
		{"unknown user", "nobody", "wrong"},
		{"wrong, dear hash", "dear", "wrong"},
		{"wrong, cheap hash", "cheap", "wrong"},
		{"right, cheap hash", "cheap", "a"},
		{"too long", "dear", strings.Repeat("x", 100)},
		{"zero byte", "cheap", "a\x00"},
	}
	fastest := make([]time.Duration, len(cases))
	for round := range 7 { // in turns, so that another's load meets all alike
		for i, tc := range cases {
			start := time.Now()
			r.matches(tc.user, tc.password)
			if took := time.Since(start); round == 0 || took < fastest[i] {
				fastest[i] = took
			}
		}
	}
	for i, took := range fastest { // a cheap hash alone would take a sixteenth
		if took < fastest[0]/3 || took > fastest[0]*3 {
			t.Errorf("%s took %v, %s %v", cases[i].name, took, cases[0].name, fastest[0])
		}
	}
}

// newTestClients knows crm and archive, the latter narrowed.
func newTestClients(t testing.TB, list string) *clients {
	t.Helper()
	c := &config.Config{ClientUsersFile: "users", ClientUsers: config.ClientUsers{
		user(t, "crm", "right", 4), user(t, "archive", "other", 4, "alice@contoso.com"),
	}}
	if list != "" {
		c.AllowedMailboxes = mailboxes(t, list)
	}
	p, err := newPolicies(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	k, err := newClients(c, p, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// busy takes every turn: whoever must be compared waits in vain.
func (k *clients) busy() {
	for range comparisons {
		k.turns <- struct{}{}
	}
}

func (k *clients) free() {
	for range comparisons {
		<-k.turns
	}
}

func TestWhoWasRightIsNotComparedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTestClients(t, "")
		allowed := func(name, password string) bool { _, ok := k.authenticate(name, password); return ok }
		if !allowed("crm", "right") {
			t.Fatal("the right password is refused")
		}
		k.busy()
		if start := time.Now(); !allowed("crm", "right") || time.Since(start) != 0 {
			t.Fatal("the right password waits")
		}
		if allowed("crm", "wrong") || allowed("archive", "right") || allowed("cr", "mright") {
			t.Error("another pair counts as known")
		}
		allowed("crm", "right")
		time.Sleep(recentTime - time.Second)
		if !allowed("crm", "right") {
			t.Error("forgotten too soon")
		}
		time.Sleep(recentTime - time.Second)
		if !allowed("crm", "right") {
			t.Error("a request does not prolong it")
		}
		time.Sleep(recentTime)
		if allowed("crm", "right") {
			t.Error("never forgotten")
		}
		k.free()
		if !allowed("crm", "right") {
			t.Error("the right password is refused after a while")
		}
	})
}

func TestAtMostTwoComparisonsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTestClients(t, "")
		k.turns <- struct{}{}
		if _, ok := k.authenticate("crm", "right"); !ok {
			t.Error("one comparison under way keeps the second out")
		}
		k.turns <- struct{}{}
		start := time.Now()
		if _, ok := k.authenticate("archive", "other"); ok || time.Since(start) != turnWait {
			t.Errorf("a third comparison: %v after %v", ok, time.Since(start))
		}
	})
}

func TestRecentIsBounded(t *testing.T) {
	var r recent
	for i := range 3 * maxRecent {
		r.add(fingerprint{byte(i), byte(i >> 8)})
	}
	if len(r.until) != maxRecent {
		t.Errorf("%d are remembered", len(r.until))
	}
}

func TestPatternsNarrowTheListInForce(t *testing.T) {
	k := newTestClients(t, "alice@contoso.com, bob@contoso.com")
	allows := func(name, password, mailbox string) bool {
		t.Helper()
		p, ok := k.authenticate(name, password)
		if !ok {
			t.Fatalf("%s is refused", name)
		}
		return p.Allows(mailbox)
	}
	if !allows("crm", "right", "bob@contoso.com") || allows("crm", "right", "ceo@contoso.com") {
		t.Error("a user without patterns has another list than the global one")
	}
	if !allows("archive", "other", "alice@contoso.com") || allows("archive", "other", "bob@contoso.com") {
		t.Error("a user's patterns do not narrow the list")
	}
	made, err := k.policies.make(mailboxes(t, "bob@contoso.com"))
	if err != nil {
		t.Fatal(err)
	}
	k.policies.current.Store(made)
	if allows("archive", "other", "alice@contoso.com") || allows("archive", "other", "bob@contoso.com") {
		t.Error("a user's patterns lift what the global list no longer allows")
	}
	first, _ := k.authenticate("archive", "other")
	if second, _ := k.authenticate("archive", "other"); first != second {
		t.Error("the policy is made anew for every request")
	}
}

func TestPatternsWithoutAGlobalList(t *testing.T) {
	k := newTestClients(t, "")
	wide, _ := k.authenticate("crm", "right")
	narrow, _ := k.authenticate("archive", "other")
	if wide.Limited() || !narrow.Limited() || !narrow.Allows("alice@contoso.com") || narrow.Allows("bob@contoso.com") {
		t.Error("the patterns of one user are not his list, or are another's")
	}
	k.config.ListMode, k.config.ListScope = config.Audit, config.Targets
	if err := k.enlist(k.current.Load().users[1:]); err != nil {
		t.Fatal(err)
	}
	audited, ok := k.authenticate("archive", "other")
	if !ok || !audited.Audit() || !audited.References() || audited.Allows("bob@contoso.com") {
		t.Error("the mode and the scope do not hold for users' patterns")
	}
	if err := k.enlist(config.ClientUsers{user(t, "crm", "right", 4)}); err == nil {
		t.Error("audit mode goes on without a list")
	}
	if _, ok := k.authenticate("crm", "right"); ok {
		t.Error("users that could not be taken up are in force")
	}
}

func TestChangedUsersFile(t *testing.T) {
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
	k := newTestClients(t, "alice@contoso.com")
	k.config.ClientUsersFile = config.Path(file)
	known := func(name, password string) bool { _, ok := k.authenticate(name, password); return ok }
	if !known("crm", "right") {
		t.Fatal("crm is refused")
	}
	dear := user(t, "crm", "new", config.MinCost)
	write(dear)
	if changed, err := k.take(); !changed || err != nil {
		t.Fatalf("take = %v, %v", changed, err)
	}
	if known("crm", "right") || known("archive", "other") || !known("crm", "new") {
		t.Error("the old users are still in force")
	}
	if changed, err := k.take(); changed || err != nil {
		t.Errorf("take of the same = %v, %v", changed, err)
	}
	for name, bad := range map[string][]config.ClientUser{
		"no user": nil, "a faulty line": {dear, {Name: "b", Hash: "in clear"}}, "a cheap hash": {user(t, "crm", "right", 4)},
	} {
		write(bad...)
		if changed, err := k.take(); changed || err == nil || strings.Contains(err.Error(), "clear") {
			t.Errorf("%s: take = %v, %v", name, changed, err)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if changed, err := k.take(); changed || err == nil {
		t.Errorf("no file: take = %v, %v", changed, err)
	}
	if !known("crm", "new") || known("crm", "right") {
		t.Error("a bad file took the users away, or brought others")
	}
}

func TestStrangersDoNotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		log := slog.New(slog.NewTextHandler(&b, nil))
		var s strangers
		lines := func(n int) (written int) {
			for range n {
				if !s.omit(log, &proxy.Record{Reason: proxy.ReasonCredentials}) {
					written++
				}
			}
			return written
		}
		if n := lines(1000); n != strangerBurst {
			t.Errorf("%d lines of the first 1000", n)
		}
		if s.omit(log, &proxy.Record{Reason: proxy.ReasonHost}) || s.omit(log, &proxy.Record{}) {
			t.Error("other requests are left out of the log")
		}
		time.Sleep(strangerPause)
		if n := lines(1000); n != 1 || !strings.Contains(b.String(), "count=990") {
			t.Errorf("%d lines after a pause; the log says %q", n, b.String())
		}
		time.Sleep(time.Hour)
		if n := lines(1000); n != strangerBurst {
			t.Errorf("%d lines after an hour", n)
		}
	})
}

func BenchmarkKnownClient(b *testing.B) {
	k := newTestClients(b, "alice@contoso.com")
	for b.Loop() {
		if _, ok := k.authenticate("archive", "other"); !ok {
			b.Fatal("refused")
		}
	}
}
