package allowlist_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"hmaproxy/internal/allowlist"
	"hmaproxy/internal/config"
)

func newTestList(t *testing.T, c config.Config, content string) (l *allowlist.List, reload func(content string) error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "list")
	write := func(content string) {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(content)
	c.AllowedMailboxesFile = config.Path(file)
	var err error
	if c.AllowedMailboxes, err = config.ReadMailboxes(os.ReadFile, c.AllowedMailboxesFile); err != nil {
		t.Fatal(err)
	}
	if l, err = allowlist.New(&c, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return l, func(content string) error {
		write(content)
		_, err := l.Reload()
		return err
	}
}

// TestListWithoutTheDefaultMailboxIsReloaded checks that the removal of the
// default mailbox from the file takes effect, like the removal of any other
// mailbox.
func TestListWithoutTheDefaultMailboxIsReloaded(t *testing.T) {
	l, reload := newTestList(t, config.Config{DefaultMailbox: "room@contoso.com"}, "alice@contoso.com\nroom@contoso.com\n")
	if l.DefaultMailboxOff() {
		t.Error("the default mailbox is on the list")
	}
	if err := reload("bob@contoso.com\n"); err != nil {
		t.Fatalf("Reload: %v", err)
	}
	p := l.Policy()
	if p.Allows("room@contoso.com") || p.Allows("alice@contoso.com") || !p.Allows("bob@contoso.com") {
		t.Error("the old list is still in force")
	}
	if !l.DefaultMailboxOff() {
		t.Error("nothing reports that the default mailbox is off the list")
	}
	if err := reload("room@contoso.com\n"); err != nil || l.DefaultMailboxOff() || !l.Policy().Allows("room@contoso.com") {
		t.Errorf("back on the list: %v", err)
	}
}

func TestFaultyListIsNotReloaded(t *testing.T) {
	l, reload := newTestList(t, config.Config{}, "alice@contoso.com\n")
	for name, content := range map[string]string{"empty": "", "comments alone": "# none\n", "faulty": "bob\n", "every mailbox": "*\n"} {
		if err := reload(content); err == nil {
			t.Errorf("%s: reloaded", name)
		}
		if p := l.Policy(); !p.Allows("alice@contoso.com") || p.Allows("bob@contoso.com") {
			t.Errorf("%s: the old list is not in force", name)
		}
	}
}
