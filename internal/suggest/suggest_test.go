package suggest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"hmaproxy/internal/config"
	"hmaproxy/internal/outcome"
	"hmaproxy/internal/traffic"
	"hmaproxy/proxy"
	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

// newList makes a suggestion from served requests, each of which is changed by
// an edit.
func newList(edits ...func(*proxy.Record)) *List {
	c := traffic.New(traffic.LogLimits())
	for _, edit := range edits {
		r := &proxy.Record{
			Start: time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC), Operation: "GetItem", Known: "GetItem",
			Mailbox: "alice@contoso.com", Named: ews.SmtpAddress, Status: 200, Upstream: 200,
		}
		edit(r)
		c.Done(r, outcome.Of(r))
	}
	return New(c.Summary())
}

func as(mailbox string) func(*proxy.Record) { return func(r *proxy.Record) { r.Mailbox = mailbox } }

// patterns writes l as a file. It returns the file's content and the entries
// that the product's own parser finds in it.
func patterns(t *testing.T, l *List) (list []string, file string) {
	t.Helper()
	var b strings.Builder
	if err := l.WriteTo(&b, "from a test"); err != nil {
		t.Fatal(err)
	}
	var parsed config.Mailboxes
	if err := parsed.UnmarshalText([]byte(b.String())); err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	for _, p := range parsed {
		list = append(list, p.String())
	}
	return list, b.String()
}

// TestTheFileHasWhatWasOpened checks that the suggested allow-list file, as the
// product's parser reads it, contains exactly the mailboxes that requests opened.
func TestTheFileHasWhatWasOpened(t *testing.T) {
	fault := func(mailbox, code string) func(*proxy.Record) {
		return func(r *proxy.Record) {
			r.Mailbox, r.Status, r.Upstream, r.Fault = mailbox, 500, 500, ews.ResponseCode(code)
		}
	}
	l := newList(
		as("Alice@Contoso.com"), as("alice@contoso.com"), as("-minus@contoso.com"), as("o'hara+x@sales.contoso.com"),
		func(r *proxy.Record) { r.Mailbox, r.Named = "dora@contoso.com", ews.PrincipalName },
		func(r *proxy.Record) { r.Mailbox, r.Named = "S-1-5-21-1-2-3-500", ews.SID },
		func(r *proxy.Record) { r.Mailbox, r.Audit = "bob@contoso.com", proxy.ReasonMailboxNotAllowed },
		func(r *proxy.Record) {
			r.Mailbox, r.Reason, r.Upstream = "refused@contoso.com", proxy.ReasonMailboxNotAllowed, 0
		},
		fault("gone@contoso.com", "ErrorNonExistentMailbox"), fault("busy@contoso.com", "ErrorServerBusy"),
		as("unreadable"), as(""),
	)
	got, file := patterns(t, l)
	want := []string{"sid:S-1-5-21-1-2-3-500", "alice@contoso.com", "bob@contoso.com", "upn:dora@contoso.com", "o'hara+x@sales.contoso.com"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q, in\n%s", got, want, file)
	}
	var left []string
	for _, m := range l.LeftOut {
		left = append(left, m.Name+": "+m.Why)
	}
	if !slices.Equal(left, []string{
		"-minus@contoso.com: this name cannot be an entry of an allow-list",
		"busy@contoso.com: no request succeeded; Exchange's last fault was ErrorServerBusy",
		"gone@contoso.com: Exchange does not have this mailbox any longer: removed, or moved to Exchange Online",
		"refused@contoso.com: every request was refused here",
	}) {
		t.Errorf("left out %q", left)
	}
}

// TestHostileNamesAreNotProposed checks that a name that a client sends cannot
// become a different entry of the proposed list, or several entries.
func TestHostileNamesAreNotProposed(t *testing.T) {
	for _, name := range []string{
		"*@contoso.com", "*", "x\nceo@contoso.com", "x@contoso.com, ceo@contoso.com", "x@contoso.com # \nceo@contoso.com", "#x@contoso.com",
		"upn:ceo@contoso.com", "sid:S-1-5-21-1-2-3-500", "guid:01234567-89ab-cdef-0123-456789abcdef", "x@contoso.com\r", "x@contoso.com\u2028ceo@contoso.com",
		"\ufeffx@contoso.com", "", " ", "x", strings.Repeat("x", 300) + "@contoso.com",
	} {
		l := newList(as("alice@contoso.com"), as(name), func(r *proxy.Record) {
			r.Mailbox, r.Operation, r.Known = name, "Get\nceo@contoso.com", "other"
		}, func(r *proxy.Record) { r.Mailbox, r.Client = name, "crm\nceo@contoso.com" })
		if got, file := patterns(t, l); !slices.Equal(got, []string{"alice@contoso.com"}) {
			t.Errorf("%q: the list has %q:\n%s", name, got, file)
		}
	}
}

func FuzzNames(f *testing.F) {
	f.Add("x\nceo@contoso.com", "Get\nItem", "crm")
	f.Add("bob@contoso.com", "GetItem", "crm")
	f.Fuzz(func(t *testing.T, mailbox, operation, client string) {
		l := newList(as("alice@contoso.com"), func(r *proxy.Record) {
			r.Mailbox, r.Operation, r.Known, r.Client = mailbox, operation, "other", client
		})
		got, file := patterns(t, l)
		for _, entry := range got {
			if entry != "alice@contoso.com" && !strings.EqualFold(entry, mailbox) || strings.HasPrefix(entry, "*") {
				t.Errorf("%q gives %q:\n%s", mailbox, got, file)
			}
		}
	})
}

func TestOperationsAreNotLifted(t *testing.T) {
	call := func(known, name string) func(*proxy.Record) {
		return func(r *proxy.Record) { r.Known, r.Operation = known, name }
	}
	l := newList(call("GetItem", "GetItem"), call("FindItem", "FindItem"), call("AddDelegate", "AddDelegate"), call("Subscribe:Push", "Subscribe"),
		call("Subscribe", "Subscribe"), call("other", "FrobnicateItem"), call("SearchMailboxes", "SearchMailboxes"), call("Autodiscover:POX", "Autodiscover:POX"),
		func(r *proxy.Record) {
			r.Known, r.Operation, r.Upstream, r.Fault = "CopyItem", "CopyItem", 500, "ErrorInvalidOperation"
		})
	if got, want := l.OperationsSetting(), "HMA_ALLOWED_OPERATIONS=FindItem,GetItem,Subscribe"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	var refused []string
	for _, o := range l.Refused {
		refused = append(refused, o.Name+": "+o.Why)
	}
	const reaches = "it is refused by default, because it reaches beyond the mailbox"
	if want := []string{"AddDelegate: " + reaches, "CopyItem: no request succeeded", "FrobnicateItem: no known schema of EWS has it", "SearchMailboxes: " + reaches, "Subscribe:Push: " + reaches}; !slices.Equal(refused, want) {
		t.Errorf("%q, want %q", refused, want)
	}
	_, setting, _ := strings.Cut(l.OperationsSetting(), "=")
	if _, err := policy.ParseOperations(setting); err != nil {
		t.Error(err)
	}
}

func TestEachClientUserHasItsPatterns(t *testing.T) {
	by := func(client, mailbox string) func(*proxy.Record) {
		return func(r *proxy.Record) { r.Client, r.Mailbox = client, mailbox }
	}
	l := newList(by("crm", "bob@contoso.com"), by("crm", "alice@contoso.com"), by("sync", "alice@contoso.com"), as("carol@contoso.com"),
		func(r *proxy.Record) { r.Client, r.Mailbox, r.Upstream = "sync", "bob@contoso.com", 500 })
	_, file := patterns(t, l)
	for _, line := range []string{"#   crm: alice@contoso.com bob@contoso.com\n", "#   sync: alice@contoso.com\n"} {
		if !strings.Contains(file, line) {
			t.Errorf("no %q in\n%s", line, file)
		}
	}
}

func TestNotes(t *testing.T) {
	unnamed := func(r *proxy.Record) { r.Mailbox, r.Named = "", ews.NoIdentity }
	injected := func(r *proxy.Record) { r.Injected = true }
	for name, test := range map[string]struct {
		edits []func(*proxy.Record)
		says  string // "" if no note is expected
	}{
		"nothing":            {nil, "No request was found"},
		"usual":              {[]func(*proxy.Record){as("alice@contoso.com")}, ""},
		"never named":        {[]func(*proxy.Record){unnamed}, "No request named a mailbox. With an allow-list all of them are refused"},
		"always added":       {[]func(*proxy.Record){injected}, "No request named a mailbox itself: hmaproxy added"},
		"added sometimes":    {[]func(*proxy.Record){injected, as("bob@contoso.com")}, ""},
		"not named once":     {[]func(*proxy.Record){unnamed, as("bob@contoso.com")}, "1 request named no mailbox"},
		"could not be read":  {[]func(*proxy.Record){as("unreadable"), as("bob@contoso.com")}, "1 request could not be read"},
		"an impossible user": {[]func(*proxy.Record){func(r *proxy.Record) { r.Client = "a:b" }}, `cannot have: "a:b".`},
	} {
		notes := strings.Join(newList(test.edits...).Notes, "\n")
		if test.says == "" && notes != "" || !strings.Contains(notes, test.says) {
			t.Errorf("%s: %q", name, notes)
		}
	}
}

// TestAnEmptySuggestionIsNoList checks that the text of a suggestion without an
// entry is not accepted as an allow-list.
func TestAnEmptySuggestionIsNoList(t *testing.T) {
	var b strings.Builder
	if err := newList(as("*@contoso.com")).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if p, err := policy.ParsePatterns(b.String()); err == nil {
		t.Errorf("%q in\n%s", p, b.String())
	}
}
