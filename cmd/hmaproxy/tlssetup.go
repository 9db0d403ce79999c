package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"hmaproxy/internal/config"
	"hmaproxy/internal/privateca"
)

// Days for which a certificate of tls-setup is valid. Apple's systems refuse
// certificates that are valid for more than 825 days.
const (
	defaultDays = 825
	maxDays     = 3650
)

func tlsSetupCommand() command {
	return command{
		name:     "tls-setup",
		summary:  "make a certificate for clients that insist on https",
		synopsis: []string{"tls-setup [-dir DIR] [-days DAYS] [-env-file FILE] [NAME ...]"},
		about: `Makes a certificate for HMA_TLS_CERT_FILE, its key, and the certificate of a private authority that
has signed it, and prints the settings and the commands that make clients trust the authority. For
machines that no company's PKI serves.

The certificate is for the names, and for localhost, 127.0.0.1 and ::1. Without names it is for
those in HMA_HOST_NAMES. The key of the authority is not kept: nothing on this machine can sign
another certificate that the clients trust. So a later certificate, for other names or after the
end of this one, is trusted only after the commands were run again.

Files that exist are not overwritten. The key gets mode 0600.`,
		flags: []option{
			envFileOption(),
			{"dir", "DIR", "folder for ca.pem, tls.pem and tls.key; tls by default", completeFile, func(o *options) flag.Value {
				o.dir = "tls"
				return (*stringValue)(&o.dir)
			}},
			{"days", "DAYS", fmt.Sprintf("how long the certificate is valid; %d by default, at most %d", defaultDays, maxDays), completeNothing, func(o *options) flag.Value {
				o.days = defaultDays
				return (*intValue)(&o.days)
			}},
		},
		argument: "NAME", maxArgs: anyNumber,
		exits:    []exit{{exitStopped, "the files were written"}, {exitFailed, "a file exists, or could not be written"}, {exitSettings, "a mistake in the settings"}},
		examples: []string{"hmaproxy tls-setup -dir /etc/hmaproxy/tls autodiscover.contoso.com contoso.com"},
		run:      runTLSSetup,
	}
}

func runTLSSetup(_ context.Context, inv *invocation) error {
	if inv.days < 1 || inv.days > maxDays {
		return usageError{fmt.Errorf("tls-setup: -days must be between 1 and %d", maxDays)}
	}
	names, err := certificateNames(inv)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(inv.dir)
	if err != nil {
		return fmt.Errorf("tls-setup: %w", err)
	}
	files := tlsFiles{filepath.Join(dir, "ca.pem"), filepath.Join(dir, "tls.pem"), filepath.Join(dir, "tls.key")}
	if err := files.absent(); err != nil {
		return fmt.Errorf("tls-setup: %w", err)
	}
	further := []string{"localhost", "127.0.0.1", "::1"}
	further = slices.DeleteFunc(further, func(name string) bool { return slices.Contains(names, name) })
	bundle, err := privateca.Issue(privateca.Request{
		Names: slices.Concat(names, further), Now: time.Now(), Valid: time.Duration(inv.days) * 24 * time.Hour,
	})
	if err != nil {
		return fmt.Errorf("tls-setup: %w", err)
	}
	if err := files.write(bundle); err != nil {
		return fmt.Errorf("tls-setup: %w", err)
	}
	_, err = inv.out.Write([]byte(files.instructions(names, bundle.Expires, runtime.GOOS)))
	return err
}

// certificateNames returns the names in the arguments, in lower case and with
// IPv6 addresses without brackets. Without arguments it returns the names in
// HMA_HOST_NAMES.
func certificateNames(inv *invocation) ([]string, error) {
	given := strings.Join(inv.args, ",")
	if len(inv.args) == 0 {
		entries, _, err := inv.settings()
		if err != nil {
			return nil, err
		}
		given = config.Lookup(entries, "HMA_HOST_NAMES")
	}
	if given == "" {
		return nil, usageError{errors.New("tls-setup: expected names, such as autodiscover.contoso.com, or HMA_HOST_NAMES")}
	}
	var names config.HostNames
	if err := names.UnmarshalText([]byte(given)); err != nil {
		return nil, usageError{fmt.Errorf("tls-setup: the list of names %w", err)}
	}
	bare := make([]string, 0, len(names))
	for _, name := range names {
		if strings.Contains(name, "_") {
			return nil, usageError{fmt.Errorf("tls-setup: %s has an underscore, which clients do not accept in a certificate", name)}
		}
		bare = append(bare, strings.Trim(name, "[]"))
	}
	return bare, nil
}

// tlsFiles are the paths of the files that the command tls-setup writes.
type tlsFiles struct{ authority, chain, key string }

// absent returns an error if one of the files exists.
func (f tlsFiles) absent() error {
	for _, name := range []string{f.authority, f.chain, f.key} {
		if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			if err == nil {
				err = fmt.Errorf("%s exists and is not overwritten; choose another folder with -dir", name)
			}
			return err
		}
	}
	return nil
}

// write creates all of the files. If one file cannot be created, write leaves
// no file behind.
func (f tlsFiles) write(b privateca.Bundle) (err error) {
	if err := os.MkdirAll(filepath.Dir(f.key), 0o755); err != nil {
		return err
	}
	var made []string
	defer func() {
		if err != nil {
			for _, name := range made {
				_ = os.Remove(name)
			}
		}
	}()
	for _, one := range []struct {
		name string
		data []byte
		mode os.FileMode
	}{{f.key, b.Key, 0o600}, {f.chain, b.Chain, 0o644}, {f.authority, b.Authority, 0o644}} {
		file, err := os.OpenFile(one.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, one.mode)
		if err != nil {
			return err
		}
		made = append(made, one.name)
		_, err = file.Write(one.data)
		if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
			return err
		}
	}
	return nil
}

// instructions returns the next steps. The text contains the commands of all
// systems, because the client may run on another system than this command.
func (f tlsFiles) instructions(names []string, expires time.Time, system string) string {
	limit := "which only you can read; hmaproxy must be able to read it: chown it to the account of the service"
	if system == "windows" {
		limit = "which every account that may read the folder can read. Limit it to the service and administrators:\n" +
			`  icacls "` + f.key + `" /inheritance:r /grant:r "NT SERVICE\hmaproxy:R" "*S-1-5-32-544:F"`
	}
	return strings.NewReplacer("{ca}", f.authority, "{chain}", f.chain, "{key}", f.key, "{names}", strings.Join(names, ","),
		"{expires}", expires.UTC().Format(time.DateOnly), "{limit}", limit).Replace(`wrote {ca}, the authority that clients are to trust
wrote {chain}, valid until {expires}
wrote {key}, {limit}

Settings of hmaproxy:
  HMA_TLS_CERT_FILE={chain}
  HMA_TLS_KEY_FILE={key}
  HMA_HOST_NAMES={names}

Trust the authority where the client runs (one of these; as root or administrator):
  Windows, .NET           certutil -addstore Root "{ca}"
  Debian, Ubuntu          cp {ca} /usr/local/share/ca-certificates/hmaproxy.crt && update-ca-certificates
  Red Hat, Fedora, SUSE   trust anchor --store {ca}
  macOS                   security add-trusted-cert -d -k /Library/Keychains/System.keychain {ca}
  Java                    keytool -importcert -noprompt -cacerts -storepass changeit -alias hmaproxy -file "{ca}"

or for one program, by a variable of its environment:
  Python requests         REQUESTS_CA_BUNDLE={ca}    # then it trusts nothing else
  Node.js                 NODE_EXTRA_CA_CERTS={ca}
  curl                    CURL_CA_BUNDLE={ca}    # then it trusts nothing else
`)
}
