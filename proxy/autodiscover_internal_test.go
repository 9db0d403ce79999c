package proxy

import "testing"

// TestDocumentLength checks that reading a document ends with the first byte
// beyond 64 KiB, however the body is divided.
func TestDocumentLength(t *testing.T) {
	for _, parts := range [][]int{{64 << 10}, {0, 1, 64<<10 - 1}, {32 << 10, 32 << 10}} {
		n := new(documentLength)
		for _, part := range parts {
			if err := n.Inspect(make([]byte, part)); err != nil {
				t.Errorf("parts of %v bytes: %v", parts, err)
			}
		}
		if err := n.Inspect(nil); err != nil {
			t.Errorf("parts of %v bytes, without a byte more: %v", parts, err)
		}
		for range 2 {
			if err := n.Inspect(make([]byte, 1)); err != errDocumentLength {
				t.Errorf("parts of %v bytes and a byte: %v", parts, err)
			}
		}
	}
	n := new(documentLength)
	if n.HeadKnown() || n.Forwardable() != 0 || n.Finish() != nil || n.Refuse(errDocumentLength) != errDocumentLength {
		t.Error("a document that is read completely before it is used is said to be forwardable")
	}
}
