// Simulated days have thousands of TLS handshakes, which cost less without
// ML-KEM.
//
//go:debug tlsmlkem=0

package app

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain lets garbage grow to several times the live heap: the tests run the
// product for simulated days, allocate much and keep little.
func TestMain(m *testing.M) {
	debug.SetGCPercent(500)
	os.Exit(m.Run())
}
