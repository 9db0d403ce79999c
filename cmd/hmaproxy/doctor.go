package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"

	"hmaproxy/internal/config"
	"hmaproxy/internal/doctor"
)

func doctorCommand() command {
	return command{
		name:     "doctor",
		summary:  "find out why it does not work, and what to do",
		synopsis: []string{"doctor [-env-file FILE] [-mailbox ADDRESS] [-forbidden-mailbox ADDRESS]\n                [-v] [-json] [-timeout DURATION]", "doctor -autodiscover ADDRESS [-v] [-json] [-timeout DURATION]"},
		about: `Finds out why hmaproxy does not work, and what to do about it. It needs no running hmaproxy and
changes nothing: it reads the same settings, uses the same code, and checks in this order:

  configuration   every setting, and what is permitted but rarely meant
  allow-list      whether there is one, or every mailbox is meant
  connections     DNS, TCP and TLS of Key Vault, Entra ID and Exchange; a corporate proxy or a
                  private PKI is named when it is the cause
  clocks          of this machine, Entra ID and Exchange
  Key Vault       sign-in, then permissions on the certificate
  certificate     dates, kind of key, thumbprints
  token           from Entra ID, then its claims
  Exchange        what it asks for (is HMA on?), whether it accepts the token, whether it opens a
                  mailbox, whether it keeps another closed

Each check is a line: ✓ passed, ! passed with a warning, ✗ failed, – not run, because a check before
it failed or it was not asked for. Below a ✗ stand the likely cause and the command, setting or way
through the portal that repairs it. With several ✗ begin with the first. -v shows what each check
observed. Nothing that is printed holds a secret or a token.

The mailbox to open is that of -mailbox, else HMA_DEFAULT_MAILBOX, else the first address of the
allow-list; only the id of its inbox is requested. -forbidden-mailbox names one that must stay
closed: Exchange is asked for it without the allow-list, so that the result shows whether Exchange
itself or only the allow-list refuses it.

With -autodiscover it repeats the requests of an Autodiscover client on this machine and names the
first location that leads to another server. For this, hmaproxy must run; settings are not read.

A host that does not respond is reported within 30 seconds. Slow responses are waited for one after
the other, at most 40 seconds for each check, so that all checks can take two minutes.`,
		flags: []option{
			envFileOption(),
			{"mailbox", "ADDRESS", "open this mailbox, an SMTP address", completeNothing, func(o *options) flag.Value { return (*stringValue)(&o.mailbox) }},
			{"forbidden-mailbox", "ADDRESS", "find out what keeps this mailbox closed, an SMTP address", completeNothing, func(o *options) flag.Value { return (*stringValue)(&o.forbidden) }},
			{"autodiscover", "ADDRESS", "find out where Autodiscover on this machine leads for this mailbox, an SMTP address", completeNothing, func(o *options) flag.Value { return (*stringValue)(&o.autodiscover) }},
			{"v", "", "show what each check observed, and notes", completeNothing, func(o *options) flag.Value { return (*boolValue)(&o.verbose) }},
			{"json", "", "write one JSON object instead of lines: {\"ok\": …, \"checks\": [{\"check\": …, \"title\": …, \"status\": \"ok|warning|failed|skipped\", \"detail\": …, \"cause\": …, \"repair\": […], \"warnings\": […], \"notes\": […]}]}",
				completeNothing, func(o *options) flag.Value { return (*boolValue)(&o.json) }},
			timeoutOption("stop after DURATION; 0, the default, sets no limit"),
		},
		exits: []exit{{exitStopped, "nothing wrong was found"}, {exitFailed, "a check failed or could not be made, or no allow-list is set"}, badSettings},
		examples: []string{
			"hmaproxy doctor -env-file hmaproxy.env -mailbox alice@contoso.com",
			"hmaproxy doctor -env-file hmaproxy.env -forbidden-mailbox ceo@contoso.com",
			"hmaproxy doctor -autodiscover alice@contoso.com",
			"hmaproxy doctor -env-file hmaproxy.env -json | jq '.checks[] | select(.status == \"failed\")'",
		},
		run: runDoctor,
	}
}

// errCheckFailed is the error of the command if doctor.ExitCode does not return
// 0, for example because a check failed. The command has printed the results
// before it returns this error.
var errCheckFailed = errors.New("doctor: a check failed")

func runDoctor(ctx context.Context, inv *invocation) error {
	if inv.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, inv.timeout)
		defer cancel()
	}
	all, err := examine(inv, func(report func(doctor.Result)) []doctor.Result {
		if inv.autodiscover != "" {
			return doctor.Autodiscover(ctx, doctor.AutodiscoverOptions{
				Mailbox: inv.autodiscover, Domain: config.Lookup(inv.environ, "USERDNSDOMAIN"), Temp: os.TempDir(), Report: report,
			})
		}
		o := doctor.Options{Mailbox: inv.mailbox, Forbidden: inv.forbidden, Report: report}
		o.Config, o.ConfigError = inv.load()
		return doctor.Run(ctx, o)
	})
	if err != nil {
		return fmt.Errorf("doctor: %w", err)
	}
	switch doctor.ExitCode(all) {
	case exitStopped:
		return nil
	case exitSettings:
		return settingsError{errCheckFailed}
	}
	return errCheckFailed
}

// examine runs the checks and prints their results.
func examine(inv *invocation, run func(report func(doctor.Result)) []doctor.Result) ([]doctor.Result, error) {
	if inv.json {
		all := run(nil)
		return all, doctor.WriteJSON(inv.out, all)
	}
	text := doctor.NewText(inv.out, doctor.TextOptions{Verbose: inv.verbose || inv.autodiscover != "", Color: colorful(inv.out)})
	all := run(text.Report)
	text.Summary(all)
	return all, nil
}

// colorful reports whether w is a terminal that shows colours.
func colorful(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	if runtime.GOOS == "windows" && os.Getenv("WT_SESSION") == "" {
		return false // an old console would show the escape sequences as text
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
