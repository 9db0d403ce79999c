package config

import "testing"

// TestForwardHeaders checks which header names HMA_FORWARD_HEADERS accepts. The
// refused names come from Exchange's documentation, from published attacks on
// Exchange and from RFC 9110.
func TestForwardHeaders(t *testing.T) {
	refused := []string{
		"Authorization", "authorization", "Proxy-Authorization", "X-Authorization", "X-CommonAccessToken", "X-Rps-CAT", "X-WLID-MemberName",
		"X-User-Identity", "X-Remote-User", "X-MS-Token-AAD-Access-Token", "X-MS-Client-Principal", "X-Client-Cert", "X-Api-Key", "From",
		"Cookie", "Cookie2", "Set-Cookie", "X-BackEndOverrideCookie", "X-BackEndCookie",
		"X-AnchorMailbox", "X-PublicFolderMailbox", "X-OWA-ExplicitLogonUser", "X-TargetMailbox", "X-OWA-CANARY",
		"Host", "X-Forwarded-Host", "X-Forwarded-For", "Forwarded", "X-Original-URL", "X-Rewrite-URL", "X-Real-IP",
		"Content-Type", "Content-Length", "Content-Encoding", "CONTENT-LOCATION", "Connection", "Keep-Alive", "Proxy-Connection", "TE",
		"Trailer", "Transfer-Encoding", "Upgrade", "Expect", "Idempotency-Key", "X-Idempotency-Key", "HTTP2-Settings", "Via", "X-HTTP-Method-Override",
		"Origin", "Referer", "Sec-Fetch-Site", "Access-Control-Request-Method",
		"X-BEResource", "X-AnonResource", "X-AnonResource-Backend", "X-BEServer", "X-FEServer", "X-TargetServer", "X-CalculatedBETarget",
		"msExchLogonAccount", "msExchLogonMailbox", "msExchTargetMailbox", "msExchEcpCanary", "X-MS-Exchange-Organization-AuthAs", "X-SourceCafeServer",
		"X-OpenAs", "X-OpenAsAdmin", "X-GccProxyInfo", "X-TestBackEndUrl", "X-Next-Backend", "X-ProxyInfo",
		"X_AnchorMailbox", "X AnchorMailbox", "X-Trace:", "", "X-Tr\u00e4ce", "\u017foapaction",
		"User-Agent", "SOAPAction", "Accept", "Prefer", "X-PreferServerAffinity",
	}
	for _, name := range refused {
		if got, err := headerName(name); err == nil {
			t.Errorf("%q is accepted as %s", name, got)
		}
	}
	accepted := map[string]string{
		"traceparent": "Traceparent", "X-Request-ID": "X-Request-Id", "x-correlation-id": "X-Correlation-Id", "X-Contoso-App": "X-Contoso-App",
		"Cache-Control": "Cache-Control", "X-Priority": "X-Priority", "X-Test-Run": "X-Test-Run",
	}
	for name, want := range accepted {
		if got, err := headerName(name); err != nil || got != want {
			t.Errorf("%q = %q, %v; want %q", name, got, err, want)
		}
	}
}
