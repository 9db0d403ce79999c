package health

import (
	"crypto/x509"
	"time"

	"hmaproxy/internal/printable"
)

// AlarmsForListener returns the alarms about listeners' certificates that expire
// within CertificateWarning. Clients see these certificates.
func AlarmsForListener(certificates []*x509.Certificate, now time.Time) []Alarm {
	var alarms []Alarm
	for _, c := range certificates {
		if c.NotAfter.Sub(now) < CertificateWarning {
			alarms = append(alarms, Alarm{Kind: ListenerCertificateEnds, Subject: nameOf(c), At: c.NotAfter})
		}
	}
	return alarms
}

// nameOf returns the first name of a listener's certificate.
func nameOf(c *x509.Certificate) string {
	switch {
	case len(c.DNSNames) > 0:
		return printable.Text(c.DNSNames[0])
	case len(c.IPAddresses) > 0:
		return c.IPAddresses[0].String()
	case c.Subject.CommonName != "":
		return printable.Text(c.Subject.CommonName)
	}
	return "no name"
}
