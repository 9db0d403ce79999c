// Package privateca makes a certificate for a TLS listener and the certificate
// authority that signs it. It is for machines that get no certificate from a
// public authority or a company's PKI.
package privateca

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"time"
)

// keyBits is the size of both keys. They are RSA keys, because old clients
// support no others.
const keyBits = 2048

// skew is how far in the past the validity of a certificate begins, for clients
// whose clock is behind.
const skew = time.Hour

// maxCommonName is the maximum length of a common name (RFC 5280, appendix A).
const maxCommonName = 64

// A Request describes the certificate to make.
type Request struct {
	Names []string // DNS names and IP addresses of the certificate; at least one
	Now   time.Time
	Valid time.Duration // lifetime of the certificate and its authority
}

// A Bundle contains the certificates and the key, in PEM.
type Bundle struct {
	Authority []byte // the authority's certificate, which clients must trust
	Chain     []byte // the listener's certificate
	Key       []byte // the listener's private key, PKCS #8
	Expires   time.Time
}

// Issue makes an authority and a certificate. It discards the authority's key,
// so that no program can make a second certificate that clients trust. In
// addition, the authority is constrained to the names of the certificate.
func Issue(r Request) (Bundle, error) {
	if len(r.Names) == 0 {
		return Bundle{}, errors.New("no names to issue a certificate for")
	}
	a, err := newAuthority(r)
	if err != nil {
		return Bundle{}, fmt.Errorf("make an authority: %w", err)
	}
	chain, key, err := a.sign(r)
	if err != nil {
		return Bundle{}, fmt.Errorf("make a certificate: %w", err)
	}
	return Bundle{
		Authority: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw}),
		Chain:     chain,
		Key:       key,
		Expires:   a.certificate.NotAfter,
	}, nil
}

// An authority is a certificate authority with its key.
type authority struct {
	certificate *x509.Certificate
	key         *rsa.PrivateKey
}

func newAuthority(r Request) (*authority, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, err
	}
	mark := make([]byte, 4)
	rand.Read(mark)
	template := &x509.Certificate{
		Subject:                     pkix.Name{Organization: []string{"hmaproxy"}, CommonName: "hmaproxy CA " + r.Now.UTC().Format(time.DateOnly) + " " + hex.EncodeToString(mark)},
		NotBefore:                   r.Now.Add(-skew),
		NotAfter:                    r.Now.Add(r.Valid),
		KeyUsage:                    x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:                 []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid:       true,
		IsCA:                        true,
		MaxPathLenZero:              true,
		PermittedDNSDomainsCritical: true, // critical, so that clients that do not support constraints refuse the authority
	}
	for _, name := range r.Names {
		if ip := net.ParseIP(name); ip != nil {
			template.PermittedIPRanges = append(template.PermittedIPRanges, single(ip))
		} else {
			template.PermittedDNSDomains = append(template.PermittedDNSDomains, name)
		}
	}
	excludeOthers(template)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &authority{certificate, key}, err
}

// excludeOthers excludes all addresses if no address is permitted, and all names
// if no name is permitted. Without a constraint, every name of that kind would be
// permitted (RFC 5280, section 4.2.1.10).
func excludeOthers(template *x509.Certificate) {
	if template.PermittedIPRanges == nil {
		template.ExcludedIPRanges = []*net.IPNet{
			{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}, {IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)},
		}
	}
	if template.PermittedDNSDomains == nil {
		template.PermittedDNSDomains = []string{"invalid"} // permits no real name, because RFC 2606 reserves this domain
	}
}

// The function "single" returns the network that contains one address.
func single(ip net.IP) *net.IPNet {
	if four := ip.To4(); four != nil {
		ip = four
	}
	return &net.IPNet{IP: ip, Mask: net.CIDRMask(8*len(ip), 8*len(ip))}
}

// sign issues a certificate for r.Names with a new key. It returns the
// certificate and the private key in PEM.
func (a *authority) sign(r Request) (chain, private []byte, err error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"hmaproxy"}},
		NotBefore:             a.certificate.NotBefore,
		NotAfter:              a.certificate.NotAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, name := range r.Names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
			continue
		}
		template.DNSNames = append(template.DNSNames, name)
		if template.Subject.CommonName == "" && len(name) <= maxCommonName {
			template.Subject.CommonName = name
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), nil
}
