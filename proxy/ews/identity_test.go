package ews_test

import (
	"testing"

	"hmaproxy/proxy/ews"
)

// TestIdentityKinds compares the names of the kinds with ConnectingSIDType in
// types.xsd.
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

func TestNamespaces(t *testing.T) {
	for got, want := range map[string]string{
		ews.EnvelopeNS: "http://schemas.xmlsoap.org/soap/envelope/", // SOAP 1.1, section 3
		ews.TypesNS:    "http://schemas.microsoft.com/exchange/services/2006/types",
		ews.MessagesNS: "http://schemas.microsoft.com/exchange/services/2006/messages",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
