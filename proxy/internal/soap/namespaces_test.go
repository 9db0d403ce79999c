package soap

import (
	"bytes"
	"strconv"
	"testing"
)

// TestTextOfBindingsIsBounded checks that the prefixes and URIs of all
// declarations in force may have 32 KiB together, and not one byte more.
func TestTextOfBindingsIsBounded(t *testing.T) {
	uri := func(size int) []byte { return bytes.Repeat([]byte("u"), size) }
	n := newNamespaces()
	if n.push([]byte("p"), uri(32<<10)) {
		t.Error("a declaration of 32 KiB and a byte is accepted")
	}
	if !n.push([]byte("p"), uri(32<<10-1)) {
		t.Fatal("a declaration of 32 KiB is refused")
	}
	if n.push(nil, uri(1)) || n.push([]byte("q"), nil) {
		t.Error("a byte more is accepted")
	}
	if s, ok := n.find([]byte("p")); !ok || len(s.uri) != 32<<10-1 {
		t.Errorf("the prefix is bound to %d bytes, %v", len(s.uri), ok)
	}
	if _, ok := n.find([]byte("q")); ok {
		t.Error("a refused declaration is in force")
	}
	n.pop(0)
	if !n.push([]byte("p"), uri(16<<10-1)) || !n.push([]byte("q"), uri(16<<10-1)) {
		t.Error("two declarations of 16 KiB are refused after the first has ended")
	}
	if n.push([]byte("r"), nil) {
		t.Error("a byte more than two declarations is accepted")
	}
}

// TestNumberOfBindingsIsBounded checks that 512 declarations may be in force, and
// not one more.
func TestNumberOfBindingsIsBounded(t *testing.T) {
	n := newNamespaces()
	for i := range 512 {
		if !n.push([]byte("p"+strconv.Itoa(i)), []byte("u")) {
			t.Fatalf("declaration %d is refused", i+1)
		}
	}
	if n.push([]byte("q"), []byte("u")) {
		t.Error("declaration 513 is accepted")
	}
	for i := range 512 {
		if _, ok := n.find([]byte("p" + strconv.Itoa(i))); !ok {
			t.Fatalf("declaration %d is not found", i+1)
		}
	}
	n.pop(511)
	if !n.push([]byte("q"), []byte("u")) {
		t.Error("a declaration is refused after another has ended")
	}
}

// TestNoNamespace checks that an empty URI means no namespace, as section 6.2 of
// Namespaces in XML 1.0 says.
func TestNoNamespace(t *testing.T) {
	n := newNamespaces()
	for range 2 {
		if s, ok := n.find(nil); !ok || !s.same(space{}) {
			t.Errorf("without a prefix: %+v, %v", s, ok)
		}
		n.push(nil, []byte("urn:a"))
		n.push(nil, nil)
	}
}
