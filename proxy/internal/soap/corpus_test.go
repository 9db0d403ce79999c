package soap

import (
	"errors"
	"testing"

	"hmaproxy/internal/corpus"
)

func TestCorpus(t *testing.T) {
	for _, row := range corpusRows(t) {
		t.Run(row.File, func(t *testing.T) {
			doc, err := row.Content()
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
			t.Logf("%s %s %s: %v %+v", row.Group, row.Expected, row.Strength, err, s.Request())
			switch {
			case row.Expected == corpus.Forward && !alice:
				t.Errorf("refused: %v %+v", err, s.Request())
			case row.Expected == corpus.Deny && alice && aboutContent(row):
				t.Errorf("taken for alice: %+v", s.Request())
			}
		})
	}
}

// aboutContent reports whether the expected result of a row depends only on the
// rules about XML and envelopes. Rows with unusual HTTP headers, and rows about
// operations or the Body's references, depend on other rules.
func aboutContent(r corpus.Row) bool {
	switch {
	case r.Strength != "must" && r.Strength != "policy":
		return false // rows about operations and the Body's references
	case r.ContentType != "text/xml; charset=utf-8" && r.ContentType != "text/xml":
		return false
	case r.ContentEncoding != "":
		return false
	}
	return true
}
