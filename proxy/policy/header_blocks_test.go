package policy_test

import (
	"strconv"
	"testing"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

func TestHeaderBlocks(t *testing.T) {
	const (
		types    = "http://schemas.microsoft.com/exchange/services/2006/types"
		messages = "http://schemas.microsoft.com/exchange/services/2006/messages"
		tracing  = "http://schemas.microsoft.com/vstudio/diagnostics/servicemodelsink"
	)
	p := allowing(t, "alice@contoso.com")
	tests := []struct {
		name  string
		block ews.HeaderBlock
		ok    bool
	}{
		{"culture", ews.HeaderBlock{Space: types, Name: "MailboxCulture"}, true},
		{"time zone", ews.HeaderBlock{Space: types, Name: "TimeZoneContext"}, true},
		{"precision", ews.HeaderBlock{Space: types, Name: "DateTimePrecision", MustUnderstand: true}, true},
		{"foreign block", ews.HeaderBlock{Space: tracing, Name: "VsDebuggerCausalityData"}, true},
		{"block without a namespace", ews.HeaderBlock{Name: "x"}, true},
		{"foreign block of a known name", ews.HeaderBlock{Space: "urn:x", Name: "RequestServerVersion"}, true},
		{"WS-Security 1.0", ews.HeaderBlock{Space: "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd", Name: "Security"}, true},
		{"WS-Security 1.1", ews.HeaderBlock{Space: "http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd", Name: "Security"}, true},
		{"WS-Security of 2002", ews.HeaderBlock{Space: "http://schemas.xmlsoap.org/ws/2002/12/secext", Name: "Security"}, true},
		{"WS-Addressing 1.0", ews.HeaderBlock{Space: "http://www.w3.org/2005/08/addressing", Name: "To"}, true},
		{"WS-Addressing of 2004", ews.HeaderBlock{Space: "http://schemas.xmlsoap.org/ws/2004/08/addressing", Name: "Action"}, true},
		{"WS-Addressing of 2003", ews.HeaderBlock{Space: "http://schemas.xmlsoap.org/ws/2003/03/addressing", Name: "Action"}, true},
		{"nil management role", ews.HeaderBlock{Space: types, Name: "ManagementRole", Nil: true}, true},
		{"nil culture", ews.HeaderBlock{Space: types, Name: "MailboxCulture", Nil: true}, true},

		{"block with a problem", ews.HeaderBlock{Space: types, Name: "TimeZoneContext", Problem: "content that is not known"}, false},
		{"version twice", ews.HeaderBlock{Space: types, Name: "RequestServerVersion"}, false},
		{"impersonation twice", ews.HeaderBlock{Space: types, Name: "ExchangeImpersonation"}, false},
		{"second impersonation with a problem", ews.HeaderBlock{Space: types, Name: "ExchangeImpersonation", Problem: "no ConnectingSID"}, false},
		{"serialized context", ews.HeaderBlock{Space: types, Name: "SerializedSecurityContext"}, false},
		{"serialized context in messages", ews.HeaderBlock{Space: messages, Name: "SerializedSecurityContext"}, false},
		{"open as admin", ews.HeaderBlock{Space: types, Name: "OpenAsAdminOrSystemService"}, false},
		{"management role", ews.HeaderBlock{Space: types, Name: "ManagementRole"}, false},
		{"proxy context", ews.HeaderBlock{Space: types, Name: "ProxySecurityContext"}, false},
		{"proxy suggester", ews.HeaderBlock{Space: types, Name: "ProxySuggesterSid"}, false},
		{"proxy token", ews.HeaderBlock{Space: types, Name: "ProxyPartnerToken"}, false},
		{"sharing security", ews.HeaderBlock{Space: types, Name: "SharingSecurity"}, false},
		{"bearer token", ews.HeaderBlock{Space: types, Name: "Authorization"}, false},
		{"unknown in types", ews.HeaderBlock{Space: types, Name: "Unknown"}, false},
		{"unknown in messages", ews.HeaderBlock{Space: messages, Name: "Unknown"}, false},
		{"version in messages", ews.HeaderBlock{Space: messages, Name: "RequestServerVersion"}, false},
		{"letter case of a known name", ews.HeaderBlock{Space: types, Name: "mailboxCulture"}, false},
		{"impersonation in messages", ews.HeaderBlock{Space: messages, Name: "ExchangeImpersonation"}, false},
		{"impersonation in a foreign namespace", ews.HeaderBlock{Space: "urn:x", Name: "exchangeImpersonation"}, false},
		{"block of SOAP", ews.HeaderBlock{Space: "http://schemas.xmlsoap.org/soap/envelope/", Name: "Header"}, false},
		{"WS-Security that must be understood", ews.HeaderBlock{Space: "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd", Name: "Security", MustUnderstand: true}, false},
		{"WS-Addressing that must be understood", ews.HeaderBlock{Space: "http://www.w3.org/2005/08/addressing", Name: "To", MustUnderstand: true}, false},
		{"nil block of an unknown name", ews.HeaderBlock{Space: types, Name: "Unknown", Nil: true}, false},
		{"nil management role in messages", ews.HeaderBlock{Space: messages, Name: "ManagementRole", Nil: true}, false},
		{"must understand", ews.HeaderBlock{Space: tracing, Name: "x", MustUnderstand: true}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			reason := ""
			if !test.ok {
				reason = "envelope-refused"
			}
			_, refusal := p.Decide(alice(test.block), "")
			checkRefusal(t, refusal, reason)
		})
	}
}

func TestHeadDuplicatesOfForeignBlocks(t *testing.T) {
	p := allowing(t, "alice@contoso.com")
	one, other := ews.HeaderBlock{Space: "urn:x", Name: "a"}, ews.HeaderBlock{Space: "urn:y", Name: "a"}
	_, refusal := p.Decide(alice(one, other), "")
	checkRefusal(t, refusal, "")
	_, refusal = p.Decide(alice(one, other, one), "")
	checkRefusal(t, refusal, "envelope-refused")
}

func TestHeadBoundsItsWork(t *testing.T) {
	p := allowing(t, "alice@contoso.com")
	for n, want := range map[int]string{32: "", 33: "envelope-refused", 1 << 14: "envelope-refused"} {
		request := alice()
		for i := len(request.Blocks); i < n; i++ {
			request.Blocks = append(request.Blocks, ews.HeaderBlock{Space: "urn:x", Name: "a" + strconv.Itoa(i)})
		}
		_, refusal := p.Decide(request, "")
		checkRefusal(t, refusal, want)
	}
}

// TestMalformedImpersonationIsNeverReplaced checks that a request with a malformed
// impersonation does not get the default mailbox. With a list it is refused.
func TestMalformedImpersonationIsNeverReplaced(t *testing.T) {
	blocks := map[string]ews.HeaderBlock{
		"with a problem":          {Space: ews.TypesNS, Name: "ExchangeImpersonation", Problem: "it is empty"},
		"in messages":             {Space: ews.MessagesNS, Name: "ExchangeImpersonation"},
		"in a foreign namespace":  {Space: "https://schemas.microsoft.com/exchange/services/2006/types", Name: "ExchangeImpersonation"},
		"in another letter case":  {Space: ews.TypesNS, Name: "exchangeimpersonation"},
		"without an identity":     {Space: ews.TypesNS, Name: "ExchangeImpersonation"},
		"without any namespace":   {Name: "ExchangeImpersonation"},
		"that must be understood": {Space: "urn:x", Name: "ExchangeImpersonation", MustUnderstand: true},
	}
	for name, block := range blocks {
		for _, list := range []string{"", "alice@contoso.com"} {
			for _, audit := range []bool{false, list != ""} {
				t.Run(name+" with list "+list, func(t *testing.T) {
					p := mustNew(t, policy.Config{Allowed: mustPatterns(t, list), Audit: audit, DefaultMailbox: "alice@contoso.com"})
					v, refusal := p.Decide(unnamed(block), "")
					if v.Identity != (ews.Identity{}) || v.Injected {
						t.Errorf("decision = %+v, want no identity", v)
					}
					if list == "" {
						checkRefusal(t, refusal, "")
					} else {
						checkRefusal(t, refusal, "envelope-refused")
					}
				})
			}
		}
	}
}

// TestIdentityOfAnotherImpersonation checks that Decide uses the Identity of a
// request only if the request has exactly one impersonation block. The block must
// have the right namespace and letter case and no problem.
func TestIdentityOfAnotherImpersonation(t *testing.T) {
	good := ews.HeaderBlock{Space: ews.TypesNS, Name: "ExchangeImpersonation"}
	for _, test := range []struct {
		name   string
		blocks []ews.HeaderBlock
		counts bool
	}{
		{"good", []ews.HeaderBlock{good}, true},
		{"good, after another block", []ews.HeaderBlock{{Space: ews.TypesNS, Name: "MailboxCulture", Problem: "x"}, good}, true},
		{"in messages", []ews.HeaderBlock{{Space: ews.MessagesNS, Name: "ExchangeImpersonation"}}, false},
		{"in another letter case", []ews.HeaderBlock{{Space: ews.TypesNS, Name: "exchangeImpersonation"}}, false},
		{"with a problem", []ews.HeaderBlock{{Space: ews.TypesNS, Name: "ExchangeImpersonation", Problem: "x"}}, false},
		{"two", []ews.HeaderBlock{good, good}, false},
		{"none", nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			id := ews.Identity{Kind: ews.SmtpAddress, Value: "alice@contoso.com"}
			want := id
			if !test.counts {
				want = ews.Identity{}
			}
			v, refusal := mustNew(t, policy.Config{}).Decide(&ews.Request{Identity: id, Blocks: test.blocks, Operation: "GetFolder"}, "")
			checkRefusal(t, refusal, "")
			if v.Identity != want || v.Injected {
				t.Errorf("decision = %+v, want %+v", v, want)
			}
		})
	}
}

// TestIdentityWithoutImpersonation uses a request that has an identity, but no
// impersonation block. The request must not get the default mailbox.
func TestIdentityWithoutImpersonation(t *testing.T) {
	for _, list := range []string{"", "alice@contoso.com, bob@contoso.com"} {
		p := mustNew(t, policy.Config{Allowed: mustPatterns(t, list), DefaultMailbox: "alice@contoso.com"})
		id := ews.Identity{Kind: ews.SmtpAddress, Value: "bob@contoso.com"}
		v, refusal := p.Decide(&ews.Request{Identity: id, Operation: "GetFolder"}, "")
		if v.Identity != (ews.Identity{}) || v.Injected {
			t.Errorf("list %q: decision = %+v, want no identity", list, v)
		}
		if list == "" {
			checkRefusal(t, refusal, "")
		} else {
			checkRefusal(t, refusal, "envelope-refused")
		}
	}
}

// TestDetailsOfHeaderBlocks checks that the text of a refusal names the rule, so
// that an operator knows what the client sent.
func TestDetailsOfHeaderBlocks(t *testing.T) {
	p := allowing(t, "alice@contoso.com")
	for _, test := range []struct {
		block ews.HeaderBlock
		want  string
	}{
		{ews.HeaderBlock{Space: ews.TypesNS, Name: "MailboxCulture", Problem: "its own problem"}, "its own problem"},
		{ews.HeaderBlock{Space: ews.TypesNS, Name: "ManagementRole"}, "a header block that changes who acts"},
		{ews.HeaderBlock{Space: ews.TypesNS, Name: "SerializedSecurityContext"}, "a header block that changes who acts"},
		{ews.HeaderBlock{Space: ews.TypesNS, Name: "OpenAsAdminOrSystemService"}, "a header block that changes who acts"},
		{ews.HeaderBlock{Space: ews.TypesNS, Name: "SharingSecurity"}, "a header block that changes who acts"},
		{ews.HeaderBlock{Space: ews.MessagesNS, Name: "ProxyX"}, "a header block that changes who acts"},
		{ews.HeaderBlock{Space: ews.TypesNS, Name: "Unknown"}, "a header block in Exchange's namespaces that is not known"},
		{ews.HeaderBlock{Space: "urn:x", Name: "EXCHANGEIMPERSONATION"}, "ExchangeImpersonation in a foreign namespace"},
		{ews.HeaderBlock{Space: ews.EnvelopeNS, Name: "x"}, "a header block in SOAP's own namespace"},
		{ews.HeaderBlock{Space: "urn:x", Name: "ManagementRole", MustUnderstand: true}, "a header block that is not known and must be understood"},
	} {
		_, refusal := p.Decide(alice(test.block), "")
		if refusal == nil || refusal.Detail != test.want {
			t.Errorf("%s in %q: %v, want %q", test.block.Name, test.block.Space, refusal, test.want)
		}
	}
	// A block with the name ManagementRole in a foreign namespace is not refused.
	_, refusal := p.Decide(alice(ews.HeaderBlock{Space: "urn:x", Name: "ManagementRole"}), "")
	checkRefusal(t, refusal, "")
}
