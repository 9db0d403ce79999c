package metrics

import (
	"slices"

	"hmaproxy/proxy"
)

// The counters of reasons exist from the start with the value 0. Prometheus would
// not see an increase in a counter that appears with the value 1.

// Reasons returns the reasons whose counters exist from the start.
func Reasons() []proxy.Reason {
	return reasonsOf(proxy.ClassRefused, proxy.ClassFailed, proxy.ClassClientLeft)
}

// auditReasons returns the reasons of the refusals that audit mode reports.
func auditReasons() []proxy.Reason {
	return []proxy.Reason{
		proxy.ReasonMailboxNotAllowed, proxy.ReasonNoMailbox, proxy.ReasonOperationNotAllowed, proxy.ReasonEnvelopeRefused,
		proxy.ReasonReferenceNotAllowed, proxy.ReasonAnchorNotAllowed, proxy.ReasonLoginNameInvalid,
	}
}

func reasonsOf(classes ...proxy.ReasonClass) []proxy.Reason {
	var list []proxy.Reason
	for _, reason := range proxy.Reasons() {
		if slices.Contains(classes, reason.Class()) {
			list = append(list, reason)
		}
	}
	return list
}
