package proxy

import (
	"net/http"
	"strings"
	"time"

	"hmaproxy/proxy/ews"
)

// A Record describes a request that has ended. It contains no body, no token
// and no credentials of the client.
type Record struct {
	ID       string        // the request-id header of the proxy's own responses; the log has the same id
	Start    time.Time     // time when the head had been read
	Duration time.Duration // time until the last byte was sent

	Remote string // the client's address, "@" for a Unix socket
	Client string // the user name that authenticated, "" without client users
	Method string // "POST"

	Product string  // first product of the User-Agent: "exchangelib/5.4.0"
	Asked   Service // the service that a request to a path that is not served was meant for; "" for other requests

	Operation string // "GetFolder" in the client's spelling, "" if it was not found
	Known     string // the operation from a closed set, for metrics: "GetFolder", "Subscribe:Push", "other"
	Mailbox   string // the impersonated mailbox, or a mailbox of an Autodiscover request; "unreadable" if the document could not be read
	Injected  bool   // the mailbox was added by the proxy

	// Named is the form in which Mailbox is given. It is the form that the policy
	// has chosen, or the client's form if the policy has not decided.
	Named ews.IdentityKind

	Status   int    // status that the client got; 0 if the client left earlier
	Upstream int    // Exchange's last status; 0 without a response
	Reason   Reason // why the client did not get Exchange's response
	Detail   string // the reason in words
	Audit    Reason // why enforce mode would have refused the request
	Replayed bool   // the request was replayed with another token
	Aborted  bool   // the connection was closed before the response was complete

	BytesIn, BytesOut int64 // sizes of the bodies
	UnknownIDs        int   // number of ids in the Body that were sent although their mailbox is not known

	// Fault is the response code of a SOAP fault of Exchange, "" for none.
	// BackOff is the time that the fault asks the client to wait.
	Fault   ews.ResponseCode
	BackOff time.Duration

	RequestID string     // Exchange's request-id
	FrontEnd  string     // Exchange's X-FEServer
	Diagnosis *Diagnosis // why Exchange refused the token, if it did
	Err       error      // the failure on the way to Exchange; contains no client data
}

// autodiscoverPrefix is the prefix of the Operation of Autodiscover requests. No
// EWS operation has it.
const autodiscoverPrefix = "Autodiscover:"

// IsAutodiscover reports whether an operation of a Record belongs to
// Autodiscover. Autodiscover requests open no mailbox.
func IsAutodiscover(operation string) bool { return strings.HasPrefix(operation, autodiscoverPrefix) }

// describeResponse adds the status and some headers of Exchange's response to
// the Record.
func describeResponse(record *Record, resp *http.Response) {
	record.Upstream = resp.StatusCode
	record.RequestID = loggable(resp.Header, "Request-Id")
	record.FrontEnd = loggable(resp.Header, "X-Feserver")
}

// loggable returns at most 128 bytes of a header's value. It returns "" if
// these bytes contain anything except printable ASCII.
func loggable(h http.Header, name string) string {
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
