package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"hmaproxy/internal/config"
	"hmaproxy/internal/release"
)

const (
	tenantGUID = "0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e47"
	appGUID    = "6c0a4b8e-15f1-4c57-9a53-0d3f7e2b9a11"
	vaultGUID  = "9b1d7a52-3c44-4f0b-8f5e-7a2c1d0e6f22"
)

// allAnswers are the lines to type at the questions of the command init, in their
// order.
var allAnswers = []string{
	"https://mail.contoso.com", "", tenantGUID, appGUID, "https://contoso.vault.azure.net", "", vaultGUID, "canary~secret", "sync@contoso.com, *@rooms.contoso.com",
}

// runInitCommand runs the command init with values as the lines of standard input.
// It returns the path and the content of the file that the command wrote,
// everything that was printed, and the error.
func runInitCommand(t *testing.T, values, environ []string, args ...string) (file, text, printed string, err error) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "hmaproxy.env")
	var out, errs bytes.Buffer
	err = run(t.Context(), append([]string{"init", "-o", file}, args...), environ, stdio{strings.NewReader(strings.Join(values, "\n") + "\n"), &out, &errs})
	data, readErr := os.ReadFile(file)
	if (readErr == nil) != (err == nil) {
		t.Errorf("init: %v; the file: %v", err, readErr)
	}
	if printed = out.String() + errs.String(); strings.Contains(printed, "canary") || err != nil && strings.Contains(err.Error(), "canary") {
		t.Errorf("the secret is printed: %s, %v", printed, err)
	}
	return file, string(data), printed, err
}

func TestInit(t *testing.T) {
	file, text, printed, err := runInitCommand(t, allAnswers, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := "HMA_EWS_URL=https://mail.contoso.com\nHMA_RESOURCE_ID=https://mail.contoso.com\nHMA_TENANT_ID=" + tenantGUID + "\nHMA_APP_ID=" + appGUID +
		"\nHMA_KEY_VAULT_URI=https://contoso.vault.azure.net\nHMA_KEY_VAULT_CERT_NAME=HMA-Cert\nHMA_KEY_VAULT_APP_ID=" + vaultGUID +
		"\nHMA_KEY_VAULT_CLIENT_SECRET=canary~secret\nHMA_ALLOWED_MAILBOXES=sync@contoso.com, *@rooms.contoso.com\n"
	if !strings.HasSuffix(text, want) {
		t.Errorf("the file holds\n%s", text)
	}
	if !strings.Contains(printed, "next: hmaproxy doctor -env-file "+file) {
		t.Errorf("printed %s", printed)
	}
	info, err := os.Stat(file)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	entries, err := config.ParseEnvFile([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := config.Load(entries, os.ReadFile); err != nil || c.Access() != config.AccessListed {
		t.Errorf("Load: %v, %v", c, err)
	}
}

func TestInitTakesValues(t *testing.T) {
	for _, tc := range []struct {
		name          string
		values        []string
		environ, args []string
		want, without string
	}{
		{"from arguments and the environment", allAnswers[3:], []string{"HMA_EWS_URL=https://old.contoso.com", "HMA_RESOURCE_ID=mail.contoso.com", "LOG_LEVEL=x", "PATH=/bin"},
			[]string{"HMA_EWS_URL=https://mail.contoso.com", "HMA_TENANT_ID=contoso.com", "HMA_LOG_LEVEL=debug"}, "HMA_LOG_LEVEL=debug\n", "old.contoso.com"},
		{"with a managed identity", []string{"https://mail.contoso.com", "", tenantGUID, appGUID, "https://contoso.vault.azure.net", "", "*"}, nil,
			[]string{"HMA_KEY_VAULT_AUTH=managed"}, "HMA_ALLOWED_MAILBOXES=*\n", "CLIENT_SECRET"},
		{"every secret from the environment", append(allAnswers[:7:7], allAnswers[8]), []string{"HMA_KEY_VAULT_CLIENT_SECRET=canary~other"}, nil, "HMA_KEY_VAULT_CLIENT_SECRET=canary~other\n", "canary~secret"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, text, _, err := runInitCommand(t, tc.values, tc.environ, tc.args...)
			if err != nil || !strings.Contains(text, tc.want) || strings.Contains(text, tc.without) {
				t.Errorf("%v\n%s", err, text)
			}
		})
	}
}

func TestInitRefuses(t *testing.T) {
	with := func(i int, value string) []string {
		changed := append([]string{}, allAnswers...)
		changed[i] = value
		return changed
	}
	for _, tc := range []struct {
		name    string
		values  []string
		environ []string
		args    []string
		code    int
		says    string
	}{
		{"http", with(0, "http://mail.contoso.com"), nil, nil, exitSettings, "HMA_EWS_URL: does not begin with https://"},
		{"no tenant", with(2, ""), nil, nil, exitSettings, "HMA_TENANT_ID: is set but empty"},
		{"name for an id", with(3, "HMA-App"), nil, nil, exitSettings, "HMA_APP_ID: is not a GUID"},
		{"the secret's id", with(7, vaultGUID), nil, nil, exitSettings, "HMA_KEY_VAULT_CLIENT_SECRET: is a GUID"},
		{"quoted secret", with(7, `"canary~secret"`), nil, nil, exitSettings, "quotation mark"},
		{"no list", with(8, ""), nil, nil, exitSettings, "HMA_ALLOWED_MAILBOXES: is set but empty"},
		{"names for mailboxes", with(8, "alice"), nil, nil, exitSettings, "HMA_ALLOWED_MAILBOXES: is not a valid list"},
		{"the end of the input", allAnswers[:4], nil, nil, exitFailed, "HMA_KEY_VAULT_URI is missing"},
		{"secret as an argument", nil, nil, []string{"HMA_KEY_VAULT_CLIENT_SECRET=canary"}, exitUsage, "can see arguments"},
		{"unknown setting", nil, nil, []string{"HMA_URL=https://canary"}, exitUsage, "an argument is not a setting"},
		{"other program's setting", nil, nil, []string{"HTTPS_PROXY=canary:1"}, exitUsage, "an argument is not a setting"},
		{"faulty argument", nil, nil, []string{"HMA_EWS_URL=http://canary"}, exitSettings, "HMA_EWS_URL: does not begin"},
		{"settings that exclude each other", allAnswers, nil, []string{"HMA_CERT_PASSWORD_FILE=/x"}, exitSettings, "HMA_CERT_PASSWORD_FILE"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, text, _, err := runInitCommand(t, tc.values, tc.environ, tc.args...)
			if exitCode(err) != tc.code || !strings.Contains(err.Error(), tc.says) || text != "" {
				t.Errorf("exit code %d, %v; want %d, %q", exitCode(err), err, tc.code, tc.says)
			}
		})
	}
}

func TestInitOverwritesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hmaproxy.env")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := run(t.Context(), []string{"init", "-o", file}, nil, stdio{strings.NewReader(""), new(bytes.Buffer), new(bytes.Buffer)})
	if data, _ := os.ReadFile(file); err == nil || !strings.Contains(err.Error(), "exists and is not overwritten") || string(data) != "precious" {
		t.Errorf("%v; the file holds %q", err, data)
	}
}

// TestInitOfExistingFile checks that the command init writes the settings to an
// existing file that sets nothing, such as the file that a deb or rpm package
// installs. It keeps the file's mode. It does not change a file that has other
// content or that every user can open.
func TestInitOfExistingFile(t *testing.T) {
	example, err := os.ReadFile("../../deploy/hmaproxy.env.example")
	if err != nil {
		t.Fatal(err)
	}
	unset := release.PackageSettings(string(example))
	for _, tc := range []struct {
		name, content string
		mode          os.FileMode
		want          string // part of the error; "": no error
	}{
		{"as packages install it", unset, 0o640, ""},
		{"empty", "", 0o600, ""},
		{"one setting", unset + "HMA_LOG_LEVEL=debug\n", 0o640, "is not overwritten"},
		{"not understood", "something\n", 0o640, "is not overwritten"},
		{"readable by everybody", unset, 0o644, "every user can open it"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && tc.mode == 0o644 {
				t.Skip("NOT CHECKED: Windows has no such modes")
			}
			file := filepath.Join(t.TempDir(), "hmaproxy.env")
			if err := os.WriteFile(file, []byte(tc.content), tc.mode); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			err := run(t.Context(), []string{"init", "-o", file}, nil, stdio{strings.NewReader(strings.Join(allAnswers, "\n") + "\n"), &out, &out})
			data, readErr := os.ReadFile(file)
			info, statErr := os.Stat(file)
			if readErr != nil || statErr != nil {
				t.Fatal(readErr, statErr)
			}
			if runtime.GOOS != "windows" && info.Mode().Perm() != tc.mode {
				t.Errorf("mode %o", info.Mode().Perm())
			}
			if tc.want != "" {
				if err == nil || !strings.Contains(err.Error(), tc.want) || string(data) != tc.content {
					t.Errorf("%v, and the file holds\n%s", err, data)
				}
				return
			}
			if err != nil || strings.Count(string(data), "HMA_EWS_URL=") != 1 || !strings.Contains(string(data), "canary~secret") {
				t.Errorf("%v, and the file holds\n%s", err, data)
			}
		})
	}
	t.Run("a value is not valid", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "hmaproxy.env")
		if err := os.WriteFile(file, []byte(unset), 0o640); err != nil {
			t.Fatal(err)
		}
		err := run(t.Context(), []string{"init", "-o", file}, nil, stdio{strings.NewReader("http://mail.contoso.com\n"), io.Discard, io.Discard})
		if data, _ := os.ReadFile(file); exitCode(err) != exitSettings || string(data) != unset {
			t.Errorf("%v, and the file holds\n%s", err, data)
		}
	})
}

// TestPackageIsNotConfigured checks that hmaproxy refuses the unedited settings
// file of the deb and rpm packages with exitSettings. systemd does not restart
// a service with this exit code.
func TestPackageIsNotConfigured(t *testing.T) {
	example, err := os.ReadFile("../../deploy/hmaproxy.env.example")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "hmaproxy.env")
	if err := os.WriteFile(file, []byte(release.PackageSettings(string(example))), 0o640); err != nil {
		t.Fatal(err)
	}
	err = run(t.Context(), []string{"-env-file", file}, nil, stdio{nil, io.Discard, io.Discard})
	if exitCode(err) != exitSettings || !strings.Contains(err.Error(), "HMA_EWS_URL") {
		t.Errorf("%v", err)
	}
}

// TestUnitOfPackages checks some lines of the packages' systemd unit, which is
// made from the unit in deploy/systemd.
func TestUnitOfPackages(t *testing.T) {
	unit, err := os.ReadFile("../../deploy/systemd/hmaproxy.service")
	if err != nil {
		t.Fatal(err)
	}
	text, err := release.PackageUnit(string(unit))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ExecStart=/usr/bin/hmaproxy -env-file /etc/hmaproxy/hmaproxy.env\n", "User=hmaproxy\n", "RestartPreventExitStatus=78\n", "ProtectSystem=strict\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(text, "LoadCredential") || strings.Contains(text, "DynamicUser") {
		t.Errorf("%s", text)
	}
}
