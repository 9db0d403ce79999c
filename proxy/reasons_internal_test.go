package proxy

import (
	"fmt"
	"testing"

	"hmaproxy/proxy/policy"
)

func TestEveryPolicyReasonHasItsCounterpart(t *testing.T) {
	for _, reason := range policy.Reasons() {
		if mapped := policyReasons[reason]; mapped == ReasonNone || mapped.String() != reason.String() {
			t.Errorf("%s is mapped to %q", reason, mapped)
		}
	}
	if len(policyReasons) != len(policy.Reasons()) {
		t.Errorf("%d reasons are mapped, the policy has %d", len(policyReasons), len(policy.Reasons()))
	}
}

// TestUnknownReason checks the methods of the last reason, and of the values
// after it, which are no reasons.
func TestUnknownReason(t *testing.T) {
	if last := reasonCount - 1; last.String() == "" || last.Text() == "" || last.Class() != reasons[last].class {
		t.Errorf("the last reason is %q, %q, %v", last, last.Text(), last.Class())
	}
	if got := reasonCount.String(); got != fmt.Sprintf("Reason(%d)", len(reasons)) || reasonCount.Class() != ClassFailed || reasonCount.Text() != "" {
		t.Errorf("an unknown reason is %q, %q, %v", got, reasonCount.Text(), reasonCount.Class())
	}
}
