package token

import "time"

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
	RetryAfter    time.Duration // how long Entra asked to wait; 0: it did not
	CorrelationID string        // to quote to Microsoft's support; "" when unknown
	Remedy        string        // what to do; "" when nothing helps but waiting

	what  string // what happened
	cause error  // of this side only: the signer's or the certificate source's
}

// Error implements error.
func (e *Error) Error() string { return "token: " + e.what }

// Unwrap returns the error of the signer or of Config.Certificates, if that was
// the cause, else nil.
func (e *Error) Unwrap() error { return e.cause }
