package soap

import (
	"math/rand/v2"
	"testing"

	"hmaproxy/proxy/ews"
)

func seed(f *testing.F, add func(doc []byte)) {
	for _, doc := range documents(f) {
		if len(doc) < 10_000 { // long documents slow the fuzzer down
			add(doc)
		}
	}
}

// FuzzScanner checks that encoding/xml reads every accepted document in the same
// way, and that work is linear in the length of the input.
func FuzzScanner(f *testing.F) {
	seed(f, func(doc []byte) { f.Add(doc) })
	s := NewScanner()
	f.Fuzz(func(t *testing.T, doc []byte) {
		s.Reset(func(ews.Reference) error { return nil }, true)
		err := scan(s, doc, 0)
		if s.Work() > 32*int64(len(doc))+4096 {
			t.Errorf("%d steps for %d bytes", s.Work(), len(doc))
		}
		if err != nil {
			if s.Forwardable() != 0 {
				t.Error("forwardable after an error")
			}
			return
		}
		if err := agree(s, doc); err != nil {
			t.Error(err)
		}
	})
}

// FuzzSplit checks that the outcome does not depend on how the input is split.
func FuzzSplit(f *testing.F) {
	seed(f, func(doc []byte) { f.Add(doc, uint64(len(doc))) })
	s := NewScanner()
	f.Fuzz(func(t *testing.T, doc []byte, cuts uint64) {
		if err := differs(s, doc, rand.New(rand.NewPCG(cuts, 0))); err != nil {
			t.Error(err)
		}
	})
}

// FuzzRewrite checks the heads that AppendHead and AppendSpliced write for each
// accepted document. The functions rewrites and splices say what is correct.
func FuzzRewrite(f *testing.F) {
	seed(f, func(doc []byte) { f.Add(doc) })
	s := NewScanner()
	f.Fuzz(func(t *testing.T, doc []byte) {
		s.Reset(nil, false)
		if scan(s, doc, 0) != nil {
			return
		}
		if err := rewrites(s, doc); err != nil {
			t.Error(err)
		}
		if m := s.Request(); !impersonates(m) && len(m.Blocks) < maxBlocks {
			if err := splices(s, doc); err != nil {
				t.Error(err)
			}
		}
	})
}
