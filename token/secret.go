package token

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// A Secret is a string that does not print itself: fmt, slog and encoding/json
// all show "[redacted]". Convert it with string(s) where it is needed.
type Secret string

func (Secret) String() string               { return redacted }
func (Secret) GoString() string             { return redacted }
func (Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Format keeps every verb, %x and %d included, from showing the bytes.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }
