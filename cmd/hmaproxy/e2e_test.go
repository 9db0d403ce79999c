package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/ewstest"
	"hmaproxy/internal/procstatus"
)

func TestKeyVaultToEntraToExchange(t *testing.T) {
	e := newEmulator(t, emulator.Config{})
	p := start(t, settings(t, e))
	p.ready()
	for _, c := range []struct{ name, authorization string }{
		{"no credentials", ""},
		{"Basic", "Basic bGVnYWN5OkwzZ2FjeS1QYXNzdzByZA=="},
		{"NTLM", "NTLM TlRMTVNTUAADAAAAGAAYAHgAAAA="},
	} {
		t.Run(c.name, func(t *testing.T) {
			e.Exchange().ClearHops()
			header := []string{}
			if c.authorization != "" {
				header = append(header, "Authorization", c.authorization)
			}
			request := ewstest.Envelope("alice@contoso.com", getFolder)
			resp, text := p.post(request, header...)
			if resp.StatusCode != 200 || !strings.Contains(text, "<m:GetFolderResponse") {
				t.Fatalf("status %d %s", resp.StatusCode, text)
			}
			hops := e.Exchange().Hops()
			if len(hops) != 1 || hops[0].Mailbox != "alice@contoso.com" || hops[0].MailboxSeen != "alice@contoso.com" || !hops[0].Executed {
				t.Fatalf("Exchange saw %+v", hops)
			}
			if got := hops[0].BodySHA256; got != emulator.BodySHA256([]byte(request), "soap") {
				t.Error("the Body changed on the way")
			}
			got := hops[0].Header["Authorization"]
			if len(got) != 1 || !strings.HasPrefix(got[0], "Bearer eyJ") {
				t.Errorf("Authorization upstream: %d values", len(got))
			}
		})
	}
	if n := e.Entra().Issued(); n != 2 {
		t.Errorf("Entra issued %d tokens; one for the vault and one for Exchange were needed", n)
	}
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestStreamingNotifications(t *testing.T) {
	e := newEmulator(t, emulator.Config{})
	p := start(t, settings(t, e))
	p.ready()
	_, text := p.post(ewstest.Envelope("alice@contoso.com", `<m:Subscribe><m:StreamingSubscriptionRequest><t:FolderIds>`+
		`<t:DistinguishedFolderId Id="inbox"/></t:FolderIds><t:EventTypes><t:EventType>NewMailEvent</t:EventType></t:EventTypes>`+
		`</m:StreamingSubscriptionRequest></m:Subscribe>`))
	id := regexp.MustCompile(`<m:SubscriptionId>([^<]+)<`).FindStringSubmatch(text)
	if id == nil {
		t.Fatalf("no subscription: %s", text)
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.clients+"/EWS/Exchange.asmx",
		strings.NewReader(ewstest.Envelope("alice@contoso.com", `<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>`+id[1]+
			`</t:SubscriptionId></m:SubscriptionIds><m:ConnectionTimeout>1</m:ConnectionTimeout></m:GetStreamingEvents>`)))
	req.Header.Set("Content-Type", "text/xml")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	events := make(chan string)
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := resp.Body.Read(buf)
			if n > 0 {
				events <- string(buf[:n])
			}
			if err != nil {
				close(events)
				return
			}
		}
	}()
	for i := range 3 {
		if !e.Exchange().Deliver("alice@contoso.com", fmt.Sprint("message ", i)) {
			t.Fatal("not delivered")
		}
		for got := ""; !strings.Contains(got, "NewMailEvent"); {
			select {
			case part, open := <-events:
				if !open {
					t.Fatal("the stream ended")
				}
				got += part
			case <-time.After(10 * time.Second):
				t.Fatalf("event %d did not come while the stream was open; got %s", i, got)
			}
		}
	}
}

// memory returns a value of /proc/PID/status in bytes.
func (p *testProcess) memory(name string) int64 {
	p.t.Helper()
	n, err := procstatus.Memory(p.cmd.Process.Pid, name)
	if errors.Is(err, fs.ErrNotExist) {
		p.t.Skipf("NOT MEASURED: this system has no /proc: %v", err)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// base64Text is an endless reader of base64 text.
type base64Text struct{}

func (base64Text) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'Q'
	}
	return len(b), nil
}

func TestSixtyMiBAreNotBuffered(t *testing.T) {
	const size = 60 << 20
	e := newEmulator(t, emulator.Config{})
	e.Exchange().SetAttachmentSize(size)
	p := start(t, settings(t, e, "HMA_ALLOWED_MAILBOXES=alice@contoso.com"))
	p.ready()
	for range 200 {
		if resp, text := p.post(ewstest.Envelope("alice@contoso.com", getFolder)); resp.StatusCode != 200 {
			t.Fatalf("warm-up: %d %s", resp.StatusCode, text)
		}
	}
	baseline := p.memory("VmHWM")

	upload := strings.SplitN(ewstest.Envelope("alice@contoso.com", `<m:CreateItem MessageDisposition="SaveOnly"><m:Items><t:Message>`+
		`<t:Subject>long</t:Subject><t:MimeContent>@</t:MimeContent></t:Message></m:Items></m:CreateItem>`), ">@<", 2)
	resp, text := p.postReader(io.MultiReader(strings.NewReader(upload[0]+">"),
		io.LimitReader(base64Text{}, size), strings.NewReader("<"+upload[1])))
	if resp.StatusCode != 200 || !strings.Contains(text, "NoError") {
		t.Fatalf("upload: %d %s", resp.StatusCode, text)
	}
	if hop := e.Exchange().LastHop(); hop.Bytes < size || !hop.Complete || !hop.Executed {
		t.Errorf("upload: %d bytes arrived, complete %v", hop.Bytes, hop.Complete)
	}
	resp, text = p.post(ewstest.Envelope("alice@contoso.com", `<m:GetAttachment><m:AttachmentIds><t:AttachmentId Id="`+
		e.Exchange().AttachmentID("alice@contoso.com")+`"/></m:AttachmentIds></m:GetAttachment>`))
	if resp.StatusCode != 200 || len(text) < size {
		t.Fatalf("download: %d, %d bytes", resp.StatusCode, len(text))
	}
	grown := p.memory("VmHWM") - baseline
	t.Logf("resident peak after 200 requests %.1f MiB, grown by %.1f MiB while 60 MiB passed each way",
		float64(baseline)/(1<<20), float64(grown)/(1<<20))
	if grown > 8<<20 {
		t.Errorf("the peak of resident memory grew by %d MiB", grown>>20)
	}
}

func TestStartDuringAnOutage(t *testing.T) {
	e := newEmulator(t, emulator.Config{})
	e.KeyVault().Stop()
	e.Entra().Stop()
	p := start(t, settings(t, e))
	if status, text := p.probe("ready"); status != http.StatusServiceUnavailable || !strings.HasPrefix(text, "not ready: ") {
		t.Errorf("ready: %d %s", status, text)
	}
	for _, what := range []string{"startup", "live"} {
		if status, text := p.probe(what); status != http.StatusOK {
			t.Errorf("%s: %d %s", what, status, text)
		}
	}
	resp, text := p.post(ewstest.Envelope("alice@contoso.com", getFolder))
	if resp.StatusCode != 500 || !strings.Contains(text, ">ErrorServerBusy<") || !strings.Contains(text, `Name="BackOffMilliseconds"`) {
		t.Errorf("status %d %s", resp.StatusCode, text)
	}
	if err := e.KeyVault().Restart(); err != nil {
		t.Fatal(err)
	}
	if err := e.Entra().Restart(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for status := 0; status != http.StatusOK; status, _ = p.probe("ready") {
		if time.Now().After(deadline) {
			t.Fatalf("not ready after the outage\n%s", p.log())
		}
		time.Sleep(50 * time.Millisecond)
	}
	if resp, text := p.post(ewstest.Envelope("alice@contoso.com", getFolder)); resp.StatusCode != 200 {
		t.Errorf("status %d %s", resp.StatusCode, text)
	}
}

func TestAllowListReload(t *testing.T) {
	e := newEmulator(t, emulator.Config{})
	file := t.TempDir() + "/list"
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	status := func(p *testProcess, mailbox string) int {
		resp, _ := p.post(ewstest.Envelope(mailbox, getFolder))
		return resp.StatusCode
	}
	eventually := func(what string, holds func() bool) {
		t.Helper()
		for range 300 {
			if holds() {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatal(what)
	}
	write("alice@contoso.com\n")
	p := start(t, settings(t, e, "HMA_ALLOWED_MAILBOXES_FILE="+file))
	p.ready()
	if a, b := status(p, "alice@contoso.com"), status(p, "bob@contoso.com"); a != 200 || b != 500 {
		t.Fatalf("alice %d, bob %d", a, b)
	}
	write("alice@contoso.com\nbob@contoso.com\n")
	eventually("bob was never allowed", func() bool { return status(p, "bob@contoso.com") == 200 })
	write("# none\n")
	eventually("no alarm for an empty list", func() bool {
		_, text := p.probe("ready")
		return strings.Contains(text, "alarm: HMA_ALLOWED_MAILBOXES_FILE was not reloaded")
	})
	if a, c := status(p, "alice@contoso.com"), status(p, "ceo@contoso.com"); a != 200 || c != 500 {
		t.Errorf("with a broken new file: alice %d, ceo %d", a, c)
	}
	write("bob@contoso.com\n")
	eventually("alice was never refused", func() bool { return status(p, "alice@contoso.com") == 500 })
}

func TestExitCodes(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	e := newEmulator(t, emulator.Config{})
	good := settings(t, e)
	for _, c := range []struct {
		name string
		env  []string
		args []string
		code int
		says string
	}{
		{"nothing set", nil, nil, 78, "HMA_EWS_URL"},
		{"misspelt", append(good[:len(good):len(good)], "HMA_KEY_VAULT_KEY_NAME=x"), nil, 78, "HMA_KEY_VAULT_CERT_NAME"},
		{"empty list", append(good[:len(good):len(good)], "HMA_ALLOWED_MAILBOXES="), nil, 78, "HMA_ALLOWED_MAILBOXES"},
		{"port in use", append(good[:len(good):len(good)], "HMA_LISTEN="+e.Exchange().Addr()), nil, 1, "HMA_LISTEN"},
		{"admin port in use", append(good[:len(good):len(good)], "HMA_ADMIN_LISTEN="+e.Exchange().Addr()), nil, 1, "HMA_ADMIN_LISTEN"},
		{"nothing set, how to begin", nil, nil, 78, "-env-file FILE"},
		{"unknown command", good, []string{"restart"}, 2, "hmaproxy -h lists"},
		{"misspelt command", good, []string{"docter"}, 2, `did you mean "doctor"?`},
		{"command in capitals", good, []string{"INIT"}, 2, `did you mean "init"?`},
		{"file as a command", good, []string{"hmaproxy.env"}, 2, "hmaproxy -env-file hmaproxy.env"},
		{"argument of serve", good, []string{"serve", "now"}, 2, `unexpected argument "now"`},
		{"health with a faulty address", []string{"HMA_ADMIN_LISTEN=8081"}, []string{"health"}, 78, "HMA_ADMIN_LISTEN"},
		{"health with an empty address", []string{"HMA_ADMIN_LISTEN="}, []string{"health"}, 78, "set but empty"},
		{"health without a listener", []string{"HMA_ADMIN_LISTEN=off"}, []string{"health"}, 78, "off"},
		{"unknown flag", good, []string{"serve", "-port", "1"}, 2, "serve -help"},
		{"env file missing", nil, []string{"-env-file", "/nonexistent/env"}, 78, "-env-file"},
		{"two env files", nil, []string{"-env-file", "a.env", "-env-file", "b.env"}, 2, "given twice"},
		{"health without a product", good[:4], []string{"health"}, 1, "no hmaproxy responds"},
		{"health of what", good, []string{"health", "alive"}, 2, "startup, ready or live"},
		{"wait in vain", []string{"HMA_ADMIN_LISTEN=127.0.0.1:1"}, []string{"wait", "-timeout", "300ms"}, 1, "no hmaproxy responds"},
		{"version", nil, []string{"version"}, 0, "v0.0.0-test"},
		{"version by flag", nil, []string{"--version"}, 0, "v0.0.0-test"},
		{"version by letter", nil, []string{"-V"}, 0, "v0.0.0-test"},
		{"help", nil, []string{"-help"}, 0, "help settings"},
		{"help by letter", nil, []string{"-h"}, 0, "commands:"},
		{"help of settings", nil, []string{"help", "settings"}, 0, "HMA_ALLOWED_MAILBOXES"},
		{"help of a command", nil, []string{"help", "wait"}, 0, "-timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, output := runBinary(t, path, c.env, c.args...)
			if code != c.code || !strings.Contains(output, c.says) {
				t.Errorf("exit code %d, printed %s", code, output)
			}
		})
	}
}

func TestEnvFileAndProbes(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	e := newEmulator(t, emulator.Config{})
	file := t.TempDir() + "/env"
	if err := os.WriteFile(file, []byte("\xef\xbb\xbf# settings\n"+strings.Join(settings(t, e, "HMA_ALLOWED_MAILBOXES=*"), "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, "serve", "-env-file", file)
	admin := []string{"HMA_ADMIN_LISTEN=" + p.admin}
	if code, output := runBinary(t, path, admin, "wait", "-timeout", "10s"); code != 0 {
		t.Errorf("wait: exit code %d %s", code, output)
	}
	for _, args := range [][]string{{"health"}, {"health", "ready"}, {"health", "startup"}, {"health", "live"}} {
		if code, output := runBinary(t, path, admin, args...); code != 0 || output != "ok\n" {
			t.Errorf("%v: exit code %d %q", args, code, output)
		}
	}
}

// TestNoSecretLeaks runs everything at debug level and searches all output for
// secrets: the vault's client secret, tokens, assertions, the certificate's
// key, the client's own credentials and mail content.
func TestNoSecretLeaks(t *testing.T) {
	e := newEmulator(t, emulator.Config{VaultSecret: "vault-s3cret-canary-0001", TokenLifetime: 5 * time.Second})
	p := start(t, settings(t, e, "HMA_ALLOWED_MAILBOXES=alice@contoso.com", "GODEBUG="))
	p.ready()
	const content = "mail-content-canary-0002"
	var responses bytes.Buffer
	send := func(mailbox, operation string) {
		resp, text := p.post(ewstest.Envelope(mailbox, operation), "Authorization", "Basic Y2FuYXJ5OmNhbmFyeS1wYXNzd29yZC0wMDAz")
		fmt.Fprint(&responses, resp.Header)
		if resp.StatusCode != 200 {
			responses.WriteString(text)
		}
	}
	create := `<m:CreateItem MessageDisposition="SaveOnly"><m:Items><t:Message><t:Subject>` + content + `</t:Subject></t:Message></m:Items></m:CreateItem>`
	faults := []func(){
		func() {},
		func() { e.Exchange().RevokeAll() },
		func() { e.Entra().Inject(2, emulator.Fault{NoExpiresIn: true}) },
		func() { e.Entra().Inject(2, emulator.Fault{Status: 200, Body: "<html>" + content}) },
		func() { e.KeyVault().Inject(2, emulator.Fault{NoTenantInChallenge: true}) },
		func() { e.Exchange().Inject(1, emulator.Fault{Drop: true}) },
		func() { e.Exchange().Inject(1, emulator.Fault{Status: 502, Body: content}) },
		func() { e.Entra().Block(e.Config().HMAAppID, true) },
	}
	for _, fault := range faults {
		fault()
		send("alice@contoso.com", create)
		send("bob@contoso.com", create)
		send("alice@contoso.com", create+"<"+content+">")
		time.Sleep(300 * time.Millisecond)
	}
	for _, what := range []string{"ready", "startup", "live", "nothing", "metrics", "", "status.json"} {
		_, text := p.probe(what)
		responses.WriteString(text)
	}
	p.stop(syscall.SIGTERM)

	canaries := []string{content, "canary-password-0003", "Y2FuYXJ5OmNhbmFyeS1wYXNzd29yZC0wMDAz", e.Config().VaultSecret}
	for _, hop := range append(append(e.Entra().Hops(), e.KeyVault().Hops()...), e.Exchange().Hops()...) {
		for _, v := range hop.Header["Authorization"] {
			canaries = append(canaries, strings.TrimPrefix(v, "Bearer "))
		}
		canaries = append(canaries, hop.Form["client_assertion"]...)
	}
	if len(canaries) < 10 {
		t.Fatalf("only %d canaries: the run did nothing", len(canaries))
	}
	output := p.log() + responses.String()
	if !strings.Contains(output, `"level":"DEBUG"`) && !strings.Contains(output, `"msg":"request"`) {
		t.Fatalf("nothing was logged:\n%s", output)
	}
	for _, canary := range canaries {
		// Parts of a JWT are secrets too. 24 equal bytes cannot be a coincidence.
		for _, part := range append(strings.Split(canary, "."), canary) {
			if len(part) >= 16 && strings.Contains(output, part[:min(len(part), 24)]) && !strings.HasPrefix(part, "eyJ0eXAi") && !strings.HasPrefix(part, "eyJhbGci") {
				t.Errorf("%.24s… was written:\n%s", part, grep(output, part[:min(len(part), 24)]))
			}
		}
	}
	if strings.Contains(output, "PRIVATE KEY") || strings.Contains(output, "eyJ") {
		t.Errorf("a key or a token was written:\n%s", grep(output, "eyJ"))
	}
}

func grep(text, what string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, what) {
			return line
		}
	}
	return ""
}

func TestSizeMemoryAndStart(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	e := newEmulator(t, emulator.Config{})
	env := settings(t, e)
	var best time.Duration
	var resident int64
	for range 5 {
		began := time.Now()
		p := start(t, env)
		for status := 0; status != http.StatusOK; status, _ = p.probe("ready") {
			time.Sleep(time.Millisecond)
		}
		took := time.Since(began)
		if best == 0 || took < best {
			best = took
		}
		p.stop(syscall.SIGTERM)
	}
	idle := start(t, env)
	idle.ready()
	time.Sleep(6 * time.Second) // wait until the memory that the start needed is released
	resident = idle.memory("VmRSS")
	t.Logf("binary %.2f MB stripped, %.1f MiB resident when idle, ready %s after start (best of 5)",
		float64(info.Size())/1e6, float64(resident)/(1<<20), best.Round(time.Millisecond))
	if info.Size() > 16_000_000 {
		t.Errorf("the binary has %d bytes, more than 16.0 MB", info.Size())
	}
	if resident > 20<<20 {
		t.Errorf("%d MiB resident when idle, more than 20", resident>>20)
	}
}
