// Package health describes the current state of the product: whether it can
// serve requests, and the alarms. The probes, the status page and the
// notifications to systemd all show a State.
package health

import (
	"fmt"
	"time"

	"hmaproxy/internal/reltime"
)

// A State is the health at one moment.
type State struct {
	NotReady *NotReady // nil: requests can be served
	Alarms   []Alarm
}

// Ready reports whether requests can be served.
func (s State) Ready() bool { return s.NotReady == nil }

// A Cause says why no request can be served.
type Cause int

const (
	Stopping          Cause = iota + 1 // the process is stopping
	NoTokenYet                         // the first token request has not ended
	NoToken                            // Entra ID issues no token
	NoCertificate                      // there is no certificate to request a token with
	GroupsNotExpanded                  // the first expansion of HMA_ALLOWED_GROUPS has not succeeded
)

// NotReady says why no request can be served.
type NotReady struct {
	Cause Cause
	Err   error // error of NoToken and NoCertificate, and of GroupsNotExpanded if an expansion failed
}

// Text returns the cause in words, without "not ready".
func (n NotReady) Text() string {
	switch n.Cause {
	case Stopping:
		return "stopping"
	case NoTokenYet:
		return "no access token yet"
	case NoToken:
		return "no access token: " + text(n.Err)
	case NoCertificate:
		return "no certificate: " + text(n.Err)
	case GroupsNotExpanded:
		if n.Err == nil {
			return "the groups in HMA_ALLOWED_GROUPS are not expanded yet"
		}
		return "the groups in HMA_ALLOWED_GROUPS are not expanded yet: " + n.Err.Error()
	}
	return "unknown cause"
}

// A Kind names the condition that an alarm reports.
type Kind int

const (
	FileNotReloaded          Kind = iota + 1 // a file could not be reloaded; Subject is the setting that names it
	LogDropped                               // log lines were dropped because the log is not read; Count is their number
	LogFileFailed                            // HMA_LOG_FILE cannot be written
	GroupsAlarm                              // the groups could not be expanded, or their change needs a confirmation
	DefaultMailboxOff                        // a reload took HMA_DEFAULT_MAILBOX off the allow-list
	AllowListMissing                         // there is no allow-list, so clients can open every mailbox
	AllowListAudits                          // the allow-list is in audit mode, which refuses nothing
	CertificateUnreadable                    // the certificate could not be read again, so a renewed certificate would not be noticed
	TokenNotRefreshed                        // the token could not be refreshed; At is its expiry
	TokenRoleMissing                         // the token lacks the role full_access_as_app, so Exchange will refuse it
	ClockDiffers                             // this machine's clock is wrong; Difference is this clock minus Entra ID's
	CertificateNotRegistered                 // Entra ID has refused the newest certificate; Subject is its thumbprint
	CertificateEnds                          // the active certificate expires soon; At is its expiry
	CertificateMissing                       // no certificate could be read, and there is no usable token
	ListenerCertificateEnds                  // a certificate of HMA_TLS_CERT_FILE expires soon; Subject is its name, At its expiry
	ExchangeFails                            // requests fail at Exchange; Exchange describes the failures
)

// An Alarm is a condition that an operator must look at. An alarm alone does not
// make the product not ready. Kind determines which of the other fields are set.
type Alarm struct {
	Kind       Kind
	Subject    string
	Err        error
	At         time.Time
	Difference time.Duration
	Count      uint64
	Exchange   ExchangeState
}

// Text returns the alarm in words, as a sentence without a full stop.
func (a Alarm) Text(now time.Time) string {
	switch a.Kind {
	case FileNotReloaded:
		return a.Subject + " was not reloaded, the previous content is in force: " + text(a.Err)
	case LogDropped:
		return fmt.Sprintf("the log is not read: %d lines were dropped since the start", a.Count)
	case LogFileFailed:
		return "log lines go to standard error: " + text(a.Err)
	case GroupsAlarm:
		return "the groups in HMA_ALLOWED_GROUPS were not expanded, their previous members are in force: " + text(a.Err)
	case DefaultMailboxOff:
		return "HMA_DEFAULT_MAILBOX is not on the reloaded allow-list: requests that name no mailbox are refused"
	case AllowListMissing:
		return "there is no allow-list: clients may open every mailbox of the organisation"
	case AllowListAudits:
		return "the allow-list is in audit mode: requests that it does not allow are forwarded"
	case CertificateUnreadable:
		return "the certificate could not be read, so a renewed one goes unnoticed: " + text(a.Err)
	case CertificateMissing:
		return "requests fail: the certificate could not be read: " + text(a.Err)
	case TokenNotRefreshed:
		return "the token cannot be refreshed and ends " + reltime.Until(now, a.At) + ": " + text(a.Err)
	case TokenRoleMissing:
		return "the token lacks the role full_access_as_app: Exchange will refuse it"
	case ClockDiffers:
		return "this machine's clock differs from Entra's by " + a.Difference.Round(time.Second).String()
	case CertificateNotRegistered:
		return "the newest certificate is not in use; register its thumbprint " + a.Subject + ": " + text(a.Err)
	case CertificateEnds:
		return "the active certificate ends " + reltime.Until(now, a.At)
	case ListenerCertificateEnds:
		if a.At.Before(now) {
			return "clients refuse to connect: the certificate for " + a.Subject + " in HMA_TLS_CERT_FILE ended " + reltime.Until(now, a.At)
		}
		return "the certificate for " + a.Subject + " in HMA_TLS_CERT_FILE ends " + reltime.Until(now, a.At) + ": clients will refuse to connect"
	case ExchangeFails:
		return a.Exchange.text(now)
	}
	return "unknown alarm"
}

func text(err error) string {
	if err == nil {
		return "unknown error"
	}
	return err.Error()
}
