package soap

import (
	"fmt"
	"strings"
	"testing"

	"hmaproxy/proxy/ews"
)

// list returns the numbers from 0 to n-1, each formatted with format.
func list(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestScannerWorkIsLinear scans documents that are slow for a parser with quadratic steps.
// Each document is scanned in two sizes. A document of twice the size may take
// twice the steps. The number of steps per byte is limited.
func TestScannerWorkIsLinear(t *testing.T) {
	for name, unit := range map[string]string{
		"text":              strings.Repeat("a", 100),
		"brackets":          "]]] ]]",
		"references":        "&amp;&#64;",
		"comments":          "<!---->",
		"comment of <":      "<!--" + strings.Repeat("<", 1000) + "-->",
		"CDATA of ]":        "<![CDATA[" + strings.Repeat("]", 1000) + "]]>",
		"small tags":        "<t:a/>",
		"many attributes":   "<t:a " + list(96, "a%d='' ") + "/>",
		"prefixed ones":     "<t:a " + list(48, "t:a%d='' m:a%[1]d='' ") + "/>",
		"many declarations": "<t:a " + list(96, "xmlns:p%d='urn:%[1]d' ") + "/>",
		"tags in the scope of many declarations": "<t:a " + list(90, "xmlns:p%d='urn:%[1]d' ") + ">" +
			strings.Repeat("<p1:b/><p89:b/>", 100) + "</t:a>",
		"tags that references may end": "<t:From/><t:Mailbox><t:EmailAddress/></t:Mailbox>",
		"quotes in tags":               `<t:a a="'''''" b='"""""'/>`,
		"non-ASCII":                    "é€\U0001F600",
	} {
		t.Run(name, func(t *testing.T) {
			work := func(size int) int64 {
				s := NewScanner()
				s.Reset(func(ews.Reference) error { return nil }, true)
				doc := operation("<m:GetFolder>" + strings.Repeat(unit, 1+size/len(unit)) + "</m:GetFolder>")
				if err := scan(s, doc, 1000); err != nil {
					t.Fatal(err)
				}
				if s.Work() > 32*int64(len(doc)) {
					t.Errorf("%d steps for %d bytes", s.Work(), len(doc))
				}
				return s.Work()
			}
			if one, two := work(100_000), work(200_000); two > one*21/10 {
				t.Errorf("%d steps become %d for twice the input", one, two)
			}
		})
	}
}
