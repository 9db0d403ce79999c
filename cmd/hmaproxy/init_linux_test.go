package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestInitOnATerminal checks that the command init repeats a question after a
// value of the wrong form, and that the terminal does not show the secret.
func TestInitOnATerminal(t *testing.T) {
	person, program := terminals(t)
	file := filepath.Join(t.TempDir(), "hmaproxy.env")
	typed := append([]string{"http://mail.contoso.com"}, allAnswers...)
	stderr := &promptWriter{prompt: make(chan struct{}, len(typed))}
	go func() {
		for _, line := range typed {
			<-stderr.prompt
			_, _ = person.WriteString(line + "\n")
		}
	}()
	var stdout bytes.Buffer
	if err := run(t.Context(), []string{"init", "-o", file}, nil, stdio{program, &stdout, stderr}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), "HMA_EWS_URL=https://mail.contoso.com\n") || !strings.Contains(string(text), "HMA_KEY_VAULT_CLIENT_SECRET=canary~secret\n") {
		t.Errorf("the file holds %s, %v", text, err)
	}
	stderr.mu.Lock()
	defer stderr.mu.Unlock()
	if prompts := stderr.text.String(); !strings.Contains(prompts, "HMA_EWS_URL does not begin with https://") || !strings.Contains(prompts, "HMA_RESOURCE_ID [https://mail.contoso.com]: ") {
		t.Errorf("prompts:\n%s", prompts)
	}
	if echo := shown(t, person, program); strings.Contains(echo, "canary") {
		t.Errorf("the terminal shows %q", echo)
	}
}
