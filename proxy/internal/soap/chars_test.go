package soap

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestClasses compares the classes of every byte with the grammar of XML 1.0.
// Names beyond ASCII are left out, because the scanner does not accept them.
func TestClasses(t *testing.T) {
	for c := range 0x100 {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		digit := c >= '0' && c <= '9'
		oneOf := func(s string) bool { return strings.IndexByte(s, byte(c)) >= 0 }
		for _, class := range []struct {
			name string
			bit  uint8
			want bool
		}{
			{"stopsText", stopsText, oneOf("<&]")},
			{"stopsCDATA", stopsCDATA, c == ']'},
			{"stopsComment", stopsComment, c == '-'},
			{"wide", wide, c >= 0x80},
			{"illegal", illegal, c < ' ' && !oneOf("\t\n\r")},
			{"nameStart", nameStart, letter || c == '_'},
			{"nameRest", nameRest, letter || digit || oneOf("_.-")},
			{"inURI", inURI, letter || digit || oneOf(":/._#?=&%~+-")},
		} {
			if got := classes[c]&class.bit != 0; got != class.want {
				t.Errorf("byte %#x is of class %s: %v", c, class.name, got)
			}
		}
		if got, want := isSpace(byte(c)), oneOf(" \t\n\r"); got != want {
			t.Errorf("byte %#x is white space: %v", c, got)
		}
	}
}

// isQuiet reports whether the functions quiet and quietBlock may return true for
// bytes that include c.
func isQuiet(c byte) bool { return c >= ' ' && c < 0x80 && c != '<' && c != '&' && c != ']' }

// quietBytes are all bytes for which isQuiet returns true. The tests use them
// in random order, because the calculation for one byte could change the result
// for its neighbour by a carry.
var quietBytes = func() (p []byte) {
	for c := range 0x100 {
		if isQuiet(byte(c)) {
			p = append(p, byte(c))
		}
	}
	return p
}()

// TestQuiet tests every byte at each of the eight places, among random quiet
// bytes. The result must depend on that byte alone.
func TestQuiet(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var word [8]byte
	for c := range 0x100 {
		for at := range word {
			for range 20 {
				for i := range word {
					word[i] = quietBytes[random.IntN(len(quietBytes))]
				}
				word[at] = byte(c)
				if got := quiet(binary.LittleEndian.Uint64(word[:])); got != isQuiet(byte(c)) {
					t.Fatalf("%q, with the byte %#x at %d: %v", word, c, at, got)
				}
			}
		}
	}
}

// TestQuietPairs checks quiet for every pair of neighbouring bytes, at three
// places of an eight-byte word.
func TestQuietPairs(t *testing.T) {
	word := []byte("AAAAAAAA")
	for a := range 0x100 {
		for b := range 0x100 {
			for _, at := range []int{0, 3, 6} {
				word[at], word[at+1] = byte(a), byte(b)
				if got, want := quiet(binary.LittleEndian.Uint64(word)), isQuiet(byte(a)) && isQuiet(byte(b)); got != want {
					t.Fatalf("%q: %v", word, got)
				}
				word[at], word[at+1] = 'A', 'A'
			}
		}
	}
}

// TestQuietBlock tests every byte among random quiet bytes: at each of the first
// and the last 32 places of a block, and at some places between them.
func TestQuietBlock(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	block := make([]byte, quietRun)
	for i := range block {
		block[i] = quietBytes[random.IntN(len(quietBytes))]
	}
	if !quietBlock(block) {
		t.Fatalf("%q is not quiet", block)
	}
	for at := range block {
		if at >= 32 && at < quietRun-32 && at%31 != 0 {
			continue
		}
		kept := block[at]
		for c := range 0x100 {
			block[at] = byte(c)
			if got := quietBlock(block); got != isQuiet(byte(c)) {
				t.Fatalf("byte %#x at %d: %v", c, at, got)
			}
		}
		block[at] = kept
	}
}

// TestIsChar tests both sides of each boundary of Char in XML 1.0, section 2.2.
func TestIsChar(t *testing.T) {
	for r, want := range map[rune]bool{
		0: false, 8: false, 9: true, 0xA: true, 0xB: false, 0xC: false, 0xD: true, 0xE: false, 0x1F: false, 0x20: true,
		0x7F: true, 0x80: true, 0xD7FF: true, 0xD800: false, 0xDFFF: false, 0xE000: true,
		0xFFFD: true, 0xFFFE: false, 0xFFFF: false, 0x10000: true, 0x10FFFF: true, 0x110000: false,
	} {
		if got := isChar(r); got != want {
			t.Errorf("%#x: %v", r, got)
		}
	}
}

// TestCharacterLength tests the first and the last character of each length,
// bytes that are not a character of XML, and incomplete characters.
func TestCharacterLength(t *testing.T) {
	for s, want := range map[string]int{
		"\u0080": 2, "\u07ff": 2, "\u0800": 3, "\ud7ff": 3, "\ue000": 3, "\ufffd": 3, "\U00010000": 4, "\U0010ffff": 4,
		"\u0080x": 2, "\ufffd\x80": 3,
		"\ufffe": -1, "\uffff": -1, "\xed\xa0\x80": -1, "\xed\xbf\xbf": -1, "\xf4\x90\x80\x80": -1,
		"\x80": -1, "\xc0\x80": -1, "\xc1\xbf": -1, "\xe0\x9f\xbf": -1, "\xf0\x8f\xbf\xbf": -1, "\xf5": -1, "\xff": -1, "\xc2x": -1,
		"": 0, "\xc2": 0, "\xe0": 0, "\xe0\xa0": 0, "\xf0": 0, "\xf0\x90\x80": 0,
	} {
		if got := characterLength([]byte(s)); got != want {
			t.Errorf("%q: %d, want %d", s, got, want)
		}
	}
}

// TestCharacters compares the results of the function characters with those of a
// decoder that reads one character after the other.
func TestCharacters(t *testing.T) {
	pieces := []string{
		"a", "abcdefgh", "Zz9_.-", " ", "\t\r\n", "-", "]", "<", "&", ">", "\x7f", "\x1f", "\x00", "\u0080", "\ud7ff", "\ue000", "\ufffd", "\ufffe",
		"\U0010ffff", "\xc2", "\xe0\xa0", "\xf0\x90\x80", "\xed\xa0\x80", "\xff",
	}
	compare := func(text string, stop uint8, stops string) {
		want := 0
		var incomplete, bad bool
		for want < len(text) && strings.IndexByte(stops, text[want]) < 0 {
			r, n := utf8.DecodeRuneInString(text[want:])
			incomplete = !utf8.FullRuneInString(text[want:])
			bad = !incomplete && (r == utf8.RuneError && n == 1 || !isChar(r))
			if incomplete || bad {
				break
			}
			want += n
		}
		if n, i, b := characters([]byte(text), stop); n != want || i != incomplete || b != bad {
			t.Fatalf("%q up to %q: %d, %v, %v; want %d, %v, %v", text, stops, n, i, b, want, incomplete, bad)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var text string
		for range random.IntN(8) {
			text += pieces[random.IntN(len(pieces))]
		}
		compare(text, stopsText, "<&]")
		compare(text, stopsCDATA, "]")
		compare(text, stopsComment, "-")
	}
}

// TestTrim tests each byte of white space in XML, and bytes that other functions
// treat as white space.
func TestTrim(t *testing.T) {
	for s, want := range map[string]string{
		"": "", " ": "", "\t": "", "\n": "", "\r": "", " \t\r\n ": "", "a": "a", " a": "a", "a ": "a", "\r\na b\t ": "a b",
		"\va\v": "\va\v", "\fa\f": "\fa\f", "\u00a0a\u0085": "\u00a0a\u0085",
	} {
		if got := string(trim([]byte(s))); got != want {
			t.Errorf("trim(%q) = %q, want %q", s, got, want)
		}
		blank := len(s) - len(strings.TrimLeft(s, " \t\r\n"))
		if got := spaces([]byte(s)); got != blank {
			t.Errorf("spaces(%q) = %d, want %d", s, got, blank)
		}
	}
}

// TestPlain puts every byte into a text and checks whether the function plain
// stops at it. The byte is at the beginning of the text, at a boundary of the
// blocks of quietRun bytes, or at the end.
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

// TestCharacterReferences tests references on both sides of each limit: the
// ranges of digits, and the ranges of characters in XML 1.0, section 4.1.
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
