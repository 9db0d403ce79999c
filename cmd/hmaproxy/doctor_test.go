package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"hmaproxy/internal/emulator"
)

// runDoctorCommand runs "hmaproxy doctor" as main does.
func runDoctorCommand(t *testing.T, environ []string, args ...string) (stdout string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	err := run(t.Context(), append([]string{"doctor"}, args...), environ, stdio{nil, &out, &errs})
	if errs.Len() > 0 {
		t.Errorf("standard error: %s", errs.String())
	}
	return out.String(), exitCode(err)
}

func TestDoctorCommand(t *testing.T) {
	e := newEmulator(t, emulator.Config{})
	good := settings(t, e, "HMA_ALLOWED_MAILBOXES=alice@contoso.com")
	for _, c := range []struct {
		name    string
		environ []string
		args    []string
		code    int
		says    string
	}{
		{"well", good, []string{"-mailbox", "alice@contoso.com", "-forbidden-mailbox", "ceo@contoso.com"}, 0, "Nothing wrong was found."},
		{"wrong secret", append(good, "HMA_KEY_VAULT_CLIENT_SECRET=Kv8~canary"), nil, 1, "✗ Key Vault: sign-in"},
		{"unknown mailbox", good, []string{"-mailbox", "nobody@contoso.com"}, 1, "no mailbox nobody@contoso.com"},
		{"no settings", nil, nil, 78, "HMA_EWS_URL"},
		{"mailbox is not an address", good, []string{"-mailbox", "alice"}, 78, "✗ configuration"},
		{"out of time", good, []string{"-timeout", "1ns"}, 1, "Not everything could be checked."},
		{"unknown flag", good, []string{"-mailboxes"}, 2, ""},
		{"argument", good, []string{"alice@contoso.com"}, 2, ""},
		{"no allow-list", settings(t, e), []string{"-mailbox", "alice@contoso.com"}, 1, "with a warning: no allow-list is set"},
		{"every mailbox on purpose", settings(t, e, "HMA_ALLOWED_MAILBOXES=*"), []string{"-mailbox", "alice@contoso.com", "-v"}, 0, "every mailbox, on purpose"},
		{"brief", good, nil, 0, "✓ Entra ID: access token\n"},
		{"verbose", good, []string{"-v"}, 0, "✓ Entra ID: access token: obtained for"},
		{"help", nil, []string{"-help"}, 0, "-forbidden-mailbox"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, code := runDoctorCommand(t, c.environ, c.args...)
			if code != c.code || !strings.Contains(out, c.says) {
				t.Errorf("exit code %d, want %d; says\n%s", code, c.code, out)
			}
			if strings.Contains(out, "\x1b") || strings.Contains(out, "canary") {
				t.Errorf("colours or a secret:\n%q", out)
			}
		})
	}
}

func TestDoctorJSON(t *testing.T) {
	e := newEmulator(t, emulator.Config{})
	e.KeyVault().SetFirewall(true)
	file := filepath.Join(t.TempDir(), "hmaproxy.env")
	if err := os.WriteFile(file, []byte(strings.Join(settings(t, e), "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := runDoctorCommand(t, nil, "-json", "-env-file", file)
	var got struct {
		OK     bool
		Checks []struct {
			Check, Title, Status, Detail, Cause string
			Repair, Notes                       []string
		}
	}
	decoder := json.NewDecoder(strings.NewReader(out))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if code != 1 || got.OK {
		t.Errorf("exit code %d, ok %v", code, got.OK)
	}
	states := map[string]string{}
	for _, c := range got.Checks {
		states[c.Check] = c.Status
	}
	for check, want := range map[string]string{"configuration": "ok", "vault": "ok", "vault-secret": "failed", "certificate": "skipped", "token": "skipped", "challenge": "ok"} {
		if states[check] != want {
			t.Errorf("%s is %q, want %q", check, states[check], want)
		}
	}
}

// TestDoctorEnvFile checks that doctor reports a mistake in the env file as a
// failed check, in JSON and in text. If a line is wrong, doctor reports its
// number and not its content.
func TestDoctorEnvFile(t *testing.T) {
	for _, c := range []struct{ name, content, says string }{
		{"shell", "set HMA_EWS_URL=https://mail.contoso.com\n# canary\nset HMA_APP_ID=canary\n", "line 1 has the form of another program or shell"},
		{"UTF-16", "\xff\xfeH\x00M\x00A\x00", "UTF-16"},
		{"twice", "HMA_APP_ID=canary\nHMA_APP_ID=canary\n", "line 2 sets a variable that line 1 has set"},
		{"missing", "", "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "hmaproxy.env")
			if err := os.WriteFile(file, []byte(c.content), 0o600); c.content != "" && err != nil {
				t.Fatal(err)
			}
			if c.content == "" {
				os.Remove(file)
			}
			var got struct {
				Checks []struct{ Status, Cause string }
			}
			out, code := runDoctorCommand(t, nil, "-json", "-env-file", file)
			if err := json.Unmarshal([]byte(out), &got); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if code != 78 || len(got.Checks) == 0 || got.Checks[0].Status != "failed" || !strings.Contains(got.Checks[0].Cause, c.says) {
				t.Errorf("exit code %d\n%s", code, out)
			}
			text, code := runDoctorCommand(t, nil, "-env-file", file)
			if code != 78 || !strings.Contains(text, c.says) || !strings.Contains(text, "NAME=value") || strings.Contains(text, "canary") {
				t.Errorf("exit code %d\n%s", code, text)
			}
		})
	}
}

// TestDoctorTimeout checks, over real sockets, that the command doctor ends
// after -timeout although Exchange does not respond. The check of Exchange is
// reported as not run.
func TestDoctorTimeout(t *testing.T) {
	e := newEmulator(t, emulator.Config{})
	e.Exchange().InjectWhile(func() bool { return true }, emulator.Fault{Hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, code := runDoctorCommand(t, settings(t, e), "-timeout", "2s")
	if code != 1 || ctx.Err() != nil || !strings.Contains(out, "– Exchange: connection: not run: ") {
		t.Errorf("exit code %d, %v\n%s", code, ctx.Err(), out)
	}
}

// TestDoctorWarnsAboutSecrets checks that the command doctor warns about a
// secret that every user can read, and about a placeholder in place of a
// secret. A warning is shown without -verbose, and the exit code is 0.
func TestDoctorWarnsAboutSecrets(t *testing.T) {
	e := newEmulator(t, emulator.Config{VaultSecret: "changeme"})
	write := func(mode os.FileMode) string {
		file := filepath.Join(t.TempDir(), "hmaproxy.env")
		if err := os.WriteFile(file, []byte(strings.Join(settings(t, e, "HMA_ALLOWED_MAILBOXES=alice@contoso.com"), "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for _, c := range []struct {
		mode    os.FileMode
		exposed bool
	}{{0o600, false}, {0o640, false}, {0o644, runtime.GOOS != "windows"}} {
		t.Run(c.mode.String(), func(t *testing.T) {
			out, code := runDoctorCommand(t, nil, "-env-file", write(c.mode))
			if code != 0 || strings.Contains(out, "every user of this machine may read it") != c.exposed {
				t.Errorf("exit code %d\n%s", code, out)
			}
			if !strings.Contains(out, "HMA_KEY_VAULT_CLIENT_SECRET is a placeholder") || strings.Contains(out, "changeme") {
				t.Errorf("no warning about the secret, or its value:\n%s", out)
			}
		})
	}
}

// TestDoctorAutodiscover checks the result of -autodiscover for a domain that
// does not exist (RFC 2606), and the error for a value that is not an address.
func TestDoctorAutodiscover(t *testing.T) {
	var out bytes.Buffer
	err := run(t.Context(), []string{"doctor", "-autodiscover", "alice@nowhere.invalid", "-timeout", "1ns"}, nil, stdio{nil, &out, &out})
	if exitCode(err) != exitFailed || !strings.Contains(out.String(), "no place leads to hmaproxy") || !strings.Contains(out.String(), "127.0.0.1 autodiscover.nowhere.invalid") {
		t.Errorf("%v\n%s", err, out.String())
	}
	out.Reset()
	if err := run(t.Context(), []string{"doctor", "-autodiscover", "alice"}, nil, stdio{nil, &out, &out}); exitCode(err) != exitFailed || !strings.Contains(out.String(), "needs the address of a mailbox") {
		t.Errorf("%v\n%s", err, out.String())
	}
}
