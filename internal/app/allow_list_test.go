package app

import (
	"encoding/base64"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/groups"
)

// asMailbox sends an operation that impersonates mailbox. form is the name of the
// element of ConnectingSID that contains the mailbox.
func (s *testProduct) asMailbox(form, mailbox, operation string) response {
	s.t.Helper()
	body := strings.NewReplacer("PrimarySmtpAddress", form, "alice@contoso.com", mailbox).Replace(envelopeWith("OPERATION"))
	return s.sendEnvelope(strings.Replace(body, "OPERATION", operation, 1))
}

// refusedBy reports whether the proxy refused the request for the given reason.
func (a response) refusedBy(reason string) bool {
	return a.err == nil && a.header.Get("X-Hmaproxy-Error") == reason
}

// TestWildcardDoesNotOpenAliases attacks an allow-list with a wildcard for one
// domain. The request names an address of that domain that is an alias of a
// mailbox in another domain.
func TestWildcardDoesNotOpenAliases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestProduct(t, emulator.Config{})
		s.emu.Exchange().AddMailbox(emulator.Mailbox{Primary: "chief@contoso.com", Aliases: []string{"chief@subsidiary.example", "boss@subsidiary.example"}})
		s.emu.Exchange().AddMailbox(emulator.Mailbox{Primary: "clerk@subsidiary.example"})
		s.env["HMA_ALLOWED_MAILBOXES"] = "*@subsidiary.example, boss@subsidiary.example"
		s.start()
		defer s.close()
		time.Sleep(time.Second)
		for _, form := range []string{"SmtpAddress", "PrimarySmtpAddress"} {
			if a := s.asMailbox(form, "chief@subsidiary.example", askFolder); a.ok() || !strings.Contains(a.text, "ErrorNonPrimarySmtpAddress") {
				t.Errorf("the alias as %s: %d %s", form, a.status, a.text)
			}
			if a := s.asMailbox(form, "Clerk@subsidiary.example", askFolder); !a.ok() {
				t.Errorf("the mailbox of the domain as %s: %d %s", form, a.status, a.text)
			}
		}
		if a := s.asMailbox("SmtpAddress", "boss@subsidiary.example", askFolder); !a.ok() {
			t.Errorf("an alias with an entry of its own: %d %s", a.status, a.text)
		}
	})
}

// TestIDsOfAnotherMailbox checks that a request with an id of bob's mailbox is
// refused. Exchange would serve the request, because bob has given alice the
// permission, but the allow-list does not contain bob's mailbox.
func TestIDsOfAnotherMailbox(t *testing.T) {
	for _, ids := range []string{"known", "strict"} {
		synctest.Test(t, func(t *testing.T) {
			s := newTestProduct(t, emulator.Config{})
			var guid string
			for _, m := range s.emu.Exchange().Mailboxes() {
				if m.Primary == "alice@contoso.com" {
					guid = m.GUID
				}
			}
			s.emu.Exchange().Permit("alice@contoso.com", "bob@contoso.com")
			s.env["HMA_ALLOWED_MAILBOXES"] = "alice@contoso.com, guid:" + guid
			s.env["HMA_ALLOW_LIST_SCOPE"], s.env["HMA_ALLOW_LIST_IDS"] = "targets", ids
			s.start()
			defer s.close()
			time.Sleep(time.Second)
			get := func(id string) response {
				return s.asMailbox("SmtpAddress", "alice@contoso.com", `<m:GetAttachment><m:AttachmentIds><t:AttachmentId Id="`+id+`"/></m:AttachmentIds></m:GetAttachment>`)
			}
			if a := get(s.emu.Exchange().AttachmentID("alice@contoso.com")); !a.ok() {
				t.Errorf("%s: alice's own: %d %s", ids, a.status, a.text)
			}
			before := s.emu.Exchange().Count()
			if a := get(s.emu.Exchange().AttachmentID("bob@contoso.com")); !a.refusedBy("reference-not-allowed") {
				t.Errorf("%s: bob's: %d %s", ids, a.status, a.text)
			}
			if a := get("unreadable"); a.refusedBy("reference-not-allowed") != (ids == "strict") {
				t.Errorf("%s: an id that cannot be read: %d %s", ids, a.status, a.text)
			}
			if n := s.emu.Exchange().Count() - before; n != map[string]int{"known": 1, "strict": 0}[ids] {
				t.Errorf("%s: %d requests reached Exchange", ids, n)
			}
			if a := s.probe("/metrics"); !strings.Contains(a.text, "hmaproxy_unknown_ids_total "+map[string]string{"known": "1", "strict": "0"}[ids]) {
				t.Errorf("%s: the metric of unknown ids is wrong", ids)
			}
		})
	}
}

// TestOtherSpellingsOfIDs checks that ids of bob's mailbox are refused in
// spellings that Exchange accepts but does not issue.
func TestOtherSpellingsOfIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestProduct(t, emulator.Config{})
		guids := map[string]string{}
		for _, m := range s.emu.Exchange().Mailboxes() {
			guids[m.Primary] = m.GUID
		}
		s.emu.Exchange().Permit("alice@contoso.com", "bob@contoso.com")
		s.env["HMA_ALLOWED_MAILBOXES"] = "alice@contoso.com, guid:" + guids["alice@contoso.com"]
		s.env["HMA_ALLOW_LIST_SCOPE"] = "targets"
		s.start()
		defer s.close()
		time.Sleep(time.Second)
		bob := guids["bob@contoso.com"]
		issued := s.emu.Exchange().AttachmentID("bob@contoso.com")
		before := s.emu.Exchange().Count()
		for name, id := range map[string]string{
			"issued":           issued,
			"white space":      strings.Join(strings.Split(issued, ""), " "),
			"much white space": strings.Repeat("&#10;", 5000) + issued,
			"without dashes":   attachmentID(strings.ReplaceAll(bob, "-", "")),
			"in braces":        attachmentID("{" + strings.ToUpper(bob) + "}"),
			"in parentheses":   attachmentID("(" + bob + ")"),
			"spaces around":    attachmentID("  " + bob + "  "),
			"spaces after":     attachmentID(strings.ReplaceAll(bob, "-", "") + "    "),
			"by the address":   smtpID("bob@contoso.com"),
		} {
			a := s.asMailbox("SmtpAddress", "alice@contoso.com", `<m:GetAttachment><m:AttachmentIds><t:AttachmentId Id="`+id+`"/></m:AttachmentIds></m:GetAttachment>`)
			if !a.refusedBy("reference-not-allowed") {
				t.Errorf("%s: %d", name, a.status)
			}
		}
		if n := s.emu.Exchange().Count() - before; n != 0 {
			t.Errorf("%d requests reached Exchange", n)
		}
	})
}

// attachmentID returns the id of an attachment in the format of [MS-OXWSITEMID].
// moniker names the mailbox and may have any spelling. The emulator accepts the id in
// requests to that mailbox.
func attachmentID(moniker string) string {
	entry := make([]byte, 20, 22)
	return encodeID(3, moniker, append(entry, "A9"...))
}

// smtpID returns an item id in a format of Exchange 2007. The id names its mailbox by
// the SMTP address.
func smtpID(address string) string {
	return encodeID(0, address, make([]byte, 22))
}

func encodeID(storage byte, moniker string, entry []byte) string {
	id := append([]byte{0, storage, byte(len(moniker)), 0}, moniker...)
	id = append(append(id, 0, byte(len(entry)), 0), entry...)
	return base64.StdEncoding.EncodeToString(id)
}

// TestGroups checks that no mailbox is allowed before the group is expanded, that
// the members stay allowed after a failed expansion, and that a large change
// waits for SIGHUP.
func TestGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestProduct(t, emulator.Config{})
		x := s.emu.Exchange()
		delete(s.env, "HMA_ALLOWED_MAILBOXES")
		s.env["HMA_ALLOWED_GROUPS"], s.env["HMA_ALLOWED_GROUPS_AS"] = "erp@contoso.com", "ceo@contoso.com"
		s.start()
		defer s.close()
		time.Sleep(10 * time.Second)
		if a := s.ask(); !a.refusedBy("mailbox-not-allowed") {
			t.Errorf("before the first expansion: %d %s", a.status, a.text)
		}
		if a := s.probe("/ready"); a.status == 200 || !strings.Contains(a.text, "HMA_ALLOWED_GROUPS") {
			t.Errorf("/ready before the first expansion: %d %s", a.status, a.text)
		}

		x.AddGroup("erp@contoso.com", "alice@contoso.com", "team@contoso.com", "partner@elsewhere.example")
		x.AddGroup("team@contoso.com", "ceo@contoso.com", "erp@contoso.com")
		time.Sleep(time.Minute)
		if a := s.ask(); !a.ok() {
			t.Errorf("a member: %d %s", a.status, a.text)
		}
		if a := s.asMailbox("SmtpAddress", "ceo@contoso.com", askFolder); !a.ok() {
			t.Errorf("a member of a nested group: %d %s", a.status, a.text)
		}
		if a := s.asMailbox("SmtpAddress", "bob@contoso.com", askFolder); !a.refusedBy("mailbox-not-allowed") {
			t.Errorf("not a member: %d %s", a.status, a.text)
		}
		if a := s.probe("/status.json"); !strings.Contains(a.text, `"names":["erp@contoso.com"],"members":2`) && !strings.Contains(strings.Join(strings.Fields(a.text), ""), `"names":["erp@contoso.com"],"members":2`) {
			t.Errorf("/status.json does not show the group: %s", a.text)
		}
		if a := s.probe("/"); !strings.Contains(a.text, "erp@contoso.com") {
			t.Error("the status page does not show the group")
		}
		if a := s.probe("/ready"); a.status != 200 {
			t.Errorf("/ready: %d %s", a.status, a.text)
		}

		x.AddGroup("erp@contoso.com") // Exchange reports no members, as for an unknown group
		time.Sleep(2 * groups.Interval)
		if a := s.ask(); !a.ok() {
			t.Errorf("after a failure: %d %s", a.status, a.text)
		}
		if a := s.probe("/metrics"); !strings.Contains(a.text, `hmaproxy_file_alarm{variable="HMA_ALLOWED_GROUPS"} 1`) {
			t.Error("the failure raises no alarm")
		}

		x.AddGroup("erp@contoso.com", "bob@contoso.com")
		time.Sleep(2 * groups.Interval)
		if a := s.asMailbox("SmtpAddress", "bob@contoso.com", askFolder); !a.refusedBy("mailbox-not-allowed") {
			t.Errorf("a large change is in force without confirmation: %d %s", a.status, a.text)
		}
		s.app.reload(t.Context())
		time.Sleep(time.Second)
		if a := s.asMailbox("SmtpAddress", "bob@contoso.com", askFolder); !a.ok() {
			t.Errorf("after SIGHUP: %d %s\n%s", a.status, a.text, s.log)
		}
		if a := s.ask(); !a.refusedBy("mailbox-not-allowed") {
			t.Errorf("no longer a member: %d %s", a.status, a.text)
		}
		if strings.Contains(s.log.String(), "partner@elsewhere.example") {
			t.Error("the log names a contact of the group")
		}
	})
}
