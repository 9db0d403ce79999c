package certsource

import (
	"context"
	"crypto"
	"crypto/rsa"
	"io"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
)

// A signer is a private key that stays in Key Vault. Its version is pinned: the
// signature must belong to the certificate whose thumbprint goes with it.
type signer struct {
	k       *KeyVault
	version string
	public  *rsa.PublicKey
}

func (s *signer) Public() crypto.PublicKey { return s.public }

// Sign signs a SHA-256 digest, as RS256 or, with *rsa.PSSOptions, as PS256 with
// a salt as long as the hash. It blocks for up to callTimeout. The signature is
// verified before it is returned.
func (s *signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	pss, isPSS := opts.(*rsa.PSSOptions)
	if opts.HashFunc() != crypto.SHA256 || len(digest) != crypto.SHA256.Size() || isPSS && !salted(pss) {
		return nil, &Error{Op: "sign", Name: s.k.cfg.Name, Version: s.version, Code: CodeUnsupportedSign, Remedy: remedy(CodeUnsupportedSign)}
	}
	algorithm := azkeys.SignatureAlgorithmRS256
	if isPSS {
		algorithm = azkeys.SignatureAlgorithmPS256
	}
	signature, failure := s.request(algorithm, digest)
	if failure != nil {
		return nil, failure
	}
	var err error
	if isPSS {
		err = rsa.VerifyPSS(s.public, crypto.SHA256, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	} else {
		err = rsa.VerifyPKCS1v15(s.public, crypto.SHA256, digest, signature)
	}
	if err != nil {
		return nil, &Error{Op: "sign", Name: s.k.cfg.Name, Version: s.version, Code: CodeKeyMismatch, Remedy: "the key in Key Vault is not the certificate's: use the name of a certificate made by Key Vault or imported with its key"}
	}
	return signature, nil
}

// salted reports whether o permits the salt that Key Vault uses.
func salted(o *rsa.PSSOptions) bool {
	return o.SaltLength == rsa.PSSSaltLengthAuto || o.SaltLength == rsa.PSSSaltLengthEqualsHash || o.SaltLength == crypto.SHA256.Size()
}

func (s *signer) request(algorithm azkeys.SignatureAlgorithm, digest []byte) ([]byte, *Error) {
	session, failure := s.k.open(context.Background())
	if failure != nil {
		return nil, failure
	}
	var signature []byte
	// crypto.Signer knows no context; call sets the deadline.
	failure = s.k.call(context.Background(), session, "sign", s.version, func(ctx context.Context) error {
		resp, err := session.keys.Sign(ctx, s.k.cfg.Name, s.version, azkeys.SignParameters{Algorithm: &algorithm, Value: digest}, nil)
		signature = resp.Result
		return err
	})
	return signature, failure
}
