package policycheck

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"hmaproxy/internal/config"
	"hmaproxy/internal/requestlog"
	"hmaproxy/internal/textcheck"
	"hmaproxy/proxy"
	"hmaproxy/proxy/ews"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

// newPolicies loads settings as the product does, but reads no files: the files
// "cert.pem" and "users" have a fixed content, and no other file exists.
func newPolicies(t *testing.T, settings ...string) *Policies {
	t.Helper()
	c, err := config.Load(append([]string{
		"HMA_EWS_URL=https://mail.contoso.com", "HMA_TENANT_ID=contoso.com", "HMA_APP_ID=00000000-0000-0000-0000-000000000001", "HMA_CERT_FILE=cert.pem",
	}, settings...), func(name string) ([]byte, error) {
		switch name {
		case "cert.pem":
			return []byte("a certificate"), nil
		case "users":
			hash := "$2a$10$" + strings.Repeat(".", 53)
			return []byte("crm:" + hash + " alice@contoso.com *@rooms.contoso.com\nsync:" + hash + "\n"), nil
		}
		return nil, fs.ErrNotExist
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	aList  = "HMA_ALLOWED_MAILBOXES=alice@contoso.com, bob@contoso.com, *@sales.contoso.com, upn:dora@contoso.com"
	users  = "HMA_CLIENT_USERS_FILE=users"
	groups = "HMA_ALLOWED_GROUPS=erp@contoso.com"
)

func TestCheck(t *testing.T) {
	for name, test := range map[string]struct {
		settings                   []string
		mailbox, operation, client string
		reason                     string // "" for allowed
		rules                      []string
	}{
		"an entry": {[]string{aList}, "Alice@contoso.com", "", "", "", []string{"the entry alice@contoso.com of HMA_ALLOWED_MAILBOXES"}},
		"a wildcard": {[]string{aList}, "x@sales.contoso.com", "", "", "",
			[]string{"the wildcard *@sales.contoso.com of HMA_ALLOWED_MAILBOXES, if it is the mailbox's primary address"}},
		"a wildcard with primary addresses only": {[]string{aList, "HMA_ALLOW_LIST_ADDRESSES=primary"}, "x@sales.contoso.com", "", "", "", nil},
		"no entry":                               {[]string{aList}, "ceo@contoso.com", "", "", "mailbox-not-allowed", []string{"no entry of HMA_ALLOWED_MAILBOXES matches"}},
		"another form":                           {[]string{aList}, "upn:alice@contoso.com", "", "", "mailbox-not-allowed", nil},
		"that form":                              {[]string{aList}, "UPN:dora@contoso.com", "", "", "", []string{"the entry upn:dora@contoso.com of HMA_ALLOWED_MAILBOXES"}},
		"no address":                             {[]string{aList}, "ceo", "", "", "mailbox-not-allowed", []string{"the name is none that an allow-list can have: an address needs an @"}},
		"no list":                                {nil, "ceo@contoso.com", "", "", "", []string{"no allow-list is set: every mailbox"}},
		"every mailbox on purpose":               {[]string{"HMA_ALLOWED_MAILBOXES=*"}, "ceo@contoso.com", "", "", "", []string{"HMA_ALLOWED_MAILBOXES=*: every mailbox, on purpose"}},
		"a pattern of the client": {[]string{aList, users}, "alice@contoso.com", "", "crm", "",
			[]string{"the entry alice@contoso.com of HMA_ALLOWED_MAILBOXES", "the entry alice@contoso.com of the patterns of client user crm"}},
		"no pattern of the client": {[]string{aList, users}, "bob@contoso.com", "", "crm", "mailbox-not-allowed",
			[]string{"the entry bob@contoso.com of HMA_ALLOWED_MAILBOXES", "no entry of the patterns of client user crm matches"}},
		"a pattern of the client and no entry": {[]string{aList, users}, "x@rooms.contoso.com", "", "crm", "mailbox-not-allowed", nil},
		"a client without patterns":            {[]string{aList, users}, "bob@contoso.com", "", "sync", "", []string{"the entry bob@contoso.com of HMA_ALLOWED_MAILBOXES"}},
		"a member of a group, perhaps": {[]string{aList, groups, "HMA_ALLOWED_GROUPS_AS=alice@contoso.com"}, "ceo@contoso.com", "", "", "mailbox-not-allowed",
			[]string{"no entry of HMA_ALLOWED_MAILBOXES matches; the members of HMA_ALLOWED_GROUPS are known to a running hmaproxy only, which may allow it"}},
		"an operation": {[]string{aList}, "alice@contoso.com", "GetItem", "", "", []string{"the entry alice@contoso.com of HMA_ALLOWED_MAILBOXES", "the operation is allowed by default"}},
		"an operation that is refused by default": {[]string{aList}, "alice@contoso.com", "AddDelegate", "", "operation-not-allowed",
			[]string{"the entry alice@contoso.com of HMA_ALLOWED_MAILBOXES", "the operation is refused by default, because it reaches beyond the mailbox, and HMA_ALLOWED_OPERATIONS does not name it"}},
		"a lifted operation": {[]string{aList, "HMA_ALLOWED_OPERATIONS=+AddDelegate"}, "alice@contoso.com", "AddDelegate", "", "",
			[]string{"the entry alice@contoso.com of HMA_ALLOWED_MAILBOXES", "HMA_ALLOWED_OPERATIONS names the operation, which is refused by default"}},
		"another operation than the lifted": {[]string{aList, "HMA_ALLOWED_OPERATIONS=+AddDelegate"}, "alice@contoso.com", "GetItem", "", "",
			[]string{"the entry alice@contoso.com of HMA_ALLOWED_MAILBOXES", "HMA_ALLOWED_OPERATIONS leaves the operation allowed"}},
		"an operation off the list": {[]string{aList, "HMA_ALLOWED_OPERATIONS=FindItem"}, "alice@contoso.com", "GetItem", "", "operation-not-allowed",
			[]string{"the entry alice@contoso.com of HMA_ALLOWED_MAILBOXES", "HMA_ALLOWED_OPERATIONS does not name the operation"}},
		"the mailbox alone, with few operations": {[]string{aList, "HMA_ALLOWED_OPERATIONS=FindItem"}, "alice@contoso.com", "", "", "", nil},
		"push":                                   {[]string{aList}, "alice@contoso.com", "Subscribe:Push", "", "operation-not-allowed", nil},
		"another subscription":                   {[]string{aList}, "alice@contoso.com", "Subscribe", "", "", nil},
		"an unknown operation": {[]string{aList}, "alice@contoso.com", "FrobnicateItem", "", "operation-not-allowed",
			[]string{"the entry alice@contoso.com of HMA_ALLOWED_MAILBOXES", "no known schema of EWS has the operation, and HMA_ALLOWED_OPERATIONS does not name it"}},
		"an operation without a list": {nil, "alice@contoso.com", "AddDelegate", "", "", []string{"no allow-list is set: every mailbox", "without an allow-list no operation is refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := newPolicies(t, test.settings...).Check(test.mailbox, test.operation, test.client)
			if err != nil {
				t.Fatal(err)
			}
			if r.Allowed != (test.reason == "") || r.Reason != test.reason || test.rules != nil && !slices.Equal(r.Rules, test.rules) {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestCheckOfUnknownUsers(t *testing.T) {
	if _, err := newPolicies(t, aList, users).Check("alice@contoso.com", "", "erp"); !errors.Is(err, errUnknownUser) {
		t.Errorf("%v", err)
	}
	if _, err := newPolicies(t, aList).Check("alice@contoso.com", "", "crm"); err == nil {
		t.Error("a client user without HMA_CLIENT_USERS_FILE")
	}
}

func TestCheckNamesAuditMode(t *testing.T) {
	p := newPolicies(t, aList, "HMA_ALLOW_LIST_MODE=audit")
	if r, err := p.Check("ceo@contoso.com", "", ""); err != nil || r.Allowed || !r.Audit {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := p.Check("alice@contoso.com", "", ""); err != nil || !r.Allowed || r.Audit {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestReplay replays logged requests against a configuration, one request in
// each case. It checks the decision, or which information is missing for a
// decision.
func TestReplay(t *testing.T) {
	const allowed, outside = "allowed", "outside"
	for name, test := range map[string]struct {
		settings []string
		edit     func(*proxy.Record)
		want     string // the reason of a refusal, the missing information, or one of the constants allowed and outside
	}{
		"an entry":                       {[]string{aList}, nil, allowed},
		"no entry":                       {[]string{aList}, func(r *proxy.Record) { r.Mailbox = "ceo@contoso.com" }, "mailbox-not-allowed"},
		"no entry, in audit mode":        {[]string{aList, "HMA_ALLOW_LIST_MODE=audit"}, func(r *proxy.Record) { r.Mailbox = "ceo@contoso.com" }, "mailbox-not-allowed"},
		"no entry, and no list":          {nil, func(r *proxy.Record) { r.Mailbox = "ceo@contoso.com" }, allowed},
		"refused then, and allowed now":  {[]string{aList}, func(r *proxy.Record) { r.Reason = proxy.ReasonMailboxNotAllowed }, allowed},
		"audited then, and allowed now":  {[]string{aList}, func(r *proxy.Record) { r.Audit = proxy.ReasonMailboxNotAllowed }, allowed},
		"a principal name":               {[]string{aList}, func(r *proxy.Record) { r.Named, r.Mailbox = ews.PrincipalName, "dora@contoso.com" }, allowed},
		"a principal name without entry": {[]string{aList}, func(r *proxy.Record) { r.Named = ews.PrincipalName }, "mailbox-not-allowed"},
		"an operation":                   {[]string{aList}, func(r *proxy.Record) { r.Known, r.Operation = "AddDelegate", "AddDelegate" }, "operation-not-allowed"},
		"push":                           {[]string{aList}, func(r *proxy.Record) { r.Known, r.Operation = "Subscribe:Push", "Subscribe" }, "operation-not-allowed"},
		"another subscription":           {[]string{aList}, func(r *proxy.Record) { r.Known, r.Operation = "Subscribe", "Subscribe" }, allowed},
		"an unknown operation":           {[]string{aList}, func(r *proxy.Record) { r.Known, r.Operation = "other", "Frobnicate" }, "operation-not-allowed"},
		"an unknown operation, named":    {[]string{aList, "HMA_ALLOWED_OPERATIONS=FrobnicateItem"}, func(r *proxy.Record) { r.Known, r.Operation = "other", "FrobnicateItem" }, allowed},
		"no SOAP request":                {[]string{aList}, func(r *proxy.Record) { r.Known, r.Operation, r.Mailbox = "", "", "" }, outside},
		"Autodiscover": {[]string{aList}, func(r *proxy.Record) {
			r.Known, r.Operation, r.Mailbox = "Autodiscover:POX", "Autodiscover:POX", "ceo@contoso.com"
		}, outside},
		"without credentials":                  {[]string{aList}, func(r *proxy.Record) { r.Known, r.Operation, r.Mailbox, r.Reason = "", "", "", proxy.ReasonCredentials }, outside},
		"unreadable":                           {[]string{aList}, func(r *proxy.Record) { r.Known, r.Operation, r.Mailbox = "", "", "unreadable" }, "envelope-refused"},
		"unreadable, and no list":              {nil, func(r *proxy.Record) { r.Known, r.Operation, r.Mailbox = "", "", "unreadable" }, allowed},
		"an envelope that was refused":         {[]string{aList}, func(r *proxy.Record) { r.Reason = proxy.ReasonEnvelopeRefused }, "envelope-refused"},
		"an envelope that was audited":         {[]string{aList}, func(r *proxy.Record) { r.Audit = proxy.ReasonEnvelopeRefused }, "envelope-refused"},
		"no mailbox":                           {[]string{aList}, func(r *proxy.Record) { r.Mailbox, r.Named = "", ews.NoIdentity }, "no-mailbox"},
		"no mailbox, and a default":            {[]string{aList, "HMA_DEFAULT_MAILBOX=alice@contoso.com"}, func(r *proxy.Record) { r.Mailbox, r.Named = "", ews.NoIdentity }, allowed},
		"no mailbox, and a login to come":      {[]string{aList, "HMA_IMPERSONATE_LOGIN_USER=true"}, func(r *proxy.Record) { r.Mailbox, r.Named = "", ews.NoIdentity }, lacksLogin},
		"added, and a default":                 {[]string{aList, "HMA_DEFAULT_MAILBOX=alice@contoso.com"}, func(r *proxy.Record) { r.Injected, r.Mailbox = true, "old@contoso.com" }, allowed},
		"added, and no default":                {[]string{aList}, func(r *proxy.Record) { r.Injected = true }, "no-mailbox"},
		"added, the login user":                {[]string{aList, "HMA_IMPERSONATE_LOGIN_USER=true"}, func(r *proxy.Record) { r.Injected = true }, allowed},
		"added, another login user":            {[]string{aList, "HMA_IMPERSONATE_LOGIN_USER=true"}, func(r *proxy.Record) { r.Injected, r.Mailbox = true, "ceo@contoso.com" }, "mailbox-not-allowed"},
		"a client's pattern":                   {[]string{aList, users}, func(r *proxy.Record) { r.Client = "crm" }, allowed},
		"no pattern of the client":             {[]string{aList, users}, func(r *proxy.Record) { r.Client, r.Mailbox = "crm", "bob@contoso.com" }, "mailbox-not-allowed"},
		"a client without patterns":            {[]string{aList, users}, func(r *proxy.Record) { r.Client, r.Mailbox = "sync", "bob@contoso.com" }, allowed},
		"a client that is gone":                {[]string{aList, users}, func(r *proxy.Record) { r.Client = "erp" }, "credentials"},
		"a client, and no users now":           {[]string{aList}, func(r *proxy.Record) { r.Client = "erp" }, allowed},
		"a member of a group, perhaps":         {[]string{aList, groups, "HMA_ALLOWED_GROUPS_AS=alice@contoso.com"}, func(r *proxy.Record) { r.Mailbox = "ceo@contoso.com" }, lacksMembers},
		"a member, off the client's":           {[]string{aList, users, groups, "HMA_ALLOWED_GROUPS_AS=alice@contoso.com"}, func(r *proxy.Record) { r.Client, r.Mailbox = "crm", "ceo@contoso.com" }, "mailbox-not-allowed"},
		"no address, with groups":              {[]string{aList, groups, "HMA_ALLOWED_GROUPS_AS=alice@contoso.com"}, func(r *proxy.Record) { r.Mailbox = "ceo" }, "mailbox-not-allowed"},
		"an anchor off the list":               {[]string{aList}, func(r *proxy.Record) { r.Audit = proxy.ReasonAnchorNotAllowed }, lacksAnchor},
		"an anchor, and no list":               {nil, func(r *proxy.Record) { r.Audit = proxy.ReasonAnchorNotAllowed }, allowed},
		"a reference off the list":             {[]string{aList, "HMA_ALLOW_LIST_SCOPE=targets"}, func(r *proxy.Record) { r.Reason = proxy.ReasonReferenceNotAllowed }, lacksReference},
		"a reference, in the usual scope":      {[]string{aList}, func(r *proxy.Record) { r.Reason = proxy.ReasonReferenceNotAllowed }, allowed},
		"a login name that was not an address": {[]string{aList, "HMA_DEFAULT_MAILBOX=alice@contoso.com"}, func(r *proxy.Record) { r.Mailbox, r.Named, r.Reason = "", ews.NoIdentity, proxy.ReasonLoginNameInvalid }, allowed},
	} {
		t.Run(name, func(t *testing.T) {
			r := &proxy.Record{
				Start: time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC), Operation: "GetItem", Known: "GetItem",
				Mailbox: "alice@contoso.com", Named: ews.SmtpAddress, Status: 200, Upstream: 200,
			}
			if test.edit != nil {
				test.edit(r)
			}
			replay := NewReplay(newPolicies(t, test.settings...))
			replay.Add(r)
			got := ""
			switch totals := replay.Totals(); {
			case totals.Allowed == 1:
				got = allowed
			case totals.Outside == 1:
				got = outside
			case totals.Refused+totals.Undecided == 1 && len(replay.Rows()) == 1:
				got = replay.Rows()[0].Why
				if undecided := strings.Contains(got, " "); undecided != (totals.Undecided == 1) || replay.Rows()[0].Undecided != undecided {
					t.Errorf("%+v", totals)
				}
			}
			if got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestReplayAddsUp(t *testing.T) {
	replay := NewReplay(newPolicies(t, aList))
	at := time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)
	for i, upstream := range []int{200, 500, 200} {
		replay.Add(&proxy.Record{
			Start: at.Add(time.Duration(3-i) * time.Hour), Operation: "GetItem", Known: "GetItem", Mailbox: "ceo@contoso.com",
			Named: ews.SmtpAddress, Status: upstream, Upstream: upstream, Client: "crm",
		})
	}
	want := Row{Client: "crm", Mailbox: "ceo@contoso.com", Operation: "GetItem", Why: "mailbox-not-allowed", Requests: 3, Succeeded: 2, First: at.Add(time.Hour), Last: at.Add(3 * time.Hour)}
	if rows := replay.Rows(); len(rows) != 1 || rows[0] != want {
		t.Errorf("%+v, want %+v", rows, want)
	}
}

// TestLongNamesAreCut checks that rows contain at most maxName bytes of a name, and
// whole UTF-8 characters.
func TestLongNamesAreCut(t *testing.T) {
	head := strings.Repeat("a", maxName-1)
	for name, want := range map[string]string{head + "b": head + "b", head + "bc": head + "b…", head + "é": head + "…"} {
		replay := NewReplay(newPolicies(t, aList))
		replay.Add(&proxy.Record{Operation: "GetItem", Known: "GetItem", Mailbox: name, Named: ews.SmtpAddress})
		if rows := replay.Rows(); len(rows) != 1 || rows[0].Mailbox != want {
			t.Errorf("%q: rows %+v", name, rows)
		}
	}
}

// TestReplayBeyondTheLimit fills the rows with unknown client users. It checks
// that the decisions about further client users are correct all the same, that
// their refused requests are counted, and that only the policies of known client
// users are cached.
func TestReplayBeyondTheLimit(t *testing.T) {
	replay := NewReplay(newPolicies(t, aList, users))
	add := func(client, mailbox string) {
		replay.Add(&proxy.Record{Operation: "GetItem", Known: "GetItem", Mailbox: mailbox, Named: ews.SmtpAddress, Status: 200, Upstream: 200, Client: client})
	}
	for i := range maxRows {
		add("unknown"+strconv.Itoa(i), "alice@contoso.com")
	}
	if got, want := replay.Totals(), (Totals{Refused: maxRows}); got != want {
		t.Fatalf("%+v, want %+v", got, want)
	}
	for range 2 {
		add("crm", "alice@contoso.com")
		add("sync", "bob@contoso.com")
		add("crm", "bob@contoso.com")
		add("one too many", "alice@contoso.com")
	}
	if got, want := replay.Totals(), (Totals{Allowed: 4, Refused: maxRows + 4, Beyond: 4}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if n := len(replay.Rows()); n != maxRows {
		t.Errorf("%d rows, want %d", n, maxRows)
	}
	if n := len(replay.users); n != 2 || replay.users["crm"] == nil || replay.users["sync"] == nil {
		t.Errorf("%d cached policies, want those of crm and sync", n)
	}
}

// TestLimitsAreStated checks that Limits returns the limitations of each
// configuration.
func TestLimitsAreStated(t *testing.T) {
	for name, test := range map[string]struct {
		settings []string
		says     string
	}{
		"always":  {[]string{aList}, "Requests that are not in the log are not tested"},
		"targets": {[]string{aList, "HMA_ALLOW_LIST_SCOPE=targets"}, "HMA_ALLOW_LIST_SCOPE=targets is not tested"},
		"groups":  {[]string{aList, groups, "HMA_ALLOWED_GROUPS_AS=alice@contoso.com"}, "The members of HMA_ALLOWED_GROUPS are not known here"},
		"no list": {nil, "The configuration has no allow-list"},
	} {
		text := strings.Join(NewReplay(newPolicies(t, test.settings...)).Limits(), "\n")
		if !strings.Contains(text, test.says) {
			t.Errorf("%s: %q", name, text)
		}
		if name == "always" && strings.Contains(text, "targets") {
			t.Errorf("%s: %q", name, text)
		}
	}
}

// TestReplayOutput replays the log of package report, which has lines of every
// kind, some with harmful names. It compares the output with files that were
// reviewed by hand.
func TestReplayOutput(t *testing.T) {
	replay := NewReplay(newPolicies(t, aList, "HMA_ALLOW_LIST_MODE=audit"))
	reader, err := requestlog.NewReader(replay.Add)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Open("../report/testdata/traffic.log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if err := reader.Read("traffic.log", log); err != nil {
		t.Fatal(err)
	}
	var text, document bytes.Buffer
	if err := errors.Join(replay.WriteText(&text, reader.Facts(), 12), replay.WriteJSON(&document, reader.Facts())); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"replay.txt": text.String(), "replay.json": document.String()} {
		textcheck.File(t, filepath.Join("testdata", name), got, *update)
		if strings.ContainsFunc(got, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
			t.Errorf("%s holds a character that is not printable", name)
		}
	}
}
