package soap

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestCorpus(t *testing.T) {
	for _, row := range corpus(t) {
		t.Run(row.file, func(t *testing.T) {
			doc, err := os.ReadFile(filepath.Join(corpusDir, row.file))
			if err != nil {
				t.Fatal(err)
			}
			s := NewScanner()
			err = scan(s, doc, 0)
			var v *Violation
			if err != nil && !errors.As(err, &v) {
				t.Fatalf("an error of another type: %v", err)
			}
			alice := err == nil && allowsAlice(t, s)
			t.Logf("%s %s %s: %v %+v", row.group, row.expected, row.strength, err, s.Request())
			switch {
			case row.expected == "forward" && !alice:
				t.Errorf("refused: %v %+v", err, s.Request())
			case row.expected == "deny" && alice && aboutContent(row):
				t.Errorf("taken for alice: %+v", s.Request())
			}
		})
	}
}

// aboutContent reports whether the expected result of a row depends only on the
// rules about XML and envelopes. Rows with unusual HTTP headers, and rows about
// operations or the Body's references, depend on other rules.
func aboutContent(r row) bool {
	switch {
	case r.strength != "must" && r.strength != "policy":
		return false // rows about operations and the Body's references
	case r.contentType != "text/xml; charset=utf-8" && r.contentType != "text/xml":
		return false
	case r.encoding != "":
		return false
	}
	return true
}
