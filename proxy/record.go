package proxy

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"
)

// A Record is what is known of a request when it is over. It holds no body, no
// token and none of the client's credentials.
type Record struct {
	ID       string        // joins log and client: the request-id header of the proxy's own answers
	Start    time.Time     // when the head had been read
	Duration time.Duration // until the last byte had gone

	Remote string // the client's address, "@" for a Unix socket
	Client string // the user name that authenticated, "" without client users
	Method string // "POST"

	Operation string // "GetFolder", "" when it was not found; the client's word
	Known     string // the same of a closed set, for metrics: "GetFolder", "Subscribe:Push", "other"
	Mailbox   string // who was impersonated, "unreadable" when nobody could tell
	Injected  bool   // the mailbox was added by the proxy

	Status   int    // what the client got; 0 when it left before
	Upstream int    // what Exchange answered last; 0 when it was not asked
	Reason   Reason // why the proxy refused or failed, as in X-Hmaproxy-Error
	Detail   string // the same for a person
	Audit    Reason // what enforcing would have refused
	Replayed bool   // sent again with another token
	Aborted  bool   // the connection was cut in mid-answer

	BytesIn, BytesOut int64 // bodies

	RequestID string     // Exchange's request-id
	FrontEnd  string     // Exchange's X-FEServer
	Diagnosis *Diagnosis // why Exchange refused the token, when it did
	Err       error      // what failed on the way to Exchange; holds no client data
}

// noted returns a header's value as far as it may stand in a record: printable
// ASCII, bounded.
func noted(h http.Header, name string) string {
	v := value(h, name)
	if len(v) > 128 {
		v = v[:128]
	}
	for i := range len(v) {
		if v[i] < ' ' || v[i] > '~' {
			return ""
		}
	}
	return v
}

// told is an error of the transport as it may stand in a record. Errors about
// malformed HTTP quote what was read, and that may be the request, sent back by
// an echo: token and mail.
func told(err error) error {
	text, _, quotes := strings.Cut(err.Error(), `"`)
	var network net.Error
	var untrusted *tls.CertificateVerificationError
	if !quotes || errors.As(err, &network) || errors.As(err, &untrusted) {
		return err
	}
	return errors.New(strings.TrimRight(text, ": "))
}
