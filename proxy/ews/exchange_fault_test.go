package ews_test

import (
	"regexp"
	"strings"
	"testing"

	"hmaproxy/proxy/ews"
)

// TestExplainFault checks a phrase in the explanation of each code on which an
// administrator can act. The codes are from Microsoft's ResponseCode reference and
// its page about EWS throttling.
func TestExplainFault(t *testing.T) {
	explained := map[string][]ews.ResponseCode{
		"moved to Exchange Online":         {"ErrorNonExistentMailbox", "ErrorMailboxNotFound", "ErrorInvalidUserPrincipalName", "ErrorInvalidSmtpAddress"},
		"alias":                            {"ErrorNonPrimarySmtpAddress"},
		"does not let the application act": {"ErrorImpersonateUserDenied", "ErrorImpersonationDenied"},
		"cannot resolve the identity":      {"ErrorImpersonationFailed"},
		"throttles":                        {"ErrorServerBusy", "ErrorTooManyObjectsOpened", "ErrorExceededConnectionCount", "ErrorExceededSubscriptionCount", "ErrorExceededFindCountLimit"},
		"not available at the moment":      {"ErrorMailboxMoveInProgress", "ErrorMailboxStoreUnavailable", "ErrorMailboxFailover", "ErrorConnectionFailed", "ErrorConnectionFailedTransientError"},
		"is disabled":                      {"ErrorAccountDisabled"},
		"must change its password":         {"ErrorPasswordExpired", "ErrorPasswordChangeRequired"},
		"reaches no domain controller":     {"ErrorADUnavailable", "ErrorADOperation", "ErrorADSessionFilter"},
		"the site that holds the mailbox":  {"ErrorNoRespondingCASInDestinationSite", "ErrorNoApplicableProxyCASServersAvailable", "ErrorProxyRequestNotAllowed", "ErrorProxyCallFailed", "ErrorProxyRequestProcessingFailed", "ErrorCASVersionNotSupported"},
		"a version of the schema":          {"ErrorInvalidServerVersion", "ErrorIncorrectSchemaVersion"},
		"an error of its own":              {"ErrorInternalServerError", "ErrorInternalServerTransientError", "ErrorBatchProcessingStopped"},
	}
	for want, codes := range explained {
		for _, code := range codes {
			if e, ok := ews.ExplainFault(code); !ok || !strings.Contains(e.Meaning, want) || len(e.Remedies) == 0 {
				t.Errorf("%s: %+v, %v, want %q", code, e, ok, want)
			}
		}
	}
	for _, code := range []ews.ResponseCode{"ErrorItemNotFound", "ErrorSchemaValidation", "ErrorAccessDenied", ""} {
		if e, ok := ews.ExplainFault(code); ok {
			t.Errorf("%q is explained: %+v", code, e)
		}
	}
}

func TestFaultExplanations(t *testing.T) {
	form, seen := regexp.MustCompile(`^Error[A-Za-z]{1,60}$`), map[ews.ResponseCode]bool{}
	for _, e := range ews.FaultExplanations() {
		for _, code := range e.Codes {
			if !form.MatchString(string(code)) || seen[code] {
				t.Errorf("%s has a wrong form or is explained twice", code)
			}
			seen[code] = true
		}
		for _, text := range append([]string{e.Meaning}, e.Remedies...) {
			if text == "" || strings.Contains(text, "HMA_") {
				t.Errorf("text %q of %s", text, e.Codes)
			}
		}
	}
}

func TestFaultExplanationForMailbox(t *testing.T) {
	e, _ := ews.ExplainFault("ErrorNonExistentMailbox")
	got := e.For("alice@contoso.com")
	if !strings.Contains(got.Meaning, "no mailbox alice@contoso.com") || !strings.Contains(got.Remedies[0], "Get-Recipient alice@contoso.com") {
		t.Errorf("got %+v", got)
	}
	if again, _ := ews.ExplainFault("ErrorNonExistentMailbox"); !strings.Contains(again.Remedies[0], "MAILBOX") {
		t.Error("For changed the table")
	}
}
