package config

import (
	"strings"
	"testing"
)

func readUsers(t *testing.T, content string) (ClientUsers, error) {
	t.Helper()
	users, _, err := ReadClientUsers(files{"/u": []byte(content)}.read, "/u")
	return users, err
}

func TestClientUsers(t *testing.T) {
	users, err := readUsers(t, "\xef\xbb\xbf\r\n# who may come in\r\n"+
		"crm:"+tenHash+"\r\n"+
		"  CONTOSO\\sync:"+strings.Replace(tenHash, "$2a$10$", "$2y$12$", 1)+"\talice@contoso.com,upn:bob@contoso.com  *@fabrikam.com # partner\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(users) != 2 || users[0].Name != "crm" || users[1].Name != `CONTOSO\sync` {
		t.Fatalf("users = %v", users)
	}
	if users[0].Hash.Reveal() != tenHash || users[0].Cost() != 10 || users[1].Cost() != 12 {
		t.Errorf("hash %q, costs %d and %d", users[0].Hash.Reveal(), users[0].Cost(), users[1].Cost())
	}
	var got []string
	for _, p := range users[1].Patterns {
		got = append(got, p.String())
	}
	if s := strings.Join(got, " "); users[0].Patterns != nil || s != "alice@contoso.com upn:bob@contoso.com *@fabrikam.com" {
		t.Errorf("patterns %v and %q", users[0].Patterns, s)
	}
	if users.Patterns() != nil {
		t.Error("one user has no patterns, and yet there is a list")
	}
	if len(users[1:].Patterns()) != 3 {
		t.Errorf("patterns of all: %v", users[1:].Patterns())
	}
}

func TestFaultyClientUsers(t *testing.T) {
	cases := []struct{ name, content, want string }{
		{"a password in clear", "crm:zq7Xv9", "line 1 has no bcrypt hash"},
		{"another hash", "crm:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "line 1 has no bcrypt hash"},
		{"a hash cut short", "crm:" + tenHash[:59], "line 1 has no bcrypt hash"},
		{"a hash and more", "crm:" + tenHash + "x", "line 1 has no bcrypt hash"},
		{"a comment at the hash", "crm:" + tenHash + "#x", "line 1 has no bcrypt hash"},
		{"htpasswd's default cost", "crm:" + strings.Replace(tenHash, "$10$", "$05$", 1), "line 1 has a hash of a cost"},
		{"seconds for each", "crm:" + strings.Replace(tenHash, "$10$", "$16$", 1), "line 1 has a hash of a cost"},
		{"no name", ":" + tenHash, "line 1 has no valid name"},
		{"a blank in the name", "c rm:" + tenHash, "line 1 has no valid name"},
		{"a control character in the name", "c\x01rm:" + tenHash, "line 1 has no valid name"},
		{"no colon", "\n\ncrm", "line 3 has no colon"},
		{"a name twice", "crm:" + tenHash + "\n\ncrm:" + tenHash, "line 3 has the name of line 1"},
		{"a faulty pattern", "a:" + tenHash + "\nb:" + tenHash + " alice@contoso.com zq7Xv9", "line 2 has a faulty mailbox pattern 2: "},
		{"a pattern that is a lone comma", "a:" + tenHash + " ,", "line 1 has a faulty mailbox pattern 1"},
		{"two faults", "a\nb", "line 1 has no colon; expected name:bcrypt-hash; line 2 has no colon"},
		{"comments alone", "# none\n", "no user"},
		{"blank", " \r\n", "no user"},
		{"UTF-16", "\xff\xfea\x00", "UTF-16"},
		{"no list at all", strings.Repeat("x\n", 1000), "line 20 has no colon"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			users, err := readUsers(t, tc.content)
			if err == nil || users != nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("ReadClientUsers = %v, %v; want %q", users, err, tc.want)
			}
			if s := err.Error(); strings.Contains(s, "zq7Xv9") || strings.Contains(s, "$2") || strings.Contains(s, "line 21") {
				t.Errorf("the error says too much: %s", s)
			}
		})
	}
}

// TestUsersPatternsAsTheOnlyList checks settings that need an allow-list. They are
// accepted without an allow-list if every user has mailbox patterns, because these
// patterns are then the allow-list.
func TestUsersPatternsAsTheOnlyList(t *testing.T) {
	audit := vars{"HMA_ALLOW_LIST_MODE": "audit"}
	narrow := fromVault().with(vars{"HMA_CLIENT_USERS_FILE": "/narrow-users"})
	mustLoad(t, narrow.with(audit))
	mustLoad(t, narrow.with(vars{"HMA_DEFAULT_MAILBOX": "info@fabrikam.com"}))
	wantProblem(t, problemsOf(t, narrow.with(vars{"HMA_DEFAULT_MAILBOX": "bob@contoso.com"})), "HMA_DEFAULT_MAILBOX", "not on the allow-list")
	wide := fromVault().with(vars{"HMA_CLIENT_USERS_FILE": "/users"})
	wantProblem(t, problemsOf(t, wide.with(audit)), "HMA_ALLOW_LIST_MODE", "every user in HMA_CLIENT_USERS_FILE")
}

func TestRefusesDebuggingSwitches(t *testing.T) {
	cases := []struct{ name, variable, value, want string }{
		{"headers of HTTP/2", "GODEBUG", "http2debug=2", "access tokens"},
		{"switched off again", "GODEBUG", "netdns=go,http2debug=0", "access tokens"},
		{"lax lengths", "GODEBUG", "httplaxcontentlength=1", "two ways"},
		{"the SDK's log", "AZURE_SDK_GO_LOGGING", "all", "HMA_LOG_LEVEL"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			wantProblem(t, problemsOf(t, fromVault().with(vars{tc.variable: tc.value})), tc.variable, tc.want)
		})
	}
	mustLoad(t, fromVault().with(vars{"GODEBUG": "netdns=go,gctrace=1"}))
}

func TestKeyPairs(t *testing.T) {
	other, _ := keyPair(t)
	f := testFiles(t)
	f["/other.pem"] = other
	cases := []struct{ name, certificate, key, want string }{
		{"another's key", "/other.pem", "/tls-key.pem", "does not fit"},
		{"no certificate", "/text", "/tls-key.pem", "without a PEM block"},
		{"no key", "/tls.pem", "/text", "without a PEM block"},
		{"a missing key", "/tls.pem", "/nowhere", "HMA_TLS_KEY_FILE, which names a file that does not exist"},
		{"a missing certificate", "/nowhere", "/tls-key.pem", "names a file that does not exist"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if pair, err := ReadKeyPair(f.read, Path(tc.certificate), Path(tc.key)); err == nil || pair != nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("ReadKeyPair = %v, want %q", err, tc.want)
			}
		})
	}
	p := problemsOf(t, fromVault().with(vars{"HMA_LISTEN": "unix:/run/hma.sock", "HMA_TLS_CERT_FILE": "/tls.pem", "HMA_TLS_KEY_FILE": "/tls-key.pem"}))
	if len(p.All) != 2 || !strings.Contains(p.All[0].Text, "Unix sockets alone") {
		t.Errorf("TLS over Unix sockets: %v", p)
	}
}
