package soap

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestPlain puts every byte at each place of the first words of a block and at
// the boundaries of a block, which plain examines in different ways.
func TestPlain(t *testing.T) {
	for c := range 0x100 {
		stops := c < ' ' && !strings.ContainsRune("\t\r\n", rune(c)) || strings.ContainsRune("<&]", rune(c)) || c >= 0x80
		for _, size := range []int{1, 7, 8, 40, quietRun - 1, quietRun, quietRun + 1, 2*quietRun + 9} {
			text := bytes.Repeat([]byte("Ab4+ /=~"), size/8+1)[:size]
			for at := range size {
				if at > 40 && at < quietRun-10 || at > quietRun+10 && at < size-10 {
					continue
				}
				kept := text[at]
				text[at] = byte(c)
				want := size
				if stops {
					want = at
				}
				if got := plain(text); got != want {
					t.Fatalf("byte %#x at %d of %d: %d, want %d", c, at, size, got, want)
				}
				text[at] = kept
			}
		}
	}
}

// TestCharacterReferences has references on both sides of the limits of each
// range of digits, and of the range of characters in XML 1.0, section 4.1.
func TestCharacterReferences(t *testing.T) {
	for name, want := range map[string]rune{
		"lt": '<', "gt": '>', "amp": '&', "quot": '"', "apos": '\'',
		"#0065": 'A', "#9": '\t', "#x9": '\t', "#xA": '\n', "#xaF": 0xaf, "#xfF": 0xff, "#x10FFFF": 0x10ffff, "#1114111": 0x10ffff,
		"#x110000": -1, "#1114112": -1, "#x0": -1, "#0": -1, "#x1F": -1, "#xD800": -1, "#xFFFE": -1,
		"#x/": -1, "#x:": -1, "#x@": -1, "#xG": -1, "#x`": -1, "#xg": -1, "#/": -1, "#:": -1, "#a": -1, "#A": -1,
		"#": -1, "#x": -1, "#X41": -1, "#-1": -1, "": -1, "LT": -1, "nbsp": -1, "lt#": -1, "#xx41": -1,
		"#x100000041": -1, "#4294967361": -1, // 2^32 + 'A'
	} {
		if got := decodeReference([]byte(name)); got != want {
			t.Errorf("&%s; is %d, want %d", name, got, want)
		}
	}
}

// TestQuoteOrEnd compares quoteOrEnd with a search byte by byte. The bytes of
// the texts differ from quotes and ">" in one bit. An inexact comparison of
// eight bytes at a time would confuse them.
func TestQuoteOrEnd(t *testing.T) {
	var alphabet []byte
	for _, c := range []byte(`"'>`) {
		for bit := range 8 {
			alphabet = append(alphabet, c^1<<bit)
		}
	}
	alphabet = append(alphabet, 0, 0xff)
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		p := make([]byte, random.IntN(30))
		for i := range p {
			p[i] = alphabet[random.IntN(len(alphabet))]
		}
		if len(p) > 0 && random.IntN(4) > 0 {
			p[random.IntN(len(p))] = `"'>`[random.IntN(3)]
		}
		want := slices.IndexFunc(p, func(c byte) bool { return c == '"' || c == '\'' || c == '>' })
		if got := quoteOrEnd(p); got != want {
			t.Fatalf("%q: %d, want %d", p, got, want)
		}
	}
}
