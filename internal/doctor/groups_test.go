package doctor_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"hmaproxy/internal/doctor"
	"hmaproxy/internal/emulator"
)

// TestGroups checks that a group that Exchange reports as empty is a failure.
// It also checks that members of groups belong to the allow-list with which
// doctor compares a mailbox.
func TestGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTestSetup(t, emulator.Config{})
		defer r.close()
		delete(r.env, "HMA_ALLOWED_MAILBOXES")
		r.env["HMA_ALLOWED_GROUPS"], r.env["HMA_ALLOWED_GROUPS_AS"] = "erp@contoso.com,gone@contoso.com", "bob@contoso.com"
		r.e.Exchange().AddGroup("erp@contoso.com", "alice@contoso.com")
		o := r.examine()
		o.wants(t, "groups", "not on the allow-list", "HiddenFromAddressListsEnabled")
		if detail := o.get("groups").Detail; !strings.Contains(detail, "gone@contoso.com") {
			t.Errorf("groups: %s", detail)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newTestSetup(t, emulator.Config{})
		defer r.close()
		delete(r.env, "HMA_ALLOWED_MAILBOXES")
		r.env["HMA_ALLOWED_GROUPS"], r.env["HMA_ALLOWED_GROUPS_AS"] = "erp@contoso.com", "bob@contoso.com"
		r.e.Exchange().AddGroup("erp@contoso.com", "alice@contoso.com", "ceo@contoso.com")
		r.opts.Forbidden = "ceo@contoso.com"
		o := r.examine()
		if got := o.get("forbidden"); got.Status != doctor.Failed || !strings.Contains(got.Cause, "the allow-list contains it") {
			t.Errorf("forbidden: %+v", got)
		}
		if detail := o.get("groups").Detail; !strings.Contains(detail, "erp@contoso.com: 2 mailboxes") {
			t.Errorf("groups: %s", detail)
		}
	})
}
