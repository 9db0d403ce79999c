package proxy

import (
	"strings"
	"testing"
)

// TestTail adds parts of all sizes to a tail and compares it with the end of the
// whole text.
func TestTail(t *testing.T) {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	for first := range 60 {
		for second := range 60 {
			var end tail
			whole := ""
			for i, size := range []int{first, second, 1, second, first} {
				part := strings.Repeat(letters[i:]+letters[:i], 3)[:size]
				whole += part
				end.add([]byte(part))
				want := whole[max(0, len(whole)-48):]
				if got := string(end.last[:end.n]); got != want {
					t.Fatalf("parts of %d and %d bytes: %q, want %q", first, second, got, want)
				}
			}
		}
	}
}

// TestEndsDocument checks which ends of a stream are the end of a document: the end
// tag of an Envelope and white space.
func TestEndsDocument(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, ">": false, "Envelope>": false, "<Envelope>": false, "</Envelope": false, "/Envelope>": true, // a tail may have lost the "<"
		"</Envelope>": true, "</s:Envelope>": true, "</soap11:Envelope >\r\n\t ": true, "<a></Envelope>": true,
		"</Envelopes>": false, "</EnvelopeX:a>": false, "</a:b:Envelope>": false, "</s:Body>": false, "</Envelope>x": false, "</s: Envelope>": false,
		"</xEnvelope>": false, "</ Envelope>": false,
	} {
		var end tail
		end.add([]byte(text))
		if got := end.endsDocument(); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
