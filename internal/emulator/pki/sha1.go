package pki

import (
	"crypto/fips140"
	"crypto/sha1"
)

// SHA1 returns an identifier by SHA-1, as Entra and Key Vault use it. It works
// even where FIPS 140-3 is enforced, because it is not a security function.
func SHA1(data []byte) (sum [sha1.Size]byte) {
	fips140.WithoutEnforcement(func() { sum = sha1.Sum(data) })
	return sum
}
