package certsource

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"net/http"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

// maxPages limits a listing; a page holds 25 versions.
const maxPages = 10

// A version is one version of the certificate in the vault. It is immutable.
type version struct {
	id       string
	previous string           // id of the previous version, if Key Vault names it
	cert     *tls.Certificate // nil if failure is set
	failure  *Error           // why the content in the vault cannot be used
}

// check returns an error if v cannot be used now.
func (v *version) check() *Error {
	if v.failure != nil {
		return v.failure
	}
	if e := dateError(v.cert.Leaf); e != nil {
		return e.about("get secret", "", v.id)
	}
	return nil
}

// A versionReader reads versions of the certificate.
type versionReader struct {
	client   *vaultClient
	known    map[string]*version // the versions of the previous poll by id, so that each version is parsed only once
	unlisted *string             // id of the newest version when a listing was last refused; nil: the last listing succeeded, or none was requested yet
}

// get requests a version, or the newest version if id is empty. It parses the
// version unless the previous poll has parsed it.
func (r *versionReader) get(ctx context.Context, s *session, id string) (*version, *Error) {
	var got azsecrets.Secret
	failure := r.client.call(ctx, s, "get secret", id, func(ctx context.Context) error {
		resp, err := s.secrets.GetSecret(ctx, r.client.cfg.Name, id, nil)
		got = resp.Secret
		return err
	})
	if failure != nil {
		return nil, failure
	}
	if got.ID == nil || lastSegment(string(*got.ID)) == "" {
		return nil, r.client.notKeyVault("get secret", id)
	}
	v := &version{id: lastSegment(string(*got.ID))}
	if known := r.known[v.id]; known != nil {
		return known, nil
	}
	if got.PreviousVersion != nil {
		v.previous = *got.PreviousVersion
	}
	r.parse(v, got)
	return v, nil
}

// parse sets v.cert or v.failure.
func (r *versionReader) parse(v *version, got azsecrets.Secret) {
	var value string
	if got.Value != nil {
		value = *got.Value
	}
	b, e := read([]byte(value), "")
	if e == nil {
		v.cert, e = r.certificate(v, b, got)
	}
	if e != nil {
		v.failure = e.about("get secret", r.client.cfg.Name, v.id)
		if e.Code == CodeNoPrivateKey {
			v.failure.Remedy = "the certificate's policy says that its key is not exportable: issue an exportable one, or have the vault sign"
		}
		return
	}
	r.client.cfg.Log.Info("certificate read from Key Vault", append(describe(v.cert.Leaf), "name", r.client.cfg.Name, "version", v.id)...)
}

// certificate joins the certificates in the secret with the secret's private
// key or, with KeyInVault, with a signer for the key in the vault.
func (r *versionReader) certificate(v *version, b bundle, got azsecrets.Secret) (*tls.Certificate, *Error) {
	if !r.client.cfg.KeyInVault {
		return b.assemble()
	}
	if len(b.keys) > 0 {
		r.client.cfg.Log.Warn("the private key is exportable although it is used in Key Vault only: issue a certificate with a non-exportable key", "name", r.client.cfg.Name, "version", v.id)
	}
	leaf, e := b.leaf()
	if e != nil {
		return nil, e
	}
	pub, ok := leaf.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, parseError(CodeNotRSA)
	}
	return b.join(&signer{client: r.client, version: keyVersion(v, got), public: pub})
}

// keyVersion returns the version of the key that belongs to the certificate.
// The secret's kid names that version. Without a kid, keyVersion returns the
// secret's version, because Key Vault gives certificate, secret and key of one
// version the same id.
func keyVersion(v *version, got azsecrets.Secret) string {
	if got.KID != nil && lastSegment(string(*got.KID)) != "" {
		return lastSegment(string(*got.KID))
	}
	return v.id
}

// lastSegment returns the version in an id such as
// "https://contoso.vault.azure.net/secrets/HMA-Cert/<version>", or "".
func lastSegment(id string) string {
	parts := strings.Split(id, "/")
	if len(parts) != 6 {
		return ""
	}
	return parts[5]
}

// list returns the versions, newest first, from at most maxPages pages. If the
// listing fails, it returns the versions of the pages before the failure. After
// a refusal it requests no listing until there is a new version, because the
// vault's audit log would fill with refusals.
func (r *versionReader) list(ctx context.Context, s *session, newest string) []*azsecrets.SecretProperties {
	if r.unlisted != nil && *r.unlisted == newest {
		return nil
	}
	var list []*azsecrets.SecretProperties
	failure := r.client.call(ctx, s, "list versions", "", func(ctx context.Context) error {
		list = nil
		pager := s.secrets.NewListSecretPropertiesVersionsPager(r.client.cfg.Name, nil)
		for page := 0; pager.More() && page < maxPages; page++ {
			resp, err := pager.NextPage(ctx)
			if err != nil {
				return err
			}
			list = append(list, resp.Value...)
		}
		return nil
	})
	switch {
	case failure == nil:
		r.unlisted = nil
	case failure.Status == http.StatusForbidden:
		if r.unlisted == nil {
			r.client.cfg.Log.Warn("the certificate's previous version cannot be found: Key Vault does not name it and the permission secrets/list is missing; a restart after a new version is uploaded and before it is registered in Entra ID will be an outage", "name", r.client.cfg.Name)
		}
		r.unlisted = &newest
	default:
		r.client.cfg.Log.Warn("the certificate's versions could not be listed", "name", r.client.cfg.Name, "error", failure)
	}
	list = slices.DeleteFunc(list, func(p *azsecrets.SecretProperties) bool {
		return p == nil || p.ID == nil || lastSegment(string(*p.ID)) == ""
	})
	slices.SortStableFunc(list, byAge)
	return list
}
