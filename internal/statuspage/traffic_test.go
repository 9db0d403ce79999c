package statuspage

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"hmaproxy/internal/textcheck"
	"hmaproxy/proxy"
	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

// needed returns the allow-list that the traffic needs. The page shows it in its
// only text area; the result is "" if the page has none.
func needed(t *testing.T, page string) string {
	t.Helper()
	document, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range document.Descendants() {
		if n.Data == "textarea" && n.FirstChild != nil {
			return n.FirstChild.Data
		}
	}
	return ""
}

// TestAuditModeShowsTheListThatEnforcingWouldNeed checks that the page shows an
// allow-list in audit mode only. The product must accept this list. It must contain
// exactly the mailboxes that Exchange opened, without those that are no valid entry.
// The operations in it must be those that succeeded, without those that hmaproxy
// refuses by default; the others are named apart.
func TestAuditModeShowsTheListThatEnforcingWouldNeed(t *testing.T) {
	for _, mode := range []string{"audit", "enforce", "every", "none"} {
		a := newTestAdmin(t)
		a.config.AllowList = func() AllowList { return AllowList{Mode: mode, Entries: 1} }
		for _, edit := range []func(*proxy.Record){
			nil,
			func(r *proxy.Record) { r.Mailbox, r.Audit = "bob@contoso.com", proxy.ReasonMailboxNotAllowed },
			func(r *proxy.Record) { r.Mailbox, r.Named = "dora@contoso.com", ews.PrincipalName },
			func(r *proxy.Record) {
				r.Mailbox, r.Upstream, r.Status, r.Fault = "gone@contoso.com", 500, 500, "ErrorNonExistentMailbox"
			},
			func(r *proxy.Record) { r.Mailbox = "</textarea><script>\nceo@contoso.com" },
			func(r *proxy.Record) { r.Mailbox = "*@contoso.com" },
			func(r *proxy.Record) { r.Known, r.Operation = "FindItem", "FindItem" },
			func(r *proxy.Record) {
				r.Known, r.Operation, r.Audit = "AddDelegate", "AddDelegate", proxy.ReasonOperationNotAllowed
			},
			func(r *proxy.Record) {
				r.Known, r.Operation, r.Upstream, r.Status, r.Fault = "CopyItem", "CopyItem", 500, 500, "ErrorInvalidOperation"
			},
		} {
			done(a, newTestRecord(edit))
		}
		text := needed(t, ask(a, "/").Body.String())
		if mode != "audit" {
			if text != "" {
				t.Errorf("%s: the page has a list:\n%s", mode, text)
			}
			continue
		}
		patterns, err := policy.ParsePatterns(text)
		if err != nil {
			t.Fatal(err)
		}
		var entries []string
		for _, p := range patterns {
			entries = append(entries, p.String())
		}
		if want := []string{"alice@contoso.com", "bob@contoso.com", "upn:dora@contoso.com"}; !slices.Equal(entries, want) {
			t.Errorf("%q, want %q", entries, want)
		}
		if !strings.Contains(text, "\n# HMA_ALLOWED_OPERATIONS=FindItem,GetFolder\n") {
			t.Errorf("other operations than those that succeeded and are allowed by default:\n%s", text)
		}
		textcheck.Contains(t, text, "AddDelegate", "CopyItem")
	}
}

// TestTopIsBounded checks that each table has at most ten rows and begins with
// the row that has the most requests.
func TestTopIsBounded(t *testing.T) {
	a := newTestAdmin(t)
	for i := range 15 {
		for range i + 1 {
			done(a, newTestRecord(func(r *proxy.Record) {
				r.Mailbox, r.Known, r.Product = fmt.Sprintf("user%d@contoso.com", i), fmt.Sprint("Operation", i), fmt.Sprint("program/", i)
				if i == 14 {
					r.Reason = proxy.ReasonMailboxNotAllowed
				}
			}))
		}
	}
	var got struct{ Traffic trafficStatus }
	if err := json.Unmarshal(ask(a, "/status.json").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for name, list := range map[string][]usedStatus{"user14@contoso.com": got.Traffic.Mailboxes, "Operation14": got.Traffic.Operations, "program/14": got.Traffic.Clients} {
		if len(list) != maxTop || list[0] != (usedStatus{name, 15, 15}) || list[1].Requests != 14 || list[1].Problems != 0 {
			t.Errorf("%+v", list)
		}
	}
	if got.Traffic.Requests != 120 {
		t.Errorf("%d requests", got.Traffic.Requests)
	}
	page := ask(a, "/").Body.String()
	textcheck.Contains(t, page, "user14@contoso.com", "Operation14", "program/14")
}
