package pki_test

import (
	"testing"

	"hmaproxy/internal/emulator/pki"
)

func newCertificate(t testing.TB, o pki.Options) *pki.Certificate {
	t.Helper()
	c, err := pki.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
