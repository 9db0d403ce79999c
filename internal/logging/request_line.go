package logging

import (
	"context"
	"io"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"time"
)

// A requestHandler writes request lines, which are log lines about requests. It
// writes them in the format of the slog.JSONHandler that it wraps, at less cost,
// because it uses no reflection. The wrapped handler writes all other lines, and
// request lines with unexpected attributes.
type requestHandler struct {
	slog.Handler
	w io.Writer
}

var lineBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, 1<<10)
	return &b
}}

func (h requestHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Message != RequestMessage {
		return h.Handler.Handle(ctx, r)
	}
	buffer := lineBuffers.Get().(*[]byte)
	defer lineBuffers.Put(buffer)
	line, ok := appendRequestLine((*buffer)[:0], r)
	*buffer = line
	if !ok {
		return h.Handler.Handle(ctx, r)
	}
	_, err := h.w.Write(line)
	return err
}

// WithAttrs and WithGroup return the wrapped handler. Request lines are logged
// without additional attributes and groups, so other loggers do not need this
// handler.

func (h requestHandler) WithAttrs(attrs []slog.Attr) slog.Handler { return h.Handler.WithAttrs(attrs) }
func (h requestHandler) WithGroup(name string) slog.Handler       { return h.Handler.WithGroup(name) }

// appendRequestLine appends the line of a record to b and returns the extended
// slice. ok is false if the JSON handler must write the record; the appended
// bytes are then not a valid line.
func appendRequestLine(b []byte, r slog.Record) (line []byte, ok bool) {
	if r.Time.IsZero() {
		return b, false
	}
	b = append(b, `{"time":"`...)
	b = r.Time.Round(0).AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","level":"`...)
	b = append(b, r.Level.String()...)
	b = append(b, `","msg":"`+RequestMessage+`"`...)
	ok = true
	r.Attrs(func(a slog.Attr) bool {
		b = append(b, ',', '"')
		b = append(b, a.Key...)
		b = append(b, '"', ':')
		ok = isPlain(a.Key) && a.Key != ""
		switch v := a.Value; v.Kind() {
		case slog.KindString:
			ok = ok && isPlain(v.String())
			b = append(b, '"')
			b = append(b, v.String()...)
			b = append(b, '"')
		case slog.KindInt64:
			b = strconv.AppendInt(b, v.Int64(), 10)
		case slog.KindBool:
			b = strconv.AppendBool(b, v.Bool())
		case slog.KindFloat64:
			f := v.Float64()
			ok = ok && (f == 0 || 1e-6 <= math.Abs(f) && math.Abs(f) < 1e21) // JSON writes other numbers with an exponent
			b = strconv.AppendFloat(b, f, 'f', -1, 64)
		default:
			ok = false
		}
		return ok
	})
	return append(b, '}', '\n'), ok
}

// isPlain reports whether JSON needs no escape sequences for a string.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
