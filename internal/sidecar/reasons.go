package sidecar

import "hmaproxy/proxy/policy"

// Reasons are counted from 0, so that the first refusal of a kind shows as an
// increase: a counter that begins to exist at 1 rises by nothing.
func denialReasons() []string {
	return append(auditReasons(), "protocol", "target", "method", "host", "browser", "headers", "path", "body", "credentials")
}

func auditReasons() []string {
	return []string{
		string(policy.MailboxNotAllowed), string(policy.NoMailbox), string(policy.OperationNotAllowed), string(policy.EnvelopeRefused),
		string(policy.ReferenceNotAllowed), string(policy.AnchorNotAllowed), string(policy.LoginNameInvalid),
	}
}

func failureReasons() []string {
	return []string{
		reasonNoToken, reasonLeft, "upstream-unreachable", "upstream-broken", "upstream-cut", "upstream-redirect", "upstream-protocol",
		"upstream-401", "upstream-407", "upstream-429", "upstream-502", "upstream-504",
	}
}
