package upstream

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestFrameChunk checks the framing of a part of a body: the size in hexadecimal
// digits, a line end, the data and another line end, and after the last part the
// last chunk (RFC 9112, section 7.1).
func TestFrameChunk(t *testing.T) {
	text := new([pieceSize]byte)
	for _, n := range []int{0, 1, 2, 15, 16, 17, 255, 256, 4095, 4096, 65535, 65536, maxRead - 1, maxRead} {
		for _, last := range []bool{false, true} {
			data := strings.Repeat("x", n)
			copy(text[maxChunkStart:], data)
			from, to := frameChunk(text, n, last)
			want := ""
			if n > 0 {
				want = fmt.Sprintf("%x\r\n%s\r\n", n, data)
			}
			if last {
				want += "0\r\n\r\n"
			}
			if got := string(text[from:to]); got != want {
				t.Errorf("%d bytes, the last %v: %.20q…, %d bytes, want %.20q…, %d bytes", n, last, got, len(got), want, len(want))
			}
		}
	}
}

// TestInterimResponses checks which responses another response follows: those of
// class 1xx except 101, after which the connection has another protocol (RFC 9110,
// section 15.2).
func TestInterimResponses(t *testing.T) {
	for status := range 1000 {
		want := status/100 == 1 && status != http.StatusSwitchingProtocols
		if got := isInterim(status); got != want {
			t.Errorf("%d: %v, want %v", status, got, want)
		}
	}
}
