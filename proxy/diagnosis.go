package proxy

import (
	"net/http"
	"strconv"
	"strings"

	"hmaproxy/internal/ascii"
)

// A Diagnosis explains why Exchange refused a token. The texts from Exchange
// may name hosts, tenants and applications, but contain no token.
type Diagnosis struct {
	Code     int    // such as 2000003; 0 if Exchange gave none
	Category string // such as "invalid_resource"
	Reason   string // Exchange's text
	Meaning  string // explanation of the code, or of the challenge if the code is not known
	Remedy   string // command or check for the administrator
}

// An explanation is the meaning and the remedy of a code of x-ms-diagnostics.
type explanation struct{ meaning, remedy string }

// The codes are from Microsoft's "Instrumenting client requests for EWS and REST
// in Exchange". The remedies assume the client credentials flow, the only flow
// that this product uses.
var explanations = map[int]explanation{
	2000000: {"Exchange does not know the key that signed the token",
		"on an Exchange server run: Set-AuthServer EvoSTS -RefreshAuthMetadata, then iisreset; check that {authority} is the cloud that Exchange trusts"},
	2000001: {"Exchange does not accept this kind of token: unknown issuer, an audience that is not a URL, or an empty roles claim",
		"check {tenant} against trusted_issuers of the challenge, {resource} (https://<EWS host>), and that full_access_as_app has admin consent"},
	2000002: {"the token has expired by Exchange's clock",
		"compare the clocks of this host and of the Exchange servers (w32tm /query /status)"},
	2000003: {"the token's audience is another host than the one that was called",
		"set {resource} to https://<host of {ews-url}> and register that URL as a service principal name of 00000002-0000-0ff1-ce00-000000000000; TLS offloading in front of Exchange has the same effect"},
	2000004: {"Exchange does not know the token's tenant",
		"check {tenant}; on Exchange compare Get-AuthServer | fl Name,Realm,IssuerIdentifier"},
	2000005: {"the token names a user that Exchange does not find",
		"an app-only token names none: check that {app} belongs to an app with application permissions"},
	2000006: {"Exchange does not know the application",
		"check {app} and {tenant}, and that the EvoSTS authorization server is enabled: Get-AuthServer | fl Name,Enabled"},
	2000007: {"Exchange met an internal error while it checked the token",
		"try again; look at Logging\\HttpProxy\\Ews on the server"},
	2000008: {"the token carries no permission that Exchange knows",
		"give the HMA app the application permission full_access_as_app of Office 365 Exchange Online and grant admin consent"},
	2000009: {"Exchange does not find the certificate that the token refers to",
		"check the certificate of the HMA app registration"},
	2000010: {"the token was obtained with a client secret, which Exchange regards as too weak",
		"use a certificate for {app}: the appidacr claim must be 2"},
	4000000: {"modern authentication is not enabled for this host name",
		"on Exchange run: Set-OrganizationConfig -OAuth2ClientProfileEnabled $true, and check Get-AuthServer | fl DomainName,IsDefaultAuthorizationEndpoint"},
}

// Diagnose explains why a token was refused, from the headers x-ms-diagnostics
// and WWW-Authenticate. The Remedy contains the names in settings.
func Diagnose(h http.Header, settings Settings) *Diagnosis {
	d := parseDiagnostics(value(h, "X-Ms-Diagnostics"))
	e, ok := explanations[d.Code]
	if !ok {
		e = explainChallenge(h.Values("Www-Authenticate"))
	}
	d.Meaning, d.Remedy = e.meaning, settings.expand(e.remedy)
	return d
}

// explainChallenge explains a refusal whose diagnostics contain no known code.
// It uses the challenges in WWW-Authenticate.
func explainChallenge(challenges []string) explanation {
	for _, c := range challenges {
		if ascii.HasPrefixFold(c, "bearer") {
			return explanation{"Exchange takes bearer tokens but refused this one without a known reason",
				"look up the reason and error_category of x-ms-diagnostics; run hmaproxy with {log-level-debug} against one mailbox"}
		}
	}
	return explanation{"the responding server offers no bearer authentication: OAuth is off on the EWS virtual directory, or a device in front of Exchange responds in its place",
		"on Exchange run: Get-WebServicesVirtualDirectory | fl Server,OAuthAuthentication, and check what the name in {ews-url} resolves to"}
}

// parseDiagnostics reads code;reason="...";error_category="...". Microsoft's
// documentation calls error_category error_type.
func parseDiagnostics(v string) *Diagnosis {
	var d Diagnosis
	code, rest, _ := strings.Cut(v, ";")
	d.Code, _ = strconv.Atoi(strings.Trim(code, " "))
	d.Reason = quoted(rest, "reason")
	d.Category = quoted(rest, "error_category")
	if d.Category == "" {
		d.Category = quoted(rest, "error_type")
	}
	return &d
}

// quoted returns the value of key="value" as printable ASCII of limited length.
// A reason may contain quotes, so its value extends to the beginning of the
// next key.
func quoted(s, key string) string {
	_, s, ok := strings.Cut(s, key+`="`)
	if !ok {
		return ""
	}
	if v, _, next := strings.Cut(s, `";`); next {
		s = v
	} else {
		s = strings.TrimSuffix(s, `"`)
	}
	return printableASCII(s, 300)
}

// printableASCII returns at most limit bytes of s. It replaces everything except
// printable ASCII by question marks. It is stricter than package printable
// because the character set of a header or a page is unknown.
func printableASCII(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), limit)]
}
