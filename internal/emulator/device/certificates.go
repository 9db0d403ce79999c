package device

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"strings"
	"time"
)

// certificates returns the devices with certificates that some clients refuse.
func certificates() []Device {
	return []Device{
		{
			Name: "certificate-negative-serial", Source: "github.com/cert-manager/trust-manager/pull/511; caddyserver/caddy/issues/7115",
			Does: "has a certificate with a negative serial number",
			leaf: negativeSerial,
		},
		{
			Name: "certificate-sha1", Source: "certificates of internal authorities",
			Does: "has a certificate that is signed with SHA-1",
			leaf: func(id Identity) (tls.Certificate, error) {
				return id.leaf(func(t *x509.Certificate) { t.SignatureAlgorithm = sha1For(id.Key) })
			},
		},
		{
			Name: "certificate-without-san", Source: "certificates of internal authorities",
			Does: "has a certificate that names the host in the common name alone",
			leaf: func(id Identity) (tls.Certificate, error) {
				return id.leaf(func(t *x509.Certificate) { t.DNSNames = nil })
			},
		},
		{
			Name: "certificate-expired", Source: "certificates that were not renewed",
			Does: "has a certificate that has expired",
			leaf: changed(func(t *x509.Certificate) {
				t.NotBefore, t.NotAfter = t.NotBefore.Add(-48*time.Hour), t.NotBefore.Add(-24*time.Hour)
			}),
		},
		{
			Name: "certificate-not-yet-valid", Source: "wrong clocks",
			Does: "has a certificate that is not valid yet",
			leaf: changed(func(t *x509.Certificate) {
				t.NotBefore, t.NotAfter = t.NotAfter.AddDate(1, 0, 0), t.NotAfter.AddDate(2, 0, 0)
			}),
		},
		{
			Name: "certificate-for-clients", Source: "certificates of internal authorities",
			Does: "has a certificate whose extended key usage is client authentication alone",
			leaf: changed(func(t *x509.Certificate) { t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }),
		},
		{
			Name: "certificate-other-name", Source: "the default site of a reverse proxy",
			Does: "has a certificate for another name",
			leaf: changed(func(t *x509.Certificate) { t.DNSNames, t.IPAddresses = []string{"default.example"}, nil }),
		},
		{
			Name: "certificate-wildcard", Source: "certificates of internal authorities",
			Does: "has a certificate for every name of the domain",
			leaf: changed(func(t *x509.Certificate) {
				for i, name := range t.DNSNames {
					if _, domain, ok := strings.Cut(name, "."); ok {
						t.DNSNames[i] = "*." + domain
					}
				}
			}),
		},
		{
			Name: "certificate-zero-serial", Source: "certificates that were made by hand; RFC 5280, 4.1.2.2",
			Does: "has a certificate with the serial number 0",
			leaf: func(id Identity) (tls.Certificate, error) { return id.withSerial(0) },
		},
		{
			Name: "certificate-p521", Source: "certificates of internal authorities with strict rules",
			Does: "has a certificate with a key on P-521",
			leaf: func(id Identity) (tls.Certificate, error) {
				key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
				if err != nil {
					return tls.Certificate{}, err
				}
				return id.sign(key, nil)
			},
		},
		{
			Name: "certificate-without-intermediate", Source: "IIS and load balancers without the chain file",
			Does: "has a certificate of an intermediate authority and does not send the latter's",
			leaf: func(id Identity) (tls.Certificate, error) {
				c, err := id.chained()
				c.Certificate = c.Certificate[:min(1, len(c.Certificate))]
				return c, err
			},
		},
		{
			Name: "certificate-chain-disordered", Source: "RFC 8446, 4.4.2; load balancers",
			Does: "sends the root and an unrelated certificate between its own and the intermediate authority's",
			leaf: func(id Identity) (tls.Certificate, error) {
				c, err := id.chained()
				if err != nil {
					return c, err
				}
				other, err := id.leaf(nil)
				if err != nil {
					return c, err
				}
				c.Certificate = [][]byte{c.Certificate[0], id.Authority.Raw, other.Certificate[0], c.Certificate[1]}
				return c, nil
			},
		},
		{
			Name: "certificate-rsa1024", Source: "certificates of internal authorities",
			Does: "has a certificate with a key of 1024 bits",
			leaf: func(id Identity) (tls.Certificate, error) {
				key, err := rsa.GenerateKey(rand.Reader, 1024)
				if err != nil {
					return tls.Certificate{}, err
				}
				id.LeafKey = key
				return id.leaf(nil)
			},
		},
	}
}

// changed returns a function that makes a certificate from a changed template.
func changed(change func(*x509.Certificate)) func(Identity) (tls.Certificate, error) {
	return func(id Identity) (tls.Certificate, error) { return id.leaf(change) }
}

// leaf makes a device's certificate. change alters the template of the
// certificate; nil alters nothing.
func (id Identity) leaf(change func(*x509.Certificate)) (tls.Certificate, error) {
	key := id.LeafKey
	if key == nil {
		var err error
		if key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return tls.Certificate{}, err
		}
	}
	return id.sign(key, change)
}

// sign makes the certificate for a key. change may alter the template of the
// certificate.
func (id Identity) sign(key crypto.Signer, change func(*x509.Certificate)) (tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0x1122334455667788),
		NotBefore:    id.Authority.NotBefore,
		NotAfter:     id.Authority.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, // KeyEncipherment is needed for RSA key exchange
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range id.Names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	if len(id.Names) > 0 {
		template.Subject = pkix.Name{CommonName: id.Names[0]}
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, id.Authority, key.Public(), id.Key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// chained makes a certificate that an intermediate authority has signed. The
// chain contains this certificate and the authority's certificate.
func (id Identity) chained() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	authority, err := id.sign(key, func(t *x509.Certificate) {
		t.Subject = pkix.Name{CommonName: "Contoso Issuing CA"}
		t.DNSNames, t.IPAddresses, t.ExtKeyUsage = nil, nil, nil
		t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign
	})
	if err != nil {
		return tls.Certificate{}, err
	}
	issuer, err := x509.ParseCertificate(authority.Certificate[0])
	if err != nil {
		return tls.Certificate{}, err
	}
	c, err := Identity{Authority: issuer, Key: key, Names: id.Names, LeafKey: id.LeafKey}.leaf(nil)
	c.Certificate = append(c.Certificate, authority.Certificate[0])
	return c, err
}

func sha1For(key crypto.Signer) x509.SignatureAlgorithm {
	if _, ok := key.(*rsa.PrivateKey); ok {
		return x509.SHA1WithRSA
	}
	return x509.ECDSAWithSHA1
}

// negativeSerial makes a certificate with a negative serial number.
func negativeSerial(id Identity) (tls.Certificate, error) {
	return id.withSerial(0x91, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88)
}

// withSerial makes a certificate with a serial number that crypto/x509 does not
// write. serial is the content of the number's DER encoding.
func (id Identity) withSerial(serial ...byte) (tls.Certificate, error) {
	c, err := id.leaf(nil)
	if err != nil {
		return c, err
	}
	var parts struct {
		TBS       []asn1.RawValue
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(c.Certificate[0], &parts); err != nil {
		return c, err
	}
	parts.TBS[1] = asn1.RawValue{Tag: asn1.TagInteger, Bytes: serial} // the serial number follows the version
	tbs, err := asn1.Marshal(parts.TBS)
	if err != nil {
		return c, err
	}
	digest := sha256.Sum256(tbs)
	signature, err := id.Key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return c, err
	}
	parts.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	c.Certificate[0], err = asn1.Marshal(parts)
	return c, err
}
