package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestWaitReadsThePipeOnce checks that the command wait reads the env file only
// once. With -env-file <(decrypt) the file is a pipe, and a second read would
// find nothing.
func TestWaitReadsThePipeOnce(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fmt.Fprint(w, "HMA_ADMIN_LISTEN=127.0.0.1:1\nHMA_SHUTDOWN_TIMEOUT=a while\n")
	w.Close()
	var out bytes.Buffer
	err = run(t.Context(), []string{"wait", "-timeout", "300ms", "-env-file", fmt.Sprintf("/dev/fd/%d", r.Fd())}, nil, stdio{nil, &out, &out})
	if err == nil || !strings.Contains(err.Error(), "HMA_SHUTDOWN_TIMEOUT") || exitCode(err) != exitSettings {
		t.Errorf("error %v, exit code %d", err, exitCode(err))
	}
}
