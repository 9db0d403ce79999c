package sidecar

import (
	"slices"

	"hmaproxy/proxy"
)

// Reasons are counted from 0, so that the first refusal of a kind shows as an
// increase: a counter that begins to exist at 1 rises by nothing.
func denialReasons() []proxy.Reason { return reasonsOf(proxy.ClassRefused) }

func failureReasons() []proxy.Reason {
	return reasonsOf(proxy.ClassFailed, proxy.ClassClientLeft)
}

// auditReasons are those that audit mode reports instead of refusing.
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
