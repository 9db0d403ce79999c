package proxy_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"hmaproxy/proxy"
	"hmaproxy/proxy/policy"
)

// authenticateRules are the rules of the section Authenticate of
// docs/design.md, about clients and the token.
func authenticateRules() (rules []rule) {
	rules = append(rules, clientRules()...)
	rules = append(rules, loginRules()...)
	rules = append(rules, handshakeRules()...)
	return append(rules, tokenRules()...)
}

// challenged expects a 401 that offers Basic, and that nothing reaches Exchange.
func challenged(reason string) want {
	return want{status: 401, reason: reason, conn: "kept"}.and(responded("WWW-Authenticate", `Basic realm="hmaproxy", charset="UTF-8"`))
}

// clientRules are the rules about the Basic credentials of client users.
func clientRules() (rules []rule) {
	asked := challenged("credentials").withUsers()
	unchecked := want{status: 503, reason: "credentials-unchecked", conn: "kept"}.and(responded("Retry-After", "10")).withUsers()
	for _, c := range []struct{ name, line string }{
		{"another password", "Authorization: " + basic(clientUser, "wrong")},
		{"password in another letter case", "Authorization: " + basic(clientUser, strings.ToUpper(clientPass))},
		{"no password", "Authorization: " + basic(clientUser, "")},
		{"another user", "Authorization: " + basic("mallory", clientPass)},
		{"no user", "Authorization: " + basic("", clientPass)},
		{"no colon", "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(clientUser))},
		{"no base64", "Authorization: Basic !!!!"},
		{"Basic alone", "Authorization: Basic"},
		{"empty", "Authorization:"},
		{"a colon without Basic", "Authorization: Ogo="},
		{"another scheme", "Authorization: Digest " + strings.TrimPrefix(basic(clientUser, clientPass), "Basic ")},
		{"a bearer token", "Authorization: Bearer " + goodToken},
		{"NTLM", "Authorization: NTLM " + ntlmNegotiate},
		{"proxy credentials", "Proxy-Authorization: " + basic(clientUser, clientPass)},
	} {
		rules = append(rules,
			rule{name: "Client/" + c.name, request: post(valid, c.line).withoutCredentials(), all: asked},
			rule{name: "Client/GET with " + c.name, request: get("/EWS/types.xsd", c.line).withoutCredentials(), all: asked},
		)
	}
	good := "Authorization: " + basic(clientUser, clientPass)
	return append(rules,
		rule{name: "Client/no credentials", request: post(valid).withoutCredentials(), all: asked},
		rule{name: "Client/no credentials, chunks", request: post(valid).inChunks().withoutCredentials(), all: asked},
		rule{name: "Client/no credentials, long body", request: post(envelope("alice@contoso.com", createItem(400<<10))).withoutCredentials(), all: asked},
		rule{name: "Client/no credentials, empty body", request: post(nil).withoutCredentials(), all: asked},
		rule{name: "Client/no credentials, another media type", request: post(valid, "Content-Type: text/plain").withoutCredentials(), all: asked},
		rule{name: "Client/GET without credentials", request: get("/EWS/types.xsd").withoutCredentials(), all: asked},
		rule{name: "Client/probe without credentials", request: get("/EWS/Exchange.asmx").withoutCredentials(), all: asked},
		rule{name: "Client/HEAD without credentials", request: get("/EWS/Exchange.asmx").by("HEAD").withoutCredentials(), all: asked},
		rule{name: "Client/two Authorization headers", request: post(valid, good).and(good), all: challenged("credentials").withUsers()},
		rule{name: "Client/two Authorization headers, the second valid", request: post(valid, "Authorization: Basic eDp5").and(good), all: asked},
		rule{name: "Client/guard comes first", request: post(valid, "Host: evil.example").withoutCredentials(), all: refused(421, "host").withUsers()},
		rule{name: "Client/guard comes first, another path", request: get("/owa/").withoutCredentials(), all: refused(404, "path").withUsers()},

		rule{name: "Client/valid credentials", request: post(valid, good), all: forwarded(clientRecorded(clientUser)).withUsers()},
		rule{name: "Client/scheme in lower case", request: post(valid, "Authorization: basic "+strings.TrimPrefix(good, "Authorization: Basic ")), all: forwarded(clientRecorded(clientUser)).withUsers()},
		rule{name: "Client/GET with valid credentials", request: get("/EWS/types.xsd", good), all: forwarded(clientRecorded(clientUser)).withUsers()},
		rule{name: "Client/probe with valid credentials", request: get("/EWS/Exchange.asmx", good), all: local(200).withUsers()},
		rule{name: "Client/credentials without client users", request: post(valid, good), all: forwarded(clientRecorded("")).withoutUsers()},
		rule{name: "Client/none without client users", request: post(valid), all: forwarded(clientRecorded("")).withoutUsers()},

		rule{name: "Client/valid credentials that cannot be checked", request: post(valid, good), config: uncheckable, all: unchecked},
		rule{name: "Client/wrong credentials that cannot be checked", request: post(valid, "Authorization: "+basic(clientUser, "wrong")), config: uncheckable, all: unchecked},

		// the client's own policy applies, not the policy of other clients
		rule{name: "Client/mailbox that the client's own policy lacks", request: post(valid), config: ownPolicy("bob@contoso.com"),
			list: faulted("ErrorImpersonateUserDenied", "mailbox-not-allowed").withUsers(), open: faulted("ErrorImpersonateUserDenied", "mailbox-not-allowed").withUsers()},
		rule{name: "Client/mailbox that the client's own policy has", request: post(valid), config: ownPolicy("alice@contoso.com"),
			list: forwarded().withUsers(), open: forwarded().withUsers()},
	)
}

// uncheckable makes the check of credentials fail with an error that does not say
// that the credentials are wrong.
func uncheckable(c *proxy.Config) {
	if c.Client != nil {
		c.Client = func(context.Context, string, string, string) (*policy.Policy, error) {
			return nil, errors.New("too many checks")
		}
	}
}

// ownPolicy returns a function that gives the client user a policy of its own,
// with this allow-list. The function has no effect without client users.
func ownPolicy(list string) func(*proxy.Config) {
	return func(c *proxy.Config) {
		entries, err := policy.ParsePatterns(list)
		if err != nil {
			panic(err)
		}
		own, err := policy.New(policy.Config{Allowed: entries})
		if err != nil {
			panic(err)
		}
		if c.Client != nil {
			c.Client = func(_ context.Context, _, user, password string) (*policy.Policy, error) {
				if user != clientUser || password != clientPass {
					return nil, proxy.ErrCredentials
				}
				return own, nil
			}
		}
	}
}

func clientRecorded(user string) func(*result) string {
	return func(r *result) string {
		if r.record.Client != user {
			return fmt.Sprintf("the record has client %q, want %q", r.record.Client, user)
		}
		return ""
	}
}

// loginRules are the rules about the login user, who is impersonated when a request
// names no mailbox.
func loginRules() []rule {
	loginUser := func(c *policy.Config) { c.LoginUser = true }
	both := func(c *policy.Config) { c.LoginUser, c.DefaultMailbox = true, "alice@contoso.com" }
	unnamed := post(envelope("", getFolder))
	as := func(user string) request { return unnamed.with("Authorization: " + basic(user, "anything")) }
	return []rule{
		{name: "Login/no credentials", policy: loginUser, request: unnamed, all: challenged("login-required").withoutUsers()},
		{name: "Login/no credentials, also with a default mailbox", policy: both, request: unnamed, all: challenged("login-required").withoutUsers()},
		{name: "Login/no credentials, long body", policy: loginUser, request: post(envelope("", createItem(400<<10))), all: challenged("login-required").withoutUsers()},
		{name: "Login/two Authorization headers", policy: loginUser, request: as("alice@contoso.com").and("Authorization: " + basic("bob@contoso.com", "x")), all: challenged("login-required").withoutUsers()},
		{name: "Login/on the list", policy: loginUser, request: as("alice@contoso.com"), all: forwarded(impersonates("SmtpAddress alice@contoso.com"), headerSent("X-AnchorMailbox", "alice@contoso.com")).withoutUsers()},
		{name: "Login/client user", policy: loginUser, request: unnamed, all: forwarded(impersonates("SmtpAddress alice@contoso.com")).withUsers()},
		{name: "Login/comes before the default mailbox", policy: both, request: as("room1@rooms.contoso.com"),
			list:  forwarded(impersonates("PrimarySmtpAddress room1@rooms.contoso.com")).withoutUsers(),
			audit: forwarded(impersonates("PrimarySmtpAddress room1@rooms.contoso.com")).withoutUsers(),
			open:  forwarded(impersonates("SmtpAddress room1@rooms.contoso.com")).withoutUsers()},
		{name: "Login/off the list", policy: loginUser, request: as("bob@contoso.com"),
			list:  faulted("ErrorImpersonateUserDenied", "mailbox-not-allowed").withoutUsers(),
			audit: forwarded(impersonates("SmtpAddress bob@contoso.com"), audited("mailbox-not-allowed")).withoutUsers(),
			open:  forwarded(impersonates("SmtpAddress bob@contoso.com")).withoutUsers()},
		{name: "Login/no address", policy: loginUser, request: as(`CONTOSO\alice`), all: faulted("ErrorInvalidExchangeImpersonationHeaderData", "login-name-invalid").and(mentions("user@domain")).withoutUsers()},
		{name: "Login/a request that names a mailbox", policy: loginUser, request: post(valid), all: forwarded(impersonates("SmtpAddress alice@contoso.com"))},
		{name: "Login/a request that names another mailbox", policy: loginUser, request: post(envelope("room1@rooms.contoso.com", getFolder), "Authorization: "+basic("alice@contoso.com", clientPass)),
			list:  forwarded(impersonates("PrimarySmtpAddress room1@rooms.contoso.com")),
			audit: forwarded(impersonates("PrimarySmtpAddress room1@rooms.contoso.com")),
			open:  forwarded(impersonates("SmtpAddress room1@rooms.contoso.com"))},
		{name: "Login/not configured", request: as("alice@contoso.com"),
			list: faulted("ErrorInvalidExchangeImpersonationHeaderData", "no-mailbox").withoutUsers(), open: forwarded(unchanged, impersonates("")).withoutUsers()},
	}
}

// ntlmNegotiate is a NEGOTIATE_MESSAGE (MS-NLMP 2.2.1.1).
const ntlmNegotiate = "TlRMTVNTUAABAAAABoIIAAAAAAAAAAAAAAAAAAAAAAA="

// handshakeRules are the rules about requests that begin an NTLM or Negotiate
// handshake. Such a request reaches Exchange only if it has a body.
func handshakeRules() (rules []rule) {
	challenge := func(scheme string) want {
		return want{status: 401, recorded: "ntlm", conn: "kept"}.and(ntlmChallenge(scheme)).withoutUsers()
	}
	for _, scheme := range []string{"NTLM", "Negotiate", "ntlm", "NEGOTIATE"} {
		line := "Authorization: " + scheme + " " + ntlmNegotiate
		canonical := map[string]string{"NTLM": "NTLM", "NEGOTIATE": "Negotiate"}[strings.ToUpper(scheme)]
		rules = append(rules,
			rule{name: "Handshake/" + scheme, request: post(nil, line), all: challenge(canonical)},
			rule{name: "Handshake/" + scheme + " in chunks", request: post(nil, line).inChunks(), all: challenge(canonical)},
			rule{name: "Handshake/" + scheme + " by GET", request: get("/EWS/Exchange.asmx", line), all: challenge(canonical)},
			rule{name: "Handshake/" + scheme + " with a body", request: post(valid, line), all: forwarded().withoutUsers()},
			rule{name: "Handshake/" + scheme + " with a body in chunks", request: post(valid, line).inChunks(), all: forwarded().withoutUsers()},
			rule{name: "Handshake/" + scheme + " where there are client users", request: post(nil, line), all: challenged("credentials").withUsers()},
		)
	}
	for name, token := range map[string]string{
		"an AUTHENTICATE_MESSAGE":              "TlRMTVNTUAADAAAAAAAAAA==",
		"a Kerberos ticket":                    "YIIGhwYGKwYBBQUC",
		"a message of 11 bytes":                "TlRMTVNTUAABAAA=",
		"no base64":                            "!!!",
		"another signature":                    "TlRMTVNTUQABAAAABoIIAA==",
		"another signature of the same length": base64.StdEncoding.EncodeToString([]byte("NTLMSSPX\x01\x00\x00\x00")),
	} {
		rules = append(rules, rule{name: "Handshake/" + name, request: post(nil, "Authorization: Negotiate "+token), all: local(200).and(noText).withoutUsers()})
	}
	return append(rules,
		rule{name: "Handshake/a message of 12 bytes", request: post(nil, "Authorization: NTLM TlRMTVNTUAABAAAA"), all: challenge("NTLM")},
		rule{name: "Handshake/blanks around the message", request: post(nil, "Authorization: NTLM   "+ntlmNegotiate+"  "), all: challenge("NTLM")},
		rule{name: "Handshake/scheme alone", request: post(valid, "Authorization: NTLM"), all: forwarded().withoutUsers()},
		rule{name: "Handshake/Basic with an empty body", request: post(nil, "Authorization: Basic eDp5"), list: faulted("ErrorSchemaValidation", "envelope-refused").withoutUsers()},
	)
}

// ntlmChallenge expects a CHALLENGE_MESSAGE (MS-NLMP 2.2.1.2).
func ntlmChallenge(scheme string) func(*result) string {
	return func(r *result) string {
		name, text, _ := strings.Cut(r.header.Get("WWW-Authenticate"), " ")
		m, err := base64.StdEncoding.DecodeString(text)
		if name != scheme || err != nil || len(m) < 48 || string(m[:8]) != "NTLMSSP\x00" || binary.LittleEndian.Uint32(m[8:]) != 2 {
			return fmt.Sprintf("%s %q is not a CHALLENGE_MESSAGE", name, m)
		}
		field := func(at int) []byte { // returns the payload described by the length, capacity and offset at m[at:]
			length, capacity, offset := binary.LittleEndian.Uint16(m[at:]), binary.LittleEndian.Uint16(m[at+2:]), binary.LittleEndian.Uint32(m[at+4:])
			if length != capacity || offset < 48 || int(offset)+int(length) > len(m) {
				return nil
			}
			return m[offset:][:length]
		}
		const target = "H\x00M\x00A\x00P\x00R\x00O\x00X\x00Y\x00"
		if got := string(field(12)); got != target {
			return fmt.Sprintf("TargetName %q", got)
		}
		// The expected flags are NTLMSSP_NEGOTIATE_UNICODE, REQUEST_TARGET,
		// NTLM, ALWAYS_SIGN, TARGET_TYPE_SERVER, EXTENDED_SESSIONSECURITY and
		// TARGET_INFO.
		if flags := binary.LittleEndian.Uint32(m[20:]); flags != 0x008A8205 {
			return fmt.Sprintf("NegotiateFlags %08x", flags)
		}
		if string(m[24:32]) == strings.Repeat("\x00", 8) || string(m[32:40]) != strings.Repeat("\x00", 8) {
			return fmt.Sprintf("ServerChallenge % x, Reserved % x", m[24:32], m[32:40])
		}
		// The expected entries are MsvAvNbDomainName, MsvAvNbComputerName and
		// MsvAvEOL.
		if want := "\x02\x00\x10\x00" + target + "\x01\x00\x10\x00" + target + "\x00\x00\x00\x00"; string(field(40)) != want {
			return fmt.Sprintf("TargetInfo % x", field(40))
		}
		if len(m) != 48+len(target)+len(field(40)) {
			return fmt.Sprintf("%d bytes", len(m))
		}
		return ""
	}
}

// tokenRules are the rules about the access token. A request waits for a token only
// if there is no token.
func tokenRules() []rule {
	from := func(s proxy.TokenSource) func(*proxy.Config) {
		return func(c *proxy.Config) { c.Tokens = s }
	}
	// After the wait, the product's HTTP server waits at the end of a long body whether
	// the end of the connection follows. net/http's server does not.
	afterLongBody := 10 * time.Millisecond
	if *underNetHTTP {
		afterLongBody = 0
	}
	busy := faulted("ErrorServerBusy", "no-token").and(responded("Retry-After", "10"), mentions(`<t:Value Name="BackOffMilliseconds">10000</t:Value>`))
	return []rule{
		{name: "Token/there is one", request: post(valid), all: forwarded(headerSent("Authorization", "Bearer "+goodToken), took(0))},
		{name: "Token/there is none for now", config: from(tokenAfter(2 * time.Second)), request: post(valid), all: forwarded(headerSent("Authorization", "Bearer "+goodToken), took(2*time.Second))},
		{name: "Token/there is none at all", config: from(tokenAfter(time.Hour)), request: post(valid), all: busy.and(took(4 * time.Second))},
		{name: "Token/long body, there is none at all", config: from(tokenAfter(time.Hour)), request: post(envelope("alice@contoso.com", createItem(400<<10))), all: busy.and(took(4*time.Second + afterLongBody))},
		{name: "Token/there is none for a GET", config: from(tokenAfter(time.Hour)), request: get("/EWS/types.xsd"), all: want{status: 503, reason: "no-token", conn: "kept"}.and(responded("Content-Type", "text/plain; charset=utf-8"), responded("Retry-After", "10"))},
		{name: "Token/the source fails", config: from(noToken{}), request: post(valid), all: busy.and(took(0))},
		{name: "Token/the wait is configured", config: func(c *proxy.Config) { c.Tokens, c.TokenWait = tokenAfter(time.Hour), time.Second }, request: post(valid), all: busy.and(took(time.Second))},
		{name: "Token/the wait is configured longer", config: func(c *proxy.Config) { c.Tokens, c.TokenWait = tokenAfter(time.Minute), time.Hour }, request: post(valid), all: forwarded(took(time.Minute))},
	}
}

// The function "took" expects that the request lasts for d of simulated time.
func took(d time.Duration) func(*result) string {
	return func(r *result) string {
		if r.record.Duration != d {
			return fmt.Sprintf("the request took %v, want %v", r.record.Duration, d)
		}
		return ""
	}
}

// tokenAfter is a token source that has no token until the duration has passed.
type tokenAfter time.Duration

func (d tokenAfter) Token(ctx context.Context) (string, error) {
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	select {
	case <-time.After(time.Duration(d)):
		return goodToken, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

type noToken struct{}

func (noToken) Token(context.Context) (string, error) { return "", errors.New("no token") }
