package autodiscover

import (
	"fmt"
	"strings"
	"testing"
)

// TestLimitsOfDocuments checks that a document at each limit is accepted, and a
// document beyond it is refused.
func TestLimitsOfDocuments(t *testing.T) {
	attributes := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, ` a%d="x"`, i)
		}
		return "<r" + b.String() + "/>"
	}
	for _, test := range []struct {
		name     string
		document func(n int) string
		limit    int
		want     string
	}{
		{"attributes", attributes, 32, "too many attributes"},
		{"elements", func(n int) string { return "<r>" + strings.Repeat("<a/>", n-1) + "</r>" }, 2048, "too many elements"},
		{"depth", func(n int) string { return strings.Repeat("<a>", n) + strings.Repeat("</a>", n) }, 16, "elements are nested too deep"},
		{"text", func(n int) string { return "<r>" + strings.Repeat("x", n) + "</r>" }, 1024, "a text is too long"},
		{"document", func(n int) string { return "<r/>" + strings.Repeat(" ", n-len("<r/>")) }, 64 << 10, "the document is too long"},
	} {
		if _, err := parseDocument([]byte(test.document(test.limit))); err != nil {
			t.Errorf("%d of %s: %v", test.limit, test.name, err)
		}
		if _, err := parseDocument([]byte(test.document(test.limit + 1))); err == nil || err.Error() != test.want {
			t.Errorf("%d of %s: %v", test.limit+1, test.name, err)
		}
	}
	if _, err := parseDocument([]byte("<r>" + strings.Repeat(" ", 5000) + "</r>")); err != nil {
		t.Errorf("white space: %v", err)
	}
}
