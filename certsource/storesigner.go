package certsource

import (
	"crypto"
	"crypto/rsa"
	"errors"
	"io"
)

// A storeSigner signs with a private key that stays in its Windows provider.
type storeSigner struct {
	store  *Store
	key    storeKey
	public *rsa.PublicKey
}

func (s *storeSigner) Public() crypto.PublicKey { return s.public }

// Sign signs a SHA-256 digest, as RS256 or, with *rsa.PSSOptions, as PS256 with a
// salt as long as the hash. It blocks for as long as the key's provider takes. The
// signature is verified before it is returned.
func (s *storeSigner) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	pss, isPSS := opts.(*rsa.PSSOptions)
	if opts.HashFunc() != crypto.SHA256 || len(digest) != crypto.SHA256.Size() || isPSS && !salted(pss) {
		return nil, s.store.error("sign", CodeUnsupportedSign, nil)
	}
	signature, err := s.key.sign(digest, isPSS)
	if err != nil {
		return nil, s.store.failed("sign", err)
	}
	if isPSS {
		err = rsa.VerifyPSS(s.public, crypto.SHA256, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		if err != nil && rsa.VerifyPSS(s.public, crypto.SHA256, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto}) == nil {
			return nil, s.store.error("sign", CodeSaltLength, nil)
		}
	} else {
		err = rsa.VerifyPKCS1v15(s.public, crypto.SHA256, digest, signature)
	}
	if err != nil {
		return nil, s.store.error("sign", CodeKeyMismatch, errors.New("the signature does not fit the certificate"))
	}
	return signature, nil
}
