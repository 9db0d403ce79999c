package proxy_test

import (
	"strings"
	"testing"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

// TestRecordNamesTheForm checks that a Record contains the form of the name that the
// client used. The administrator needs it, because each form of a name needs its own
// entry in the allow-list.
func TestRecordNamesTheForm(t *testing.T) {
	listed := "alice@contoso.com, upn:dora@contoso.com, sid:S-1-5-21-1-2-3-500"
	for name, c := range map[string]*policy.Policy{
		"without a list": nil,
		"enforced":       only(t, listed),
		"audited":        mustPolicy(t, policy.Config{Allowed: patterns(t, listed), Audit: true}),
	} {
		t.Run(name, func(t *testing.T) {
			r := newTestProxy(t, testConfig{policy: c})
			for _, test := range []struct {
				element, value string
				want           ews.IdentityKind
			}{
				{"SmtpAddress", "alice@contoso.com", ews.SmtpAddress},
				{"SmtpAddress", "bob@contoso.com", ews.SmtpAddress}, // not on the list
				{"PrincipalName", "dora@contoso.com", ews.PrincipalName},
				{"PrincipalName", "bob@contoso.com", ews.PrincipalName}, // not on the list
				{"SID", "S-1-5-21-1-2-3-500", ews.SID},
			} {
				doc := strings.ReplaceAll(string(envelope(test.value, getFolder)), "SmtpAddress>", test.element+">")
				r.post(t, []byte(doc))
				if rec := r.last(t); rec.Named != test.want || rec.Mailbox != test.value {
					t.Errorf("%s %s: record has %v %q", test.element, test.value, rec.Named, rec.Mailbox)
				}
			}
			r.post(t, envelope("", getFolder))
			if rec := r.last(t); rec.Named != ews.NoIdentity || rec.Mailbox != "" {
				t.Errorf("no mailbox: record has %v %q", rec.Named, rec.Mailbox)
			}
		})
	}
}
