package config

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"
)

// canary makes a value recognisable. No word of this package contains it.
const canary = "zq7Xv9"

// FuzzLoad sets each variable in turn to a recognisable value. It checks that
// no error shows the value, and that every accepted configuration has the
// properties that the rest of the program relies on. Variables that name files
// also get the value as the file's content.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"", "CANARY", "https://CANARY", "https://user:CANARY@host", "https://mail.contoso.com/CANARY", "http://CANARY:99999",
		"127.0.0.1:CANARY", "unix:/CANARY", "CANARY@contoso.com", "upn:CANARY", "sid:CANARY", "+CANARY", "GetItem,CANARY", "CANARY,,",
		"10CANARY", "X-CANARY", "-----BEGIN CANARY-----", "\"CANARY\"", "%CANARY", "[CANARY]:80", "CANARY\n", "CANARY\x00", "\xff\xfeCANARY",
		"*@CANARY", "alice@CANARY.com,alice", "socks5://u:CANARY@:1", "CANARY.", "HMA_LOG_LEVEL=CANARY",
	} {
		f.Add(seed)
	}
	names, base := variables(), testFiles(f)
	f.Fuzz(func(t *testing.T, value string) {
		value = strings.ReplaceAll(value, "CANARY", canary)
		if !strings.Contains(value, canary) {
			value += canary
		}
		files := maps.Clone(base)
		files["/fuzzed"] = []byte(value)
		for _, v := range names {
			tryValue(t, files, v.name, value)
			if strings.HasSuffix(v.name, "_FILE") {
				tryValue(t, files, v.name, "/fuzzed")
			}
		}
	})
}

func tryValue(t *testing.T, files files, name, value string) {
	env := fromVault()
	if strings.HasPrefix(name, "HMA_CERT_") {
		env = fromFile()
	}
	env[name] = value
	if strings.HasSuffix(name, "_FILE") {
		delete(env, strings.TrimSuffix(name, "_FILE"))
	}
	c, err := Load(env.environ(), files.read)
	if err == nil {
		checkProperties(t, c)
		return
	}
	var p *Problems
	if !errors.As(err, &p) || len(p.All) == 0 || c != nil {
		t.Fatalf("load = %v, %v", c, err)
	}
	text := strings.ToLower(err.Error())
	if strings.Contains(text, strings.ToLower(canary)) || !utf8.ValidString(text) {
		t.Errorf("%s: the error shows the value: %v", name, err)
	}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "hma_") && !strings.HasPrefix(line, "https_proxy: ") && !strings.HasPrefix(line, "no_proxy: ") && !strings.HasPrefix(line, "azure_federated_token_file: ") {
			t.Errorf("%s: a line without a variable: %q", name, line)
		}
	}
}

func checkProperties(t *testing.T, c *Config) {
	for _, u := range []Origin{{c.EWS.URL}, c.Authority, c.VaultURI} {
		if u.URL != nil && (u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "") {
			t.Errorf("accepted the URL %v", u)
		}
	}
	if !strings.HasPrefix(string(c.Resource), "https://") || strings.Count(string(c.Resource), "/") > 3 {
		t.Errorf("accepted the resource %q", c.Resource)
	}
	if c.AllowedMailboxes != nil && len(c.AllowedMailboxes) == 0 || len(c.Listen) == 0 {
		t.Errorf("accepted an empty list")
	}
	for _, l := range c.Listen {
		if !l.Local() {
			t.Errorf("accepted the listener %v", l)
		}
	}
	if c.FromVault() != (c.CertFile == "") || c.FromVault() != (c.VaultCertName != "") {
		t.Errorf("accepted %v and %q as sources", c.VaultURI, c.CertFile)
	}
}
