package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestSecretIsNotPrinted formats a secret, and a structure that contains it, with
// every verb of package fmt except %T and %p, for which fmt calls no method: %T prints
// the type alone, and go vet refuses %p.
func TestSecretIsNotPrinted(t *testing.T) {
	const text = "s3cr3t~value"
	secret := Secret(text)
	for _, verb := range "vsqxXdobcUteEfFgG" {
		for _, format := range []string{"%", "%+", "%#", "%20", "% "} {
			format += string(verb)
			for _, got := range []string{fmt.Sprintf(format, secret), fmt.Sprintf(format, struct{ S Secret }{secret})} {
				for _, leak := range []string{text, "115", "7333", "73 33", "0x73", "0X73"} { // the text, and its first bytes in decimal and hexadecimal
					if strings.Contains(got, leak) {
						t.Errorf("%s: %s", format, got)
					}
				}
			}
		}
	}
	if got, err := json.Marshal(secret); err != nil || string(got) != `"[redacted]"` {
		t.Errorf("JSON %s, %v", got, err)
	}
}
