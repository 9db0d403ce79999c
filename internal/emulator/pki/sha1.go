package pki

import (
	"crypto/fips140"
	"crypto/sha1"
)

// SHA1 returns the SHA-1 of data, which Entra and Key Vault use as an identifier.
// It works even where FIPS 140-3 is enforced, because an identifier is not a
// security function.
func SHA1(data []byte) (sum [sha1.Size]byte) {
	fips140.WithoutEnforcement(func() { sum = sha1.Sum(data) })
	return sum
}
