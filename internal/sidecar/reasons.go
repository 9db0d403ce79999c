package sidecar

import "hmaproxy/proxy/policy"

// Reasons are counted from 0, so that the first refusal of a kind shows as an
// increase: a counter that begins to exist at 1 rises by nothing.
func denialReasons() []string {
	return append(auditReasons(), "protocol", "target", "method", "host", "browser", "headers", "path", "body", "credentials")
}

func auditReasons() []string {
	return []string{
		policy.MailboxNotAllowed.String(), policy.NoMailbox.String(), policy.OperationNotAllowed.String(), policy.EnvelopeRefused.String(),
		policy.ReferenceNotAllowed.String(), policy.AnchorNotAllowed.String(), policy.LoginNameInvalid.String(),
	}
}

func failureReasons() []string {
	return []string{
		reasonNoToken, reasonLeft, "upstream-unreachable", "upstream-broken", "upstream-cut", "upstream-redirect", "upstream-protocol",
		"upstream-401", "upstream-407", "upstream-429", "upstream-502", "upstream-504",
	}
}
