package soap

import (
	"bytes"
	"strings"
	"testing"
)

// TestPlain puts every byte at the boundaries of a block, of a word and of a
// byte, which plain examines in different ways.
func TestPlain(t *testing.T) {
	for c := range 0x100 {
		stops := c < ' ' && !strings.ContainsRune("\t\r\n", rune(c)) || strings.ContainsRune("<&]", rune(c)) || c >= 0x80
		for _, size := range []int{1, 7, 8, 40, quietRun - 1, quietRun, quietRun + 1, 2*quietRun + 9} {
			text := bytes.Repeat([]byte("Ab4+ /=~"), size/8+1)[:size]
			for _, at := range []int{0, 1, 7, 8, 31, 32, quietRun - 1, quietRun, quietRun + 1, 2 * quietRun, size - 1} {
				if at >= size {
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
