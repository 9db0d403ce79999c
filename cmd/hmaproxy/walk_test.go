package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/ewstest"
)

// walkBlocks returns the blocks of commands in the section "From audit to
// enforce" of docs/operations.md.
func walkBlocks(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(data), "\n### From audit to enforce\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1) {
		blocks = append(blocks, m[1])
	}
	if len(blocks) != 5 {
		t.Fatalf("%d blocks of commands", len(blocks))
	}
	return blocks
}

// freeAddress returns a loopback address with a free port. The port is below
// the ports that systems assign to connections, so no other listener gets the
// port before the caller uses it.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10_000+rand.IntN(20_000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}

// A walker is the client during the test: it sends the demo's requests.
type walker struct {
	t       *testing.T
	address string
}

// post sends a request and returns the response's code.
func (w *walker) post(mailbox, operation string) string {
	w.t.Helper()
	resp, err := http.Post("http://"+w.address+"/EWS/Exchange.asmx", "text/xml; charset=utf-8", strings.NewReader(ewstest.Envelope(mailbox, operation)))
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	m := regexp.MustCompile(`ResponseCode[^>]*>([A-Za-z]+)<`).FindSubmatch(text)
	if m == nil {
		w.t.Fatalf("no response code: %s", text)
	}
	return string(m[1])
}

const (
	walkSubscribe = `<m:Subscribe><m:StreamingSubscriptionRequest><t:FolderIds><t:DistinguishedFolderId Id="inbox"/></t:FolderIds>` +
		`<t:EventTypes><t:EventType>NewMailEvent</t:EventType></t:EventTypes></m:StreamingSubscriptionRequest></m:Subscribe>`
	walkCreate = `<m:CreateItem MessageDisposition="SaveOnly"><m:Items><t:Message><t:Subject>walk</t:Subject></t:Message></m:Items></m:CreateItem>`
)

// expect sends requests and compares the response codes with want. The keys of
// want are pairs of a mailbox and an operation.
func (w *walker) expect(want map[[2]string]string) {
	w.t.Helper()
	for request, code := range want {
		if got := w.post(request[0], request[1]); got != code {
			w.t.Errorf("%.40s as %s: %s, want %s", request[1], request[0], got, code)
		}
	}
}

// TestWalkFromAuditToEnforce runs the commands of docs/operations.md in a shell, with
// the real binary, the emulated services and the demo's traffic.
func TestWalkFromAuditToEnforce(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("NOT CHECKED: this machine has no sh")
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	e := newEmulator(t, emulator.Config{})
	dir := t.TempDir()
	clients, admin := freeAddress(t), freeAddress(t)
	env := []string{"PATH=" + filepath.Dir(path) + string(os.PathListSeparator) + os.Getenv("PATH")}
	for _, setting := range settings(t, e) {
		if !strings.HasPrefix(setting, "PATH=") && !strings.HasPrefix(setting, "HMA_LISTEN=") && !strings.HasPrefix(setting, "HMA_ADMIN_LISTEN=") {
			env = append(env, setting)
		}
	}
	env = append(env, "HMA_LISTEN="+clients, "HMA_ADMIN_LISTEN="+admin)

	// The script pauses after the first block and at the end: it makes a file,
	// and waits until the test has made another one.
	blocks := walkBlocks(t)
	pause := func(name string) string {
		return "touch at-" + name + "; until [ -e past-" + name + " ]; do sleep 0.1; done\n"
	}
	script := "set -e\ntrap 'kill $!' EXIT\n" + blocks[0] + pause("audit") + strings.Join(blocks[1:], "") + pause("enforce")
	cmd := exec.Command(shell, "-c", script)
	cmd.Dir, cmd.Env = dir, env
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = 10 * time.Second // the script starts hmaproxy, which keeps the pipe open until hmaproxy has ended
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	arrive := func(name string) {
		t.Helper()
		for range 1200 {
			if _, err := os.Stat(filepath.Join(dir, "at-"+name)); err == nil {
				return
			}
			select {
			case err := <-ended:
				t.Fatalf("the walk ended before %s: %v\n%s", name, err, output.String())
			case <-time.After(100 * time.Millisecond):
			}
		}
		_ = cmd.Process.Kill()
		<-ended
		t.Fatalf("the walk did not arrive at %s\n%s", name, output.String())
	}
	leave := func(name string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "past-"+name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	arrive("audit")
	w := &walker{t, clients}
	w.expect(map[[2]string]string{
		{"alice@contoso.com", getFolder}:     "NoError",
		{"alice@contoso.com", walkSubscribe}: "NoError",
		{"bob@contoso.com", getFolder}:       "NoError",
		{"ceo@contoso.com", getFolder}:       "NoError",
		{"gone@contoso.com", getFolder}:      "ErrorNonExistentMailbox",
	})
	w.logged(filepath.Join(dir, "hmaproxy.log"), 5)
	leave("audit")

	arrive("enforce")
	w.expect(map[[2]string]string{
		{"alice@contoso.com", getFolder}:     "NoError",
		{"alice@contoso.com", walkSubscribe}: "NoError",
		{"bob@contoso.com", getFolder}:       "NoError",
		{"ceo@contoso.com", getFolder}:       "ErrorImpersonateUserDenied",
		{"gone@contoso.com", getFolder}:      "ErrorImpersonateUserDenied",
		{"alice@contoso.com", walkCreate}:    "ErrorAccessDenied", // the audited requests did not use this operation
	})
	leave("enforce")
	if err := <-ended; err != nil {
		t.Fatalf("%v\n%s", err, output.String())
	}
	for name, wanted := range map[string][]string{
		"mailboxes":    {"\nalice@contoso.com ", "\nbob@contoso.com ", "gone@contoso.com: 1 request"},
		"hmaproxy.env": {"HMA_ALLOW_LIST_MODE=enforce\n", "\nHMA_ALLOWED_OPERATIONS=GetFolder,Subscribe\n"},
		"report.html":  {"<h1>hmaproxy report</h1>", "bob@contoso.com"},
	} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range wanted {
			if !strings.Contains(string(data), text) {
				t.Errorf("%s lacks %q:\n%s", name, text, data)
			}
		}
		if name == "mailboxes" && strings.Contains(string(data), "\nceo@contoso.com") {
			t.Errorf("%s:\n%s", name, data)
		}
	}
	for _, text := range []string{"look at what would be refused", "refused, as it should be", "bob@contoso.com  allowed", "ceo@contoso.com  refused: mailbox-not-allowed"} {
		if !strings.Contains(output.String(), text) {
			t.Errorf("the walk did not print %q:\n%s", text, output.String())
		}
	}
}

// logged waits until the log holds the lines of n requests.
func (w *walker) logged(path string, n int) {
	w.t.Helper()
	found := 0
	for range 100 {
		data, err := os.ReadFile(path)
		if err != nil {
			w.t.Fatal(err)
		}
		found = 0
		for line := range strings.Lines(string(data)) {
			var l struct{ Msg string }
			if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "request" {
				found++
			}
		}
		if found >= n {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	w.t.Fatal(fmt.Errorf("the log holds %d requests of %d", found, n))
}
