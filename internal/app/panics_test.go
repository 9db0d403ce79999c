package app

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestPanicsAreReported(t *testing.T) {
	var none []int
	index := 5
	noMap := map[string]int(nil)
	for _, tc := range []struct {
		name    string
		handler func()
		counted int
		logged  string // part of the log line; "": no line
	}{
		{"no panic", func() {}, 0, ""},
		{"aborted response", func() { panic(http.ErrAbortHandler) }, 0, ""},
		{"index out of range", func() { _ = none[index] }, 1, "index out of range [5] with length 0"},
		{"nil map", func() { noMap["a"] = 1 }, 1, "assignment to entry in nil map"},
		{"text of a request", func() { panic("canary") }, 1, "string"},
		{"error with text of a request", func() { panic(errors.New("canary")) }, 1, "*errors.errorString"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var b bytes.Buffer
			counted := 0
			h := reportPanics(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { tc.handler() }),
				slog.New(slog.NewTextHandler(&b, nil)), func() { counted++ })
			var raised any
			func() {
				defer func() { raised = recover() }()
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
			}()
			if (raised != nil) != (tc.name != "no panic") || raised != nil && raised != http.ErrAbortHandler {
				t.Errorf("net/http gets the panic %v", raised)
			}
			text := b.String()
			if counted != tc.counted || (text != "") != (tc.logged != "") || !strings.Contains(text, tc.logged) || strings.Contains(text, "canary") {
				t.Errorf("counted %d, log %.300s", counted, text)
			}
			if tc.logged != "" && (!strings.Contains(text, "level=ERROR") || !strings.Contains(text, "panics_test.go")) {
				t.Errorf("the line has no stack or another level: %.300s", text)
			}
		})
	}
}
