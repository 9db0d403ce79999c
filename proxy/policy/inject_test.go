package policy_test

import (
	"strings"
	"testing"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

func TestInjection(t *testing.T) {
	tests := []struct {
		name, list, fallback string
		login                bool
		user                 string
		want                 string // the injected mailbox
		reason               string
	}{
		{name: "nothing set, no list"},
		{name: "nothing set", list: "alice@contoso.com", reason: "no-mailbox"},
		{name: "default without a list", fallback: "Room@contoso.com", want: "Room@contoso.com"},
		{name: "default in the list's spelling", list: "Room@Contoso.com", fallback: "room@contoso.com", want: "Room@Contoso.com"},
		{name: "default under a wildcard", list: "*@contoso.com", fallback: "Room@contoso.com", want: "room@contoso.com"},
		{name: "user where only a default is set", list: "*@contoso.com", fallback: "room@contoso.com", user: "alice@contoso.com", want: "room@contoso.com"},
		{name: "user where nothing is set", list: "*@contoso.com", user: "alice@contoso.com", reason: "no-mailbox"},

		{name: "login without a list", login: true, user: "Alice@contoso.com", want: "Alice@contoso.com"},
		{name: "login in the list's spelling", login: true, list: "Alice@contoso.com", user: "alice@contoso.com", want: "Alice@contoso.com"},
		{name: "login before the default", login: true, list: "*@contoso.com", fallback: "room@contoso.com", user: "alice@contoso.com", want: "alice@contoso.com"},
		{name: "login off the list", login: true, list: "alice@contoso.com", user: "bob@contoso.com", reason: "mailbox-not-allowed"},
		{name: "login off the list, default on it", login: true, list: "alice@contoso.com", fallback: "alice@contoso.com", user: "bob@contoso.com", reason: "mailbox-not-allowed"},
		{name: "login that has only a upn entry", login: true, list: "upn:alice@contoso.com", user: "alice@contoso.com", reason: "mailbox-not-allowed"},
		{name: "no login", login: true, list: "*@contoso.com", reason: "login-required"},
		{name: "no login, no list", login: true, reason: "login-required"},
		{name: "no login, with a default", login: true, fallback: "room@contoso.com", reason: "login-required"},
		{name: "logon name", login: true, list: "*@contoso.com", user: `CONTOSO\alice`, reason: "login-name-invalid"},
		{name: "logon name, no list", login: true, user: `CONTOSO\alice`, reason: "login-name-invalid"},
		{name: "long s, no list", login: true, user: "alice@conto\u017fo.com", reason: "login-name-invalid"},
		{name: "line break, no list", login: true, user: "alice@contoso.com\r\nX: y", reason: "login-name-invalid"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := mustNew(t, policy.Config{
				Allowed: mustPatterns(t, test.list), DefaultMailbox: test.fallback, LoginUser: test.login,
			})
			v, refusal := p.Decide(unnamed(), test.user)
			checkRefusal(t, refusal, test.reason)
			if v.Identity.Value != test.want || v.Injected != (test.want != "") {
				t.Errorf("decision = %+v, want %q", v, test.want)
			}
			kind := ews.SmtpAddress
			if strings.HasPrefix(test.list, "*") {
				kind = ews.PrimarySmtpAddress
			}
			if test.want != "" && v.Identity.Kind != kind {
				t.Errorf("kind = %s, want %s", v.Identity.Kind, kind)
			}
		})
	}
}

func TestNamedIsNotReplaced(t *testing.T) {
	for _, list := range []string{"", "*@contoso.com"} {
		p := mustNew(t, policy.Config{Allowed: mustPatterns(t, list), DefaultMailbox: "room@contoso.com", LoginUser: true})
		v, refusal := p.Decide(alice(), "bob@contoso.com")
		checkRefusal(t, refusal, "")
		if v.Injected || v.Identity.Value != "alice@contoso.com" {
			t.Errorf("list %q: decision = %+v, want alice as she was named", list, v)
		}
	}
}

func TestWithoutList(t *testing.T) {
	p := mustNew(t, policy.Config{})
	if p.Limited() || p.Audit() || p.References() || p.Size() != 0 {
		t.Error("a policy without a list says that it has one")
	}
	odd := ews.Identity{Kind: ews.PrincipalName, Value: `CONTOSO\bob`}
	wsse := ews.HeaderBlock{Space: "http://schemas.xmlsoap.org/ws/2002/12/secext", Name: "Security", MustUnderstand: true}
	twice := ews.HeaderBlock{Space: ews.TypesNS, Name: "ExchangeImpersonation"}
	tests := []struct {
		name string
		m    *ews.Request
		want ews.Identity
	}{
		{"alice", alice(), ews.Identity{Kind: ews.PrimarySmtpAddress, Value: "alice@contoso.com"}},
		{"name as it is", requestFor(odd.Kind, odd.Value), odd},
		{"any header", requestFor(odd.Kind, odd.Value, wsse), odd},
		{"named twice", alice(twice), ews.Identity{}},
		{"no mailbox", unnamed(), ews.Identity{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v, refusal := p.Decide(test.m, "")
			checkRefusal(t, refusal, "")
			if v.Identity != test.want || v.Injected {
				t.Errorf("decision = %+v, want %+v", v, test.want)
			}
		})
	}
	if p.DecideReference(ews.Reference{Unreadable: true}) != nil || p.DecideAnchor("x") != nil || !p.Allows("x") {
		t.Error("a policy without a list refuses something")
	}
}

func TestAudit(t *testing.T) {
	wsse := ews.HeaderBlock{Space: "http://schemas.xmlsoap.org/ws/2002/12/secext", Name: "Security", MustUnderstand: true}
	room := ews.Identity{Kind: ews.SmtpAddress, Value: "room@contoso.com"}
	named := ews.Identity{Kind: ews.PrimarySmtpAddress, Value: "alice@contoso.com"}
	push := call("Subscribe:Push")
	pushUnnamed := unnamed()
	pushUnnamed.Operation, pushUnnamed.Push = "Subscribe", true
	tests := []struct {
		name     string
		m        *ews.Request
		login    string
		want     ews.Identity
		injected bool
		reason   string
	}{
		{"allowed", alice(), "-", named, false, ""},
		{"mailbox off the list", requestFor(ews.SmtpAddress, "bob@contoso.com"), "-", ews.Identity{}, false, "mailbox-not-allowed"},
		{"operation", push, "-", named, false, "operation-not-allowed"},
		{"head", alice(wsse), "-", ews.Identity{}, false, "envelope-refused"},
		{"operation, no mailbox named", pushUnnamed, "room@contoso.com", room, true, "operation-not-allowed"},
		{"head, no mailbox named", unnamed(wsse), "room@contoso.com", room, true, "envelope-refused"},
		{"login off the list", unnamed(), "bob@contoso.com", ews.Identity{Kind: ews.SmtpAddress, Value: "bob@contoso.com"}, true, "mailbox-not-allowed"},
		{"no login", unnamed(wsse), "", ews.Identity{}, false, "login-required"},
		{"logon name", unnamed(), `CONTOSO\bob`, ews.Identity{}, false, "login-name-invalid"},
	}
	config := policy.Config{Allowed: mustPatterns(t, "alice@contoso.com, room@contoso.com"), LoginUser: true}
	enforce := mustNew(t, config)
	config.Audit = true
	audit := mustNew(t, config)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v, refusal := audit.Decide(test.m, test.login)
			checkRefusal(t, refusal, test.reason)
			if v.Identity != test.want || v.Injected != test.injected {
				t.Errorf("decision = %+v, want %+v, injected: %v", v, test.want, test.injected)
			}
			if refusal != nil && refusal.Always() != (test.reason == "login-required" || test.reason == "login-name-invalid") {
				t.Errorf("Always() = %v", refusal.Always())
			}
			v, refusal = enforce.Decide(test.m, test.login)
			checkRefusal(t, refusal, test.reason)
			if refusal != nil && (v.Identity != ews.Identity{} || v.Injected) {
				t.Errorf("enforce: a refusal came with %+v", v)
			}
		})
	}
}
