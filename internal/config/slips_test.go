package config

import (
	"slices"
	"strings"
	"testing"
)

// slips returns the texts that one typing mistake can make of s: a character is
// dropped, doubled, replaced, inserted, or swapped with its neighbour. Only
// some characters are inserted or used as replacement.
func slips(s string) []string {
	inserted := []string{" ", "\t", "_", "-", ".", ":", ";", ",", "=", "#", "\"", "'", "$", "\\", "x", "\u200b", "\u00a0", "\ufeff", "\r", "É"}
	var all []string
	for i := range len(s) + 1 {
		for _, c := range inserted {
			all = append(all, s[:i]+c+s[i:])
			if i < len(s) {
				all = append(all, s[:i]+c+s[i+1:])
			}
		}
		if i < len(s) {
			all = append(all, s[:i]+s[i+1:], s[:i]+s[i:i+1]+s[i:])
		}
		if i+1 < len(s) {
			all = append(all, s[:i]+s[i+1:i+2]+s[i:i+1]+s[i+2:])
		}
	}
	return all
}

// TestNoSlipOpensEveryMailbox checks each of the three lines that can set an
// allow-list. Even after one typing mistake, the line must lead to an error or
// to an allow-list. The test leaves out mistakes that make the line a comment.
// A comment removes the list, which raises the alarm.
func TestNoSlipOpensEveryMailbox(t *testing.T) {
	rest := strings.Join(fromVault().environ(), "\n") + "\n"
	f := testFiles(t)
	for _, line := range []string{"HMA_ALLOWED_MAILBOXES=alice@contoso.com,bob@contoso.com", "HMA_ALLOWED_MAILBOXES_FILE=/mailboxes", "HMA_CLIENT_USERS_FILE=/narrow-users"} {
		open := 0
		for _, slip := range slips(line) {
			if strings.HasPrefix(strings.TrimLeft(slip, " \t"), "#") {
				continue
			}
			entries, err := ParseEnvFile([]byte(rest+slip+"\n"), nil)
			if err == nil {
				var c *Config
				if c, err = Load(entries, f.read); err == nil && c.Access() != AccessListed {
					t.Errorf("%q in a file: %v", slip, c.Access())
					open++
				}
			}
			if err != nil && strings.Contains(err.Error(), "alice") {
				t.Errorf("%q: the error shows the value: %v", slip, err)
			}
			// Check the same line in the environment of the process.
			environ := append(slices.Clone(strings.Split(strings.TrimSpace(rest), "\n")), slip)
			if c, err := Load(environ, f.read); err == nil && c.Access() != AccessListed {
				t.Errorf("%q in the environment: %v", slip, c.Access())
				open++
			}
			if open > 20 {
				t.Fatal("and so on")
			}
		}
	}
}
