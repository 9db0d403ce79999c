package main

import (
	"bytes"
	"strings"
	"testing"
)

// Who reads a command's help learns how to call it and what its exit status
// means.
func TestHelpIsWhole(t *testing.T) {
	for _, c := range commands() {
		t.Run(c.name, func(t *testing.T) {
			var help bytes.Buffer
			if err := run(t.Context(), []string{c.name, "-help"}, world{stdout: &help}); err != nil {
				t.Fatal(err)
			}
			text := help.String()
			for _, part := range []string{"hmaproxy " + c.name + " - ", "\nusage: hmaproxy ", "\nexit status: 0"} {
				if !strings.Contains(text, part) {
					t.Errorf("no %q in\n%s", part, text)
				}
			}
			if strings.HasSuffix(text, "flags:\n") {
				t.Errorf("flags are promised and none follow:\n%s", text)
			}
		})
	}
}
