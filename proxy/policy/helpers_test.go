package policy_test

import (
	"testing"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

// mustPatterns returns the patterns of a list; nil (no list) for "".
func mustPatterns(t testing.TB, text string) []policy.Pattern {
	t.Helper()
	if text == "" {
		return nil
	}
	patterns, err := policy.ParsePatterns(text)
	if err != nil {
		t.Fatal(err)
	}
	return patterns
}

func mustOperations(t testing.TB, text string) policy.Operations {
	t.Helper()
	operations, err := policy.ParseOperations(text)
	if err != nil {
		t.Fatal(err)
	}
	return operations
}

func mustNew(t testing.TB, config policy.Config) *policy.Policy {
	t.Helper()
	p, err := policy.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// allowing returns a policy with the allow-list list and no other setting.
func allowing(t testing.TB, list string) *policy.Policy {
	t.Helper()
	return mustNew(t, policy.Config{Allowed: mustPatterns(t, list)})
}

// requestFor returns the Request that a scanner would return for a GetFolder.
// Its header blocks are a RequestServerVersion, an ExchangeImpersonation of
// value if kind is not NoIdentity, and the further blocks in the argument more.
func requestFor(kind ews.IdentityKind, value string, more ...ews.HeaderBlock) *ews.Request {
	m := &ews.Request{
		Blocks:    []ews.HeaderBlock{{Space: ews.TypesNS, Name: "RequestServerVersion"}},
		Operation: "GetFolder",
	}
	if kind != ews.NoIdentity {
		m.Identity = ews.Identity{Kind: kind, Value: value}
		m.Blocks = append(m.Blocks, ews.HeaderBlock{Space: ews.TypesNS, Name: "ExchangeImpersonation"})
	}
	m.Blocks = append(m.Blocks, more...)
	return m
}

// alice returns a request for alice@contoso.com with further header blocks.
func alice(more ...ews.HeaderBlock) *ews.Request {
	return requestFor(ews.PrimarySmtpAddress, "alice@contoso.com", more...)
}

// unnamed returns a request that names no mailbox.
func unnamed(more ...ews.HeaderBlock) *ews.Request {
	return requestFor(ews.NoIdentity, "", more...)
}

// checkRefusal fails the test unless r has the given reason and the response
// code that belongs to it. If reason is "", r must be nil.
func checkRefusal(t *testing.T, r *policy.Refusal, reason string) {
	t.Helper()
	code := map[string]ews.ResponseCode{
		"mailbox-not-allowed":   "ErrorImpersonateUserDenied",
		"no-mailbox":            "ErrorInvalidExchangeImpersonationHeaderData",
		"login-required":        "ErrorInvalidExchangeImpersonationHeaderData",
		"login-name-invalid":    "ErrorInvalidExchangeImpersonationHeaderData",
		"operation-not-allowed": "ErrorAccessDenied",
		"envelope-refused":      "ErrorSchemaValidation",
		"reference-not-allowed": "ErrorAccessDenied",
		"anchor-not-allowed":    "ErrorImpersonateUserDenied",
	}[reason]
	switch {
	case r == nil && reason == "":
	case r == nil:
		t.Errorf("allowed; want %s", reason)
	case r.Reason.String() != reason || r.Reason.Code() != code:
		t.Errorf("refused with %q (%s); want %s and %q", r, r.Reason.Code(), reason, code)
	case r.Detail == "":
		t.Error("the refusal has no detail")
	}
}
