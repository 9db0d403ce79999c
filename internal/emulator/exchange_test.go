package emulator_test

import (
	"net/http"
	"strings"
	"testing"

	"hmaproxy/internal/emulator"
)

func TestGetFolderWithTokenOfTheCertificate(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	body := x.call(getInbox)
	if !strings.Contains(body, "<t:DisplayName>Inbox</t:DisplayName>") || !strings.Contains(body, `ResponseClass="Success"`) {
		t.Errorf("answer: %s", body)
	}
	sent := soapEnvelope(asAlice, getInbox)
	hop := x.e.Exchange().LastHop()
	if hop.Operation != "GetFolder" || hop.Mailbox != "alice@contoso.com" || hop.MailboxSeen != "alice@contoso.com" || !hop.Complete || !hop.Executed || hop.Status != http.StatusOK {
		t.Errorf("hop: %+v", hop)
	}
	if want := emulator.BodySHA256([]byte(sent), "s"); hop.BodySHA256 != want || want == "" {
		t.Errorf("body hash %q, want %q", hop.BodySHA256, want)
	}
	if got := hop.Header.Get("Authorization"); got != "Bearer "+x.token {
		t.Errorf("Authorization was recorded as %q", got)
	}
}
