package outcome_test

import (
	"testing"

	"hmaproxy/internal/outcome"
	"hmaproxy/proxy"
)

func TestEveryFailureHasARemedy(t *testing.T) {
	for _, reason := range proxy.Reasons() {
		class := reason.Class()
		wanted := class == proxy.ClassFailed || class == proxy.ClassClientLeft
		if got := outcome.Remedy(&proxy.Record{Reason: reason}); (got != "") != wanted {
			t.Errorf("%v, which is %v: remedy %q", reason, class, got)
		}
	}
	diagnosed := &proxy.Record{Reason: proxy.ReasonUpstream401, Diagnosis: &proxy.Diagnosis{Remedy: "compare the clocks"}}
	if got := outcome.Remedy(diagnosed); got != "compare the clocks" {
		t.Errorf("with a diagnosis: %q", got)
	}
}
