package metrics

import (
	"slices"

	"hmaproxy/proxy"
)

// Counters of reasons begin at 0, so that the first request of a reason shows as
// an increase: a counter that begins to exist at 1 has no increase.

// Reasons returns the reasons that are label values from the start.
func Reasons() []proxy.Reason {
	return reasonsOf(proxy.ClassRefused, proxy.ClassFailed, proxy.ClassClientLeft)
}

// auditReasons returns the reasons of refusals that audit mode reports instead.
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
