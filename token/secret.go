package token

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// A Secret is a string that is never printed: fmt, slog and encoding/json all
// show "[redacted]". string(s) returns the text.
type Secret string

func (Secret) String() string               { return redacted }
func (Secret) GoString() string             { return redacted }
func (Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Format redacts the text for every verb, including %x and %d.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }
