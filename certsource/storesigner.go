package certsource

import (
	"crypto"
	"crypto/rsa"
	"io"
)

// A storeSigner signs with a private key that stays in its Windows provider.
type storeSigner struct {
	store  *Store
	key    storeKey
	public *rsa.PublicKey
}

func (s *storeSigner) Public() crypto.PublicKey { return s.public }

// Sign signs a SHA-256 digest. It makes an RS256 signature or, with
// *rsa.PSSOptions, a PS256 signature with a salt as long as the hash. It blocks
// as long as the key's provider takes. It verifies the signature before it
// returns.
func (s *storeSigner) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return signAndVerify(s.public, digest, opts, s.sign, func(code string) *Error { return s.store.error("sign", code, nil) })
}

func (s *storeSigner) sign(digest []byte, pss bool) ([]byte, *Error) {
	signature, err := s.key.sign(digest, pss)
	if err != nil {
		return nil, s.store.failed("sign", err)
	}
	return signature, nil
}
