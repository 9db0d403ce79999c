package health

import (
	"errors"
	"strings"
	"time"

	"hmaproxy/token"
)

// Limits at which alarms begin. The alert rules in deploy/monitoring use the same
// limits.
const (
	// CertificateWarning is the remaining lifetime of a certificate at which
	// its alarm begins. Package doctor uses the same limit.
	CertificateWarning = 30 * 24 * time.Hour
	maxClockDifference = time.Minute
)

// NotReadyFor returns why a keeper with the given status cannot supply a token,
// or nil if the keeper can supply a token.
func NotReadyFor(s token.Status) *NotReady {
	switch {
	case s.Usable:
		return nil
	case s.Err != nil:
		return &NotReady{Cause: NoToken, Err: unprefixed(s.Err)}
	case s.CertificatesErr != nil:
		return &NotReady{Cause: NoCertificate, Err: s.CertificatesErr}
	}
	return &NotReady{Cause: NoTokenYet}
}

// AlarmsFor returns the alarms about the token, the certificates and the clock.
func AlarmsFor(s token.Status, now time.Time) []Alarm {
	var alarms []Alarm
	switch {
	case s.CertificatesErr == nil:
	case !s.Usable && len(Certificates(s)) == 0:
		alarms = append(alarms, Alarm{Kind: CertificateMissing, Err: s.CertificatesErr})
	default:
		alarms = append(alarms, Alarm{Kind: CertificateUnreadable, Err: s.CertificatesErr})
	}
	if s.Err != nil && s.Usable {
		alarms = append(alarms, Alarm{Kind: TokenNotRefreshed, Err: unprefixed(s.Err), At: s.Expires})
	}
	if s.Usable && !s.Claims.FullAccess() {
		alarms = append(alarms, Alarm{Kind: TokenRoleMissing})
	}
	if s.ClockSkew.Abs() > maxClockDifference {
		alarms = append(alarms, Alarm{Kind: ClockDiffers, Difference: s.ClockSkew})
	}
	for _, c := range Certificates(s) {
		if c.Slot == Candidate && s.CandidateErr != nil {
			alarms = append(alarms, Alarm{Kind: CertificateNotRegistered, Subject: c.Leaf.SHA1, Err: unprefixed(s.CandidateErr)})
		}
		if c.Slot == Active && c.Leaf.NotAfter.Sub(now) < CertificateWarning {
			alarms = append(alarms, Alarm{Kind: CertificateEnds, At: c.Leaf.NotAfter})
		}
	}
	return alarms
}

// unprefixed returns the error without its package prefix, which the
// surrounding text implies.
func unprefixed(err *token.Error) error {
	return errors.New(strings.TrimPrefix(err.Error(), "token: "))
}

// A Slot says how a certificate is used.
type Slot string

const (
	Active    Slot = "active"    // the current token was obtained with this certificate
	Candidate Slot = "candidate" // Entra ID has not accepted this certificate yet
	Fallback  Slot = "fallback"  // used when Entra ID refuses the active certificate and the candidate
)

// A Certificate is a certificate of a keeper. Slot says how it is used.
type Certificate struct {
	Slot Slot
	Leaf *token.Leaf
}

// Certificates lists the certificates of a keeper. Until Entra ID has accepted
// a certificate, the certificate that is being tried is listed as the
// candidate.
func Certificates(s token.Status) []Certificate {
	if s.Active == nil && s.Candidate == nil {
		s.Candidate, s.Fallback = s.Fallback, nil
	}
	var all []Certificate
	for _, c := range [...]Certificate{{Active, s.Active}, {Candidate, s.Candidate}, {Fallback, s.Fallback}} {
		if c.Leaf != nil {
			all = append(all, c)
		}
	}
	return all
}
