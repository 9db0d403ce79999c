package proxy

import (
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
