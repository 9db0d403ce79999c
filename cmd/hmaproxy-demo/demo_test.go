package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestDemoShowsEveryScene(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), nil, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, s := range scenes() {
		if !strings.Contains(out.String(), "  ✓ "+s.title) {
			t.Errorf("not shown: %s", s.title)
		}
	}
	if strings.Contains(out.String(), "eyJ") {
		t.Error("the demo prints tokens")
	}
}

// output is a buffer that is read while it is written.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// TestServePrintsACommandThatWorks pastes the printed curl line into a shell.
func TestServePrintsACommandThatWorks(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out, ended := new(output), make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-serve", "-listen", "127.0.0.1:0"}, out) }()
	line := regexp.MustCompile(`(?m)^  (curl .*)$`)
	for range 400 {
		if line.MatchString(out.String()) {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	m := line.FindStringSubmatch(out.String())
	if m == nil {
		t.Fatalf("no curl line in %s", out.String())
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Log("NOT CHECKED: there is no curl here to paste the line into; the endpoint is asked directly")
		url := regexp.MustCompile(`http://\S+asmx`).FindString(m[1])
		resp, err := http.Post(url, "text/xml", strings.NewReader(envelope("alice@contoso.com", getFolder)))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if text, _ := io.ReadAll(resp.Body); !strings.Contains(string(text), "NoError") {
			t.Errorf("answered %s", text)
		}
	} else if text, err := exec.Command("sh", "-c", m[1]).CombinedOutput(); err != nil || !strings.Contains(string(text), "NoError") {
		t.Errorf("%v: %s", err, text)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
