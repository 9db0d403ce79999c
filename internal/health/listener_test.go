package health_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"testing"
	"time"

	"hmaproxy/internal/health"
)

func TestAlarmsForListener(t *testing.T) {
	const day = 24 * time.Hour
	for _, tc := range []struct {
		name        string
		certificate x509.Certificate
		left        time.Duration
		want        string // "": no alarm
	}{
		{"30 days left", x509.Certificate{DNSNames: []string{"autodiscover.contoso.com"}}, 30 * day, ""},
		{"a second less", x509.Certificate{DNSNames: []string{"autodiscover.contoso.com", "contoso.com"}}, 30*day - time.Second,
			"the certificate for autodiscover.contoso.com in HMA_TLS_CERT_FILE ends in 29 days: clients will refuse to connect"},
		{"an address", x509.Certificate{IPAddresses: []net.IP{net.IPv6loopback}}, 3 * day,
			"the certificate for ::1 in HMA_TLS_CERT_FILE ends in 3 days: clients will refuse to connect"},
		{"at its end", x509.Certificate{Subject: pkix.Name{CommonName: "a\nb"}}, 0,
			`the certificate for a\x0ab in HMA_TLS_CERT_FILE ends in a moment: clients will refuse to connect`},
		{"a second after its end", x509.Certificate{}, -time.Second,
			"clients refuse to connect: the certificate for no name in HMA_TLS_CERT_FILE ended a moment ago"},
		{"two days after its end", x509.Certificate{DNSNames: []string{"contoso.com"}}, -2 * day,
			"clients refuse to connect: the certificate for contoso.com in HMA_TLS_CERT_FILE ended 2 days ago"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.certificate.NotAfter = now.Add(tc.left)
			good := &x509.Certificate{DNSNames: []string{"good"}, NotAfter: now.Add(90 * day)}
			list := health.AlarmsForListener([]*x509.Certificate{good, &tc.certificate}, now)
			if tc.want == "" && len(list) == 0 {
				return
			}
			if len(list) != 1 || list[0].Text(now) != tc.want {
				t.Errorf("alarms %v, want one with %q", list, tc.want)
			}
		})
	}
	if list := health.AlarmsForListener(nil, now); list != nil {
		t.Errorf("without TLS: %v", list)
	}
}
