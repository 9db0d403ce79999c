package token

import (
	"fmt"
	"strings"
	"time"
)

// A Class is what can be done about a failed token request.
type Class string

const (
	Transient     Class = "transient"     // it may work later: network, 408, 429, 5xx
	Certificate   Class = "certificate"   // another certificate may work
	Configuration Class = "configuration" // somebody has to change something
)

// An Error is a failed token request. Its text is one line of this package's own
// words: what happened, what it means, what to do.
type Error struct {
	Class         Class
	AADSTS        int           // Entra's error code; 0: none
	Status        int           // HTTP status; 0: no answer
	RetryAfter    time.Duration // how long Entra asked to wait, at most 15 minutes; 0: it did not
	CorrelationID string        // to quote to Microsoft's support; "" when unknown
	Remedy        string        // what to do; "" when nothing helps but waiting

	what  string        // what happened, and what it means
	cause error         // of this side only: a context's, the signer's or the certificate source's
	date  time.Time     // Entra's clock when it answered; zero: unknown
	skew  time.Duration // local clock minus Entra's
}

// Error implements error.
func (e *Error) Error() string {
	s := "token: " + e.what
	if e.Remedy != "" {
		s += "; remedy: " + e.Remedy
	}
	if e.CorrelationID != "" {
		s += " (correlation id " + e.CorrelationID + ")"
	}
	return s
}

// Unwrap returns what failed on this side: the context's error, the signer's or
// that of Config.Certificates. It is nil when Entra or the network failed.
func (e *Error) Unwrap() error { return e.cause }

// key tells apart what is worth a new line in the log.
func (e *Error) key() string {
	if e == nil {
		return ""
	}
	return fmt.Sprint(e.Class, e.AADSTS, e.Status, e.what)
}

func configurationError(err error) *Error {
	return &Error{Class: Configuration, what: strings.TrimPrefix(oneLine(err), "token: "), cause: err}
}

// oneLine returns the text of an error that the caller's own code made.
func oneLine(err error) string {
	const most = 500
	s := strings.Join(strings.Fields(err.Error()), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
