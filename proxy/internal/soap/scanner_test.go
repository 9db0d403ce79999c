package soap

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"hmaproxy/proxy/ews"
)

// documents returns all test data, and the documents of the corpus if it is
// present.
func documents(t testing.TB) map[string][]byte {
	docs := map[string][]byte{}
	for _, dir := range []string{"testdata/good", "testdata/bad", "testdata/problem"} {
		for name, doc := range load(t, dir, "*.xml") {
			docs[dir+"/"+name] = doc
		}
	}
	for _, row := range corpusRows(t) {
		doc, err := row.Content()
		if err != nil {
			t.Fatal(err)
		}
		docs["corpus/"+row.File] = doc
	}
	return docs
}

func TestScannerAcceptsGoodDocuments(t *testing.T) {
	for name, doc := range load(t, "testdata/good", "*.xml") {
		t.Run(name, func(t *testing.T) {
			s := NewScanner()
			if err := scan(s, doc, 0); err != nil {
				t.Fatal(err)
			}
			if err := agree(s, doc); err != nil {
				t.Error(err)
			}
			m := s.Request()
			if m.Identity.Value != "alice@contoso.com" {
				t.Errorf("identity %v", m.Identity)
			}
			for _, b := range m.Blocks {
				if b.Problem != "" {
					t.Errorf("%s: %s", b.Name, b.Problem)
				}
			}
			if s.Forwardable() != int64(len(doc)) {
				t.Errorf("forwardable at the end: %d of %d", s.Forwardable(), len(doc))
			}
		})
	}
}

func TestScannerRefusesBadDocuments(t *testing.T) {
	why := reasons(t)
	for name, doc := range load(t, "testdata/bad", "*.xml") {
		t.Run(name, func(t *testing.T) {
			s := NewScanner()
			err := scan(s, doc, 0)
			var v *Violation
			if !errors.As(err, &v) {
				t.Fatalf("got %v, want a Violation", err)
			}
			if want := why["bad/"+name]; v.Reason != want.reason || v.Offset != want.offset {
				t.Errorf("at %d: %q, want at %d: %q", v.Offset, v.Reason, want.offset, want.reason)
			}
			if _, again := s.Write([]byte(" ")); again != err {
				t.Errorf("Write after %v: %v", err, again)
			}
			if again := s.Close(); again != err {
				t.Errorf("Close after %v: %v", err, again)
			}
			if s.Forwardable() != 0 {
				t.Errorf("forwardable after a violation: %d", s.Forwardable())
			}
		})
	}
}

func TestScannerReportsProblems(t *testing.T) {
	why := reasons(t)
	for name, doc := range load(t, "testdata/problem", "*.xml") {
		t.Run(name, func(t *testing.T) {
			s := NewScanner()
			if err := scan(s, doc, 0); err != nil {
				t.Fatal(err)
			}
			if err := agree(s, doc); err != nil {
				t.Error(err)
			}
			var problems []string
			for _, b := range s.Request().Blocks {
				if b.Problem != "" {
					problems = append(problems, b.Problem)
				}
			}
			if want := why["problem/"+name].reason; len(problems) != 1 || problems[0] != want {
				t.Errorf("got %q, want %q", problems, want)
			}
		})
	}
}

// An outcome is everything that a scan returns.
type outcome struct {
	err         string
	offset      int64
	message     *ews.Request
	references  []ews.Reference
	forwardable int64
	head        string
}

func outcomeOf(s *Scanner, doc []byte, next func() int) outcome {
	var o outcome
	s.Reset(func(r ews.Reference) error {
		o.references = append(o.references, r)
		return nil
	}, true)
	var err error
	for rest := doc; len(rest) > 0 && err == nil; {
		n := min(next(), len(rest))
		piece := slices.Clone(rest[:n])
		_, err = s.Write(piece)
		clear(piece) // Write must not keep the caller's slice
		rest = rest[n:]
	}
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		o.err = err.Error()
		var v *Violation
		if errors.As(err, &v) {
			o.offset = v.Offset
		}
	}
	o.forwardable = s.Forwardable()
	if m := s.Request(); m != nil {
		copied := *m
		copied.Blocks = slices.Clone(m.Blocks)
		o.message = &copied
		o.head = string(s.AppendHead(nil, m.Identity))
	}
	return o
}

// differs scans doc in one piece, in single bytes if it is short, and in random
// pieces. It returns an error if the outcomes differ.
func differs(s *Scanner, doc []byte, random *rand.Rand) error {
	whole := outcomeOf(s, doc, func() int { return max(len(doc), 1) })
	if len(doc) < 20_000 {
		if bytewise := outcomeOf(s, doc, func() int { return 1 }); !reflect.DeepEqual(whole, bytewise) {
			return fmt.Errorf("whole:\n%+v\nbyte by byte:\n%+v", whole, bytewise)
		}
	}
	for range 3 {
		most := 1 + random.IntN(200)
		if cut := outcomeOf(s, doc, func() int { return 1 + random.IntN(most) }); !reflect.DeepEqual(whole, cut) {
			return fmt.Errorf("whole:\n%+v\nin pieces:\n%+v", whole, cut)
		}
	}
	return nil
}

func TestSplit(t *testing.T) {
	s := NewScanner()
	random := rand.New(rand.NewPCG(1, 2))
	for name, doc := range documents(t) {
		if err := differs(s, doc, random); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPush(t *testing.T) {
	for child, want := range map[string]bool{
		"<m:PullSubscriptionRequest/>":                                     false,
		"<m:StreamingSubscriptionRequest/>":                                false,
		"<m:PushSubscriptionRequest/>":                                     true,
		"<!-- --> <m:PushSubscriptionRequest></m:PushSubscriptionRequest>": true,
		"": false,
	} {
		s := NewScanner()
		if err := scan(s, []byte(head+"<m:Subscribe>"+child+"</m:Subscribe>"+tail), 1); err != nil {
			t.Fatal(err)
		}
		if got := s.Request().Push; got != want {
			t.Errorf("%q: %v", child, got)
		}
	}
}

func TestWriteAfterClose(t *testing.T) {
	s := NewScanner()
	if err := scan(s, getFolder(), 0); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Write([]byte(" ")); n != 0 || err == nil {
		t.Errorf("got %d, %v", n, err)
	}
}

// TestScannerBuffersLittle scans 64 MB of text, of comments and CDATA sections,
// and of elements. It limits the number of scanned bytes that are not forwardable
// yet, and the number of bytes that the scanner allocates.
func TestScannerBuffersLittle(t *testing.T) {
	for _, content := range []string{"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo\r\n", "<!-- comment --><![CDATA[ cdata ]]>", "<t:a b='c'>text &amp; text</t:a>"} {
		piece := []byte{}
		for len(piece) < pieces {
			piece = append(piece, content...)
		}
		var before, after runtime.MemStats
		s := NewScanner()
		runtime.ReadMemStats(&before)
		if _, err := s.Write([]byte(head + "<m:CreateItem>")); err != nil {
			t.Fatal(err)
		}
		for range (64 << 20) / len(piece) {
			for rest := piece; len(rest) > 0; { // pieces that split tokens at any place
				n := min(len(rest), 4099)
				if _, err := s.Write(rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if s.lexer.off-s.Forwardable() > maxTag {
				t.Fatalf("%d bytes held back", s.lexer.off-s.Forwardable())
			}
		}
		if _, err := s.Write([]byte("</m:CreateItem>" + tail)); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 128<<10 {
			t.Errorf("%q: %d bytes allocated", content, grown)
		}
	}
}

func TestAllocations(t *testing.T) {
	s, doc := NewScanner(), getFolder()
	allocs := testing.AllocsPerRun(100, func() {
		s.Reset(nil, false)
		if err := scan(s, doc, 512); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 6 {
		t.Errorf("%v allocations for a small request", allocs)
	}
}

// TestWriteCountsScannedBytes checks the number that Write returns with a
// violation. Some violations are found only after their first byte.
func TestWriteCountsScannedBytes(t *testing.T) {
	for doc, want := range map[string]int{
		"x": 1, "x]]>": 3, "x\x00y": 1, `<t:x b="c" b="d">y`: 17, "x]]": 3, "x&amp;&x;y": 8,
	} {
		s := NewScanner()
		n, err := s.Write([]byte(head + "<m:GetRooms>" + doc))
		if n -= len(head + "<m:GetRooms>"); n != want || (err == nil) != (want == len(doc)) {
			t.Errorf("%q: %d bytes, %v; want %d", doc, n, err, want)
		}
	}
}

// TestWriteCountsMarkup checks the number that Write returns for a document with
// markup that is not allowed. Write stops before the first byte that shows that
// the markup is not allowed.
func TestWriteCountsMarkup(t *testing.T) {
	const inside = head + "<m:GetRooms>"
	for doc, want := range map[string]int{
		inside + "<?x?>":        len(inside + "<"),
		inside + "<=":           len(inside + "<"),
		inside + "<!x":          len(inside + "<!"),
		inside + "<!-x":         len(inside + "<!-"),
		inside + "<![CDATAx":    len(inside + "<![CDATA"),
		inside + "<!-- a -- b":  len(inside + "<!-- a --"),
		inside + "&$;":          len(inside + "&"),
		inside + "&x;":          len(inside + "&x"),
		"\xEF\xBBx":             len("\xEF\xBB"),
		"<?xml version='1.1'?>": len("<?"),
		"<?xml " + strings.Repeat(" ", 300) + "?>": len("<?"),
	} {
		s := NewScanner()
		if n, err := s.Write([]byte(doc)); n != want || err == nil {
			t.Errorf("%q: %d bytes, %v; want %d", doc, n, err, want)
		}
	}
}

// TestEndTags tests end tags that match the open element, and end tags that do
// not match it.
func TestEndTags(t *testing.T) {
	for end, good := range map[string]bool{
		"</t:x>": true, "</t:x \t\r\n>": true,
		"</>": false, "</ >": false, "</  >": false, "</ t:x>": false, "</x>": false, "</t:>": false, "</t:xx>": false, "</t:x/>": false,
		"</t:x a='b'>": false, "</T:x>": false,
	} {
		err := scan(NewScanner(), operation("<m:GetRooms><t:x>"+end+"</m:GetRooms>"), 0)
		if v, _ := errors.AsType[*Violation](err); (err == nil) != good || !good && v.Reason != "an end tag that is not the open element's" {
			t.Errorf("%q: %v", end, err)
		}
	}
}

// TestZoneIsBounded tests a time zone that has 64 KiB when it is rewritten, and
// one that is a byte longer.
func TestZoneIsBounded(t *testing.T) {
	zone := func(size int) []byte {
		const start = `<t:TimeZoneContext xmlns:t="` + ews.TypesNS + `">`
		var definitions string
		for left := size - len(start); left > 0; {
			n := min(left, 22<<10)
			definitions += `<t:TimeZoneDefinition Id="` + strings.Repeat("x", n-len(`<t:TimeZoneDefinition Id=""></t:TimeZoneDefinition>`)) + `"></t:TimeZoneDefinition>`
			left -= n
		}
		return []byte(strings.Replace(head, "<soap:Header>", "<soap:Header>"+start+definitions+"</t:TimeZoneContext>", 1) + "<m:GetRooms/>" + tail)
	}
	for size, good := range map[int]bool{64 << 10: true, 64<<10 + 1: false} {
		s := NewScanner()
		if err := scan(s, zone(size), 0); err != nil {
			t.Fatal(err)
		}
		if b := s.Request().Blocks[0]; b.Name != "TimeZoneContext" || (b.Problem == "") != good {
			t.Errorf("%d bytes: %+v", size, b)
		}
	}
}

// TestTagIsBounded tests a tag of 32 KiB, including "<" and ">", and a tag that
// is a byte longer.
func TestTagIsBounded(t *testing.T) {
	for size, good := range map[int]bool{32 << 10: true, 32<<10 + 1: false} {
		tag := `<t:x a="` + strings.Repeat("y", size-len(`<t:x a=""/>`)) + `"/>`
		for _, split := range []int{0, 1, 1000} {
			s := NewScanner()
			err := scan(s, operation("<m:GetRooms>"+tag+"</m:GetRooms>"), split)
			if v, _ := errors.AsType[*Violation](err); (err == nil) != good || !good && v.Reason != "tag too long" {
				t.Errorf("%d bytes in parts of %d: %v", size, split, err)
			}
		}
	}
}
