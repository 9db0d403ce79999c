package token

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"hmaproxy/internal/printable"
)

var (
	// ErrLimited is returned by [Keeper.Replace] when too many refreshes were
	// forced.
	ErrLimited = errors.New("token: forced refreshes are limited to a burst of three and one per 30 s")

	// ErrStopped is returned by [Keeper.Token] and [Keeper.Replace] when there is
	// no usable token and Run has returned.
	ErrStopped = errors.New("token: stopped")

	// ErrSameToken is returned by [Keeper.Replace] when Entra issued the
	// rejected token again.
	ErrSameToken = errors.New("token: Entra issued the rejected token a second time")

	// ErrRunTwice is returned by the second call of [Keeper.Run].
	ErrRunTwice = errors.New("token: Run was called twice")
)

// A Class says how a failed token request may be resolved.
type Class string

const (
	Transient     Class = "transient"     // waiting may help: network, 408, 429, 5xx, a response that did not come from Entra
	Certificate   Class = "certificate"   // another certificate may work
	Configuration Class = "configuration" // an administrator must change something
)

// An Error describes a failed token request. Its text is one line with the event,
// its meaning and the remedy. The text never quotes Entra or MSAL. It may quote
// an error of the signer or of a function in Config.
type Error struct {
	Class         Class
	AADSTS        int           // Entra's error code; 0: no code
	Status        int           // HTTP status; 0: no response
	RetryAfter    time.Duration // how long Entra asked to wait, at most 15 minutes; 0: Entra named no time
	Foreign       bool          // the response did not come from Entra
	CorrelationID string        // id with which Microsoft's support finds the request; "" when unknown
	Remedy        string        // advice; "" when only waiting helps

	what  string        // the event and its meaning, as text
	cause error         // local error that Unwrap returns; nil: Entra or the network failed
	date  time.Time     // time of the response by Entra's clock; zero: unknown
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

// Unwrap returns the local error that caused e. It is an error about the Config or
// the certificate, or an error of the context, the signer, Config.Certificates or
// Config.ExperimentalAssertion. Unwrap returns nil when Entra or the network
// failed.
func (e *Error) Unwrap() error { return e.cause }

// key returns a text that identifies the kind of error. If consecutive errors
// have the same key, only the first is logged immediately.
func (e *Error) key() string {
	if e == nil {
		return ""
	}
	return fmt.Sprint(e.Class, e.AADSTS, e.Status, e.what)
}

func configurationError(err error) *Error {
	return &Error{Class: Configuration, what: strings.TrimPrefix(oneLine(err), "token: "), cause: err}
}

// oneLine returns the text of err as one line, cut off after 500 bytes. It must not
// be used for errors of Entra or MSAL, because their texts may contain secrets.
func oneLine(err error) string {
	return printable.Truncate(strings.Join(strings.Fields(err.Error()), " "), 500)
}
