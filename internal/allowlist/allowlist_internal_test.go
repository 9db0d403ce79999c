package allowlist

import (
	"log/slog"
	"testing"

	"hmaproxy/internal/config"
	"hmaproxy/proxy/policy"
)

// TestReloadReadsWithoutTheLock checks that the members of groups can be replaced
// while Reload reads the file, which may take long on a network file system.
func TestReloadReadsWithoutTheLock(t *testing.T) {
	entries := func(text string) config.Mailboxes {
		patterns, err := policy.ParsePatterns(text)
		if err != nil {
			t.Fatal(err)
		}
		return patterns
	}
	l, err := New(&config.Config{AllowedMailboxes: entries("alice@contoso.com"), AllowedMailboxesFile: "list"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l.readFile = func(string) ([]byte, error) {
		if !l.mu.TryLock() {
			t.Fatal("Reload holds the lock while it reads the file")
		}
		l.mu.Unlock()
		return []byte("bob@contoso.com\n"), l.SetMembers(entries("dora@contoso.com"))
	}
	if changed, err := l.Reload(); !changed || err != nil {
		t.Fatalf("Reload = %v, %v", changed, err)
	}
	p := l.Policy()
	for mailbox, want := range map[string]bool{"alice@contoso.com": false, "bob@contoso.com": true, "dora@contoso.com": true} {
		if p.Allows(mailbox) != want {
			t.Errorf("%s: allowed %v, want %v", mailbox, !want, want)
		}
	}
}
