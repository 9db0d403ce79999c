package ews_test

import (
	"testing"

	"hmaproxy/proxy/ews"
)

// TestIdentityKinds compares the names with ConnectingSIDType in types.xsd.
func TestIdentityKinds(t *testing.T) {
	for kind, want := range map[ews.IdentityKind]string{
		ews.NoIdentity: "", ews.PrimarySmtpAddress: "PrimarySmtpAddress", ews.SmtpAddress: "SmtpAddress",
		ews.PrincipalName: "PrincipalName", ews.SID: "SID", ews.SID + 1: "",
	} {
		if got := kind.String(); got != want {
			t.Errorf("%d is %q, want %q", kind, got, want)
		}
		if id := (ews.Identity{Kind: kind, Value: "x"}); id.IsZero() != (kind == ews.NoIdentity) {
			t.Errorf("%v: IsZero() = %v", id, id.IsZero())
		}
	}
}
