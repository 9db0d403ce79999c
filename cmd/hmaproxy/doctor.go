package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"hmaproxy/internal/config"
	"hmaproxy/internal/doctor"
)

const doctorHelp = `usage: hmaproxy doctor [-env-file FILE] [-mailbox ADDRESS]
       [-forbidden-mailbox ADDRESS] [-json] [-timeout DURATION]

Finds out why hmaproxy does not work, and what to do about it. It needs no
running hmaproxy and changes nothing: it reads the same settings, uses the same
code, and walks the chain in this order:

  configuration   every setting, and what is permitted but rarely meant
  connections     DNS, TCP and TLS of Key Vault, Entra ID and Exchange; the
                  corporate proxy and a private PKI are named when they are why
  clocks          this machine's, Entra's and Exchange's
  Key Vault       sign-in, then permissions on the certificate
  certificate     dates, kind of key, thumbprints
  token           from Entra ID, then its claims
  Exchange        what it asks for (is HMA on?), whether it takes the token,
                  whether it opens a mailbox, whether it keeps another closed

Each check is a line: ✓ holds, ✗ fails, – not run, because something before it
failed or was not asked for. Below a ✗ stand the likely cause and the command,
setting or way through the portal that repairs it. With several ✗ begin with
the first. Nothing that is printed holds a secret or a token.

The mailbox to open is that of -mailbox, else HMA_DEFAULT_MAILBOX, else the first
address of the allow-list; only its inbox's id is asked for. -forbidden-mailbox
names one that must stay closed: Exchange is asked for it past the allow-list, so
that the answer tells whether Exchange itself or only the allow-list refuses it.

What never answers is told of within half a minute. Answers that come late are
waited for one after the other, no check longer than 40 seconds, so that all of it
can take two minutes; -timeout ends it before.

exit status: 0 nothing wrong was found, 1 a check failed or could not be made,
2 mistake in the configuration or on the command line.

examples:

  hmaproxy doctor -env-file hmaproxy.env -mailbox alice@contoso.com
  hmaproxy doctor -env-file hmaproxy.env -forbidden-mailbox ceo@contoso.com
  hmaproxy doctor -env-file hmaproxy.env -json | jq '.checks[] | select(.status == "failed")'`

func (f *flags) addDoctorFlags() {
	f.set.StringVar(&f.mailbox, "mailbox", "", "open this mailbox, an SMTP `address`")
	f.set.StringVar(&f.forbidden, "forbidden-mailbox", "", "find out who keeps this mailbox closed, an SMTP `address`")
	f.set.BoolVar(&f.json, "json", false, "write one JSON object instead of lines: {\"ok\":…,\"checks\":[{\"check\":…,\"title\":…,\"status\":\"ok|failed|skipped\",\"detail\":…,\"cause\":…,\"repair\":[…],\"notes\":[…]}]}")
	f.set.Var(&f.timeout, "timeout", "stop after this `duration`; 0 sets no limit to the whole")
}

// errUnwell ends the command after the doctor has said everything.
var errUnwell = errors.New("doctor: a check failed")

func runDoctor(ctx context.Context, f *flags, w world) error {
	if f.set.NArg() > 0 {
		return usageError{errors.New("doctor takes no arguments, only flags; run hmaproxy doctor -help")}
	}
	if f.timeout.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.timeout.Duration)
		defer cancel()
	}
	o := doctor.Options{Mailbox: f.mailbox, Forbidden: f.forbidden}
	environ, err := f.environment(w)
	if o.ConfigError = err; err == nil {
		o.Config, o.ConfigError = config.Load(environ, os.ReadFile)
	}
	all, err := examine(ctx, o, f.json, w.stdout)
	if err != nil {
		return fmt.Errorf("doctor: %w", err)
	}
	switch doctor.ExitCode(all) {
	case exitStopped:
		return nil
	case exitConfiguration:
		return usageError{errUnwell}
	}
	return errUnwell
}

// examine runs the checks and writes them down.
func examine(ctx context.Context, o doctor.Options, asJSON bool, w io.Writer) ([]doctor.Result, error) {
	if asJSON {
		all := doctor.Run(ctx, o)
		return all, doctor.WriteJSON(w, all)
	}
	text := doctor.NewText(w, colorful(w))
	o.Report = text.Report
	all := doctor.Run(ctx, o)
	text.Summary(all)
	return all, nil
}

// colorful reports whether w is a terminal that wants colours.
func colorful(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	if runtime.GOOS == "windows" && os.Getenv("WT_SESSION") == "" {
		return false // the old console shows escape sequences as they are
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
