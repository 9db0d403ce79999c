package device

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net"
)

// certificates are servers with certificates that some clients refuse.
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

// leaf makes the certificate. change alters its template; nil does not.
func (id Identity) leaf(change func(*x509.Certificate)) (tls.Certificate, error) {
	key := id.LeafKey
	if key == nil {
		var err error
		if key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return tls.Certificate{}, err
		}
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0x1122334455667788),
		NotBefore:    id.Authority.NotBefore,
		NotAfter:     id.Authority.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, // the latter for RSA key exchange
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
	der, err := x509.CreateCertificate(rand.Reader, template, id.Authority, &key.PublicKey, id.Key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

func sha1For(key crypto.Signer) x509.SignatureAlgorithm {
	if _, ok := key.(*rsa.PrivateKey); ok {
		return x509.SHA1WithRSA
	}
	return x509.ECDSAWithSHA1
}

// negativeSerial makes a certificate and gives it a serial number that
// crypto/x509 does not write.
func negativeSerial(id Identity) (tls.Certificate, error) {
	c, err := id.leaf(nil)
	if err != nil {
		return c, err
	}
	var parts struct {
		TBS       asn1.RawValue
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(c.Certificate[0], &parts); err != nil {
		return c, err
	}
	serial := []byte{0x02, 0x08, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88}
	at := bytes.Index(parts.TBS.FullBytes, serial)
	if at < 0 {
		return c, errors.New("no serial number was found")
	}
	parts.TBS.FullBytes[at+2] |= 0x80
	digest := sha256.Sum256(parts.TBS.FullBytes)
	signature, err := id.Key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return c, err
	}
	parts.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	c.Certificate[0], err = asn1.Marshal(parts)
	return c, err
}
