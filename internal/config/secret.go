package config

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// A Secret is a string that is not printed: formatting with any verb, logging and
// marshalling yield "[redacted]".
type Secret string

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String returns "[redacted]", also for an empty secret.
func (s Secret) String() string { return redacted }

// GoString returns "[redacted]" for the verb %#v.
func (s Secret) GoString() string { return redacted }

// Format writes "[redacted]" for every verb, including the verbs for numbers. Only %p,
// which go vet refuses for strings, does not call it.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns "[redacted]" for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]" for encoding/json and other encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText accepts a secret unchanged. It refuses control characters: a
// file with a line break in the middle contains more than the secret.
func (s *Secret) UnmarshalText(text []byte) error {
	for _, b := range text {
		if b < ' ' || b == 0x7f {
			return flaw("holds a line break or another control character; expected the secret alone, on one line")
		}
	}
	*s = Secret(text)
	return nil
}
