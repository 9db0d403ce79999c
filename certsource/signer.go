package certsource

import (
	"context"
	"crypto"
	"crypto/rsa"
	"io"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
)

// A signer is a private key that stays in Key Vault. Its version is fixed,
// because Entra ID verifies the signature with the certificate of that version.
type signer struct {
	client  *vaultClient
	version string
	public  *rsa.PublicKey
}

func (s *signer) Public() crypto.PublicKey { return s.public }

// Sign signs a SHA-256 digest. It makes an RS256 signature or, with
// *rsa.PSSOptions, a PS256 signature with a salt as long as the hash. It blocks
// for at most readTimeout for the client secret and callTimeout for the
// request. It verifies the signature before it returns.
func (s *signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return signAndVerify(s.public, digest, opts, s.request, s.error)
}

func (s *signer) error(code string) *Error {
	e := &Error{Op: "sign", Name: s.client.cfg.Name, Version: s.version, Code: code, Remedy: remedy(code)}
	if code == CodeKeyMismatch {
		e.Remedy = "the key in Key Vault is not the certificate's: use the name of a certificate made by Key Vault or imported with its key"
	}
	return e
}

// signAndVerify calls sign for a SHA-256 digest and verifies the signature. It
// returns failure(code) if it does not support the digest or the options, or if
// the signature does not verify.
func signAndVerify(public *rsa.PublicKey, digest []byte, opts crypto.SignerOpts, sign func(digest []byte, pss bool) ([]byte, *Error), failure func(code string) *Error) ([]byte, error) {
	pss, isPSS := opts.(*rsa.PSSOptions)
	if opts.HashFunc() != crypto.SHA256 || len(digest) != crypto.SHA256.Size() || isPSS && !salted(pss) {
		return nil, failure(CodeUnsupportedSign)
	}
	signature, e := sign(digest, isPSS)
	if e != nil {
		return nil, e
	}
	verified := func(saltLength int) bool {
		return rsa.VerifyPSS(public, crypto.SHA256, digest, signature, &rsa.PSSOptions{SaltLength: saltLength}) == nil
	}
	switch {
	case !isPSS && rsa.VerifyPKCS1v15(public, crypto.SHA256, digest, signature) == nil:
		return signature, nil
	case isPSS && verified(rsa.PSSSaltLengthEqualsHash):
		return signature, nil
	case isPSS && verified(rsa.PSSSaltLengthAuto):
		return nil, failure(CodeSaltLength)
	}
	return nil, failure(CodeKeyMismatch)
}

// salted reports whether o permits a salt as long as the hash.
func salted(o *rsa.PSSOptions) bool {
	return o.SaltLength == rsa.PSSSaltLengthAuto || o.SaltLength == rsa.PSSSaltLengthEqualsHash || o.SaltLength == crypto.SHA256.Size()
}

func (s *signer) request(digest []byte, pss bool) ([]byte, *Error) {
	algorithm := azkeys.SignatureAlgorithmRS256
	if pss {
		algorithm = azkeys.SignatureAlgorithmPS256
	}
	session, failure := s.client.open(context.Background())
	if failure != nil {
		return nil, failure
	}
	var signature []byte
	// crypto.Signer passes no context. vaultClient.call sets a deadline.
	failure = s.client.call(context.Background(), session, "sign", s.version, func(ctx context.Context) error {
		resp, err := session.keys.Sign(ctx, s.client.cfg.Name, s.version, azkeys.SignParameters{Algorithm: &algorithm, Value: digest}, nil)
		signature = resp.Result
		return err
	})
	return signature, failure
}
