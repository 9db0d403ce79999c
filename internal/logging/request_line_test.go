package logging

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"
)

// TestRequestLinesAreThoseOfSlog checks that a requestHandler writes the same
// lines as slog's own handler.
func TestRequestLinesAreThoseOfSlog(t *testing.T) {
	at := time.Date(2026, 11, 27, 12, 0, 0, 123456000, time.FixedZone("", 3600))
	for _, tc := range []struct {
		name, message string
		at            time.Time
		attrs         []slog.Attr
		own           bool // the requestHandler writes the line itself, without slog's handler
	}{
		{"usual", RequestMessage, at, []slog.Attr{slog.String("mailbox", "alice@contoso.com"), slog.Int("status", 200), slog.Int64("bytes", -1), slog.Float64("duration_ms", 1.234), slog.Bool("injected", true)}, true},
		{"nothing", RequestMessage, at, nil, true},
		{"full second", RequestMessage, at.Truncate(time.Second).UTC(), nil, true},
		{"monotonic time", RequestMessage, time.Now(), nil, true},
		{"empty text", RequestMessage, at, []slog.Attr{slog.String("a", "")}, true},
		{"HTML", RequestMessage, at, []slog.Attr{slog.String("a", "<b>&'")}, true},
		{"numbers", RequestMessage, at, []slog.Attr{slog.Float64("a", 0), slog.Float64("b", 1e-6), slog.Float64("c", 123456789.125), slog.Float64("d", -3), slog.Float64("e", 1e20)}, true},
		{"a small number", RequestMessage, at, []slog.Attr{slog.Float64("a", 1e-7)}, false},
		{"a large number", RequestMessage, at, []slog.Attr{slog.Float64("a", 1e21)}, false},
		{"infinity", RequestMessage, at, []slog.Attr{slog.Float64("a", math.Inf(1))}, false},
		{"no number", RequestMessage, at, []slog.Attr{slog.Float64("a", math.NaN())}, false},
		{"a quote", RequestMessage, at, []slog.Attr{slog.String("a", `"`)}, false},
		{"a backslash", RequestMessage, at, []slog.Attr{slog.String("a", `\`)}, false},
		{"a control", RequestMessage, at, []slog.Attr{slog.String("a", "\x1f")}, false},
		{"a delete", RequestMessage, at, []slog.Attr{slog.String("a", "\x7f")}, false},
		{"a letter that is not ASCII", RequestMessage, at, []slog.Attr{slog.String("a", "é")}, false},
		{"no UTF-8", RequestMessage, at, []slog.Attr{slog.String("a", "\xff")}, false},
		{"a key with a quote", RequestMessage, at, []slog.Attr{slog.String(`"`, "a")}, false},
		{"an empty attribute", RequestMessage, at, []slog.Attr{{}}, false},
		{"a group", RequestMessage, at, []slog.Attr{slog.Group("diagnosis", "code", 1)}, false},
		{"an error", RequestMessage, at, []slog.Attr{slog.Any("error", errors.New("x"))}, false},
		{"a duration", RequestMessage, at, []slog.Attr{slog.Duration("a", time.Second)}, false},
		{"no time", RequestMessage, time.Time{}, nil, false},
		{"another message", "started", at, []slog.Attr{slog.Int("a", 1)}, false},
	} {
		var want, got, inner bytes.Buffer
		r := slog.NewRecord(tc.at, slog.LevelInfo, tc.message, 0)
		r.AddAttrs(tc.attrs...)
		if err := slog.NewJSONHandler(&want, nil).Handle(context.Background(), r); err != nil {
			t.Fatal(err)
		}
		h := requestHandler{slog.NewJSONHandler(&inner, nil), &got}
		if err := h.Handle(context.Background(), r); err != nil {
			t.Fatal(err)
		}
		if text := got.String() + inner.String(); text != want.String() {
			t.Errorf("%s:\n%s\nslog:\n%s", tc.name, text, want.String())
		}
		if own := got.Len() > 0; own != tc.own {
			t.Errorf("%s: written here: %v", tc.name, own)
		}
	}
	var b bytes.Buffer
	log := slog.New(requestHandler{slog.NewJSONHandler(&b, nil), &b})
	log.With("a", 1).WithGroup("g").Info(RequestMessage, "b", 2)
	if !strings.Contains(b.String(), `"a":1,"g":{"b":2}`) {
		t.Errorf("attributes of the logger are lost: %s", b.String())
	}
}
