package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"hmaproxy/internal/ewstest"
)

func TestEveryStep(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), nil, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, s := range steps() {
		if !strings.Contains(out.String(), "  ✓ "+s.title) {
			t.Errorf("not shown: %s", s.title)
		}
	}
	if strings.Contains(out.String(), "eyJ") {
		t.Error("the demo prints tokens")
	}
}

// output is a buffer that can be read while it is written.
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

// await returns the first match of an expression and its groups, waiting for the
// output for up to 10 seconds.
func (o *output) await(t *testing.T, expression *regexp.Regexp) []string {
	t.Helper()
	for range 400 {
		if m := expression.FindStringSubmatch(o.String()); m != nil {
			return m
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("the output has no %s:\n%s", expression, o)
	return nil
}

// TestServePrintsACommandThatWorks checks that the printed curl command works in
// a shell.
func TestServePrintsACommandThatWorks(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out, ended := new(output), make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-serve", "-listen", "127.0.0.1:0"}, out) }()
	m := out.await(t, regexp.MustCompile(`(?m)^  (curl .*)$`))
	if _, err := exec.LookPath("curl"); err != nil {
		t.Log("NOT CHECKED: there is no curl here to paste the line into; the endpoint is asked directly")
		url := regexp.MustCompile(`http://\S+asmx`).FindString(m[1])
		resp, err := http.Post(url, "text/xml", strings.NewReader(ewstest.Envelope("alice@contoso.com", getFolder)))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if text, _ := io.ReadAll(resp.Body); !strings.Contains(string(text), "NoError") {
			t.Errorf("response %s", text)
		}
	} else if text, err := exec.Command("sh", "-c", m[1]).CombinedOutput(); err != nil || !strings.Contains(string(text), "NoError") {
		t.Errorf("%v: %s", err, text)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestUsageErrors(t *testing.T) {
	for _, tc := range []struct {
		args string
		says string
	}{
		{"-port 1", "not defined: -port"},
		{"serve", `unexpected argument "serve"`},
		{"-listen 127.0.0.1:0", "need -serve"},
		{"-serve -mailboxes alice", `"alice" is not a mail address`},
		{"-serve -mailboxes a@b.ch,", `"" is not a mail address`},
	} {
		var out bytes.Buffer
		err := run(t.Context(), strings.Fields(tc.args), &out)
		if exitCode(err) != 2 || !strings.Contains(err.Error(), tc.says) || out.Len() > 0 {
			t.Errorf("%s: exit code %d, %v, printed %q", tc.args, exitCode(err), err, out.String())
		}
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-help"}, &out); err != nil || !strings.Contains(out.String(), "-mailboxes list") {
		t.Errorf("%v, printed %s", err, out.String())
	}
}

func TestServeNamesListenWhenThePortIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = run(t.Context(), []string{"-serve", "-listen", l.Addr().String()}, new(output))
	if exitCode(err) != 1 || !strings.Contains(err.Error(), "choose another address with -listen") {
		t.Errorf("exit code %d, %v", exitCode(err), err)
	}
}

// TestServeMailboxes checks that Exchange has, and the proxy allows, the
// mailboxes that -mailboxes names. The first mailbox is the default mailbox.
func TestServeMailboxes(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out, ended := new(output), make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-serve", "-listen", "127.0.0.1:0", "-mailboxes", "room1@fabrikam.com, room2@fabrikam.com"}, out)
	}()
	url := out.await(t, regexp.MustCompile(`http://\S+asmx`))[0]
	for mailbox, want := range map[string]string{"": ">NoError<", "room2@fabrikam.com": ">NoError<", "alice@contoso.com": "ErrorImpersonateUserDenied"} {
		resp, err := http.Post(url, "text/xml", strings.NewReader(ewstest.Envelope(mailbox, getFolder)))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if !strings.Contains(string(text), want) {
			t.Errorf("%q: %s", mailbox, text)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
