package ews_test

import (
	"regexp"
	"strings"
	"testing"

	"hmaproxy/proxy/ews"
)

// The pairs come from Microsoft's ResponseCode reference and its page about EWS
// throttling.
func TestExplainFault(t *testing.T) {
	for code, want := range map[ews.ResponseCode]string{
		"ErrorNonExistentMailbox":           "moved to Exchange Online",
		"ErrorNonPrimarySmtpAddress":        "alias",
		"ErrorServerBusy":                   "throttles",
		"ErrorExceededConnectionCount":      "throttles",
		"ErrorImpersonateUserDenied":        "does not let the application act",
		"ErrorMailboxMoveInProgress":        "not available at the moment",
		"ErrorInternalServerTransientError": "an error of its own",
		"ErrorItemNotFound":                 "",
		"ErrorSchemaValidation":             "",
		"ErrorAccessDenied":                 "",
		"":                                  "",
	} {
		e, ok := ews.ExplainFault(code)
		if ok != (want != "") || !strings.Contains(e.Meaning, want) || ok && len(e.Remedies) == 0 {
			t.Errorf("%s: %+v, %v", code, e, ok)
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
