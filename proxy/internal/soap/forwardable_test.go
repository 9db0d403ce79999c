package soap

import "testing"

// TestForwardable checks the result of Forwardable after every byte of valid
// documents.
func TestForwardable(t *testing.T) {
	for name, doc := range load(t, "testdata/good", "*.xml") {
		want, err := read(doc)
		if err != nil {
			t.Fatal(err)
		}
		if doc[0] == 0xEF {
			want.opEnd += 3
		}
		s, before := NewScanner(), int64(0)
		for i, c := range doc {
			if _, err := s.Write([]byte{c}); err != nil {
				t.Fatal(err)
			}
			now := s.Forwardable()
			switch {
			case now < before, now > int64(i+1), now > want.opEnd:
				t.Fatalf("%s: %d bytes of %d after %d, operation ends at %d", name, now, i+1, before, want.opEnd)
			case s.Request() == nil && now != 0:
				t.Fatalf("%s: %d bytes before there is a Request", name, now)
			case s.Request() != nil && int64(i) >= want.opEnd && now != want.opEnd:
				t.Fatalf("%s: %d at the operation's end, want %d", name, now, want.opEnd)
			}
			before = now
		}
		if err := s.Close(); err != nil || s.Forwardable() != int64(len(doc)) {
			t.Errorf("%s: %v, %d of %d", name, err, s.Forwardable(), len(doc))
		}
	}
}

func TestForwardableTokens(t *testing.T) {
	for _, c := range []struct{ name, sent, held string }{
		{"text", "<m:A>abc", ""},
		{"tag", "<m:A>abc", "<t:B x='"},
		{"end tag", "<m:A><t:B>", "</t:"},
		{"reference", "<m:A>abc", "&am"},
		{"character", "<m:A>abc", "\xE2\x82"},
		{"comment", "<m:A><!-- abc ", ""},
		{"comment's beginning", "<m:A>", "<!-"},
		{"CDATA", "<m:A><![CDATA[ abc ]", ""},
		{"CDATA's beginning", "<m:A>", "<![CDA"},
		{"operation's end", "<m:A>abc", "</m:A>"},
		{"after the operation", "<m:A>abc", "</m:A> <!-- -->"},
		{"empty operation", "", "<m:A/>"},
		{"Subscribe", "", "<m:Subscribe> "},
		{"Subscribe's first child", "<m:Subscribe> <m:PullSubscriptionRequest>", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := NewScanner()
			if _, err := s.Write([]byte(head + c.sent + c.held)); err != nil {
				t.Fatal(err)
			}
			want := int64(len(head + c.sent))
			if s.Request() == nil {
				want = 0
			}
			if got := s.Forwardable(); got != want {
				t.Errorf("got %d, want %d", got, want)
			}
		})
	}
}
