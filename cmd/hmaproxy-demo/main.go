// Command hmaproxy-demo shows the whole product without an account, a network
// or a setting. It emulates Entra ID, Key Vault and Exchange Server in its own
// process, runs hmaproxy with them, and sends EWS requests through it.
//
// With -serve it keeps everything running, for the development of an EWS
// client.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/mail"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "hmaproxy-demo:", err)
	}
	os.Exit(exitCode(err))
}

// A usageError is a mistake in the command line.
type usageError struct{ error }

// exitCode returns 0 for no error, 2 for a mistake in the command line, else 1.
func exitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.As(err, new(usageError)):
		return 2
	}
	return 1
}

const about = `hmaproxy-demo - the whole product without account, network or settings

usage: hmaproxy-demo
       hmaproxy-demo -serve [-listen ADDRESS] [-mailboxes LIST]

Emulates Entra ID, Key Vault and Exchange Server in its own process, runs hmaproxy against them,
sends EWS requests through it, and shows each request between them. It changes nothing and leaves
nothing behind.

With -serve it keeps all of that running until Ctrl-C, for developing an EWS client, and prints
where EWS is served, a curl line, and the addresses of the status page and of a developer page. The
latter shows the client's requests and the responses with their bodies, repeats one as curl, injects
faults and delivers mail. It serves this machine only; hmaproxy itself has no such page.

exit status: 0 everything was as expected, 1 it was not, 2 a mistake on the command line.

flags:
`

// options are the flags.
type options struct {
	serve     bool
	listen    string
	mailboxes []string
}

// run executes the command line args. With -serve it returns when ctx ends. The
// caller prints the error.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	var o options
	set := flag.NewFlagSet("hmaproxy-demo", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.BoolVar(&o.serve, "serve", false, "keep everything running, to develop an EWS client against it")
	set.StringVar(&o.listen, "listen", "127.0.0.1:8080", "with -serve: `address` that EWS clients connect to; port 0 means any free one")
	set.Func("mailboxes", "with -serve: the `list` of mailboxes, separated by commas (default alice@contoso.com,bob@contoso.com,ceo@contoso.com)", o.setMailboxes)
	err := set.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, about)
		set.SetOutput(stdout)
		set.PrintDefaults()
		return nil
	case err != nil:
		return usageError{fmt.Errorf("%w; run hmaproxy-demo -help", err)}
	case set.NArg() > 0:
		return usageError{fmt.Errorf("unexpected argument %q; run hmaproxy-demo -help", set.Arg(0))}
	case !o.serve && set.NFlag() > 0:
		return usageError{errors.New("-listen and -mailboxes need -serve; run hmaproxy-demo -help")}
	case o.serve:
		return serve(ctx, stdout, o)
	}
	return runSteps(ctx, stdout)
}

// setMailboxes parses the value of -mailboxes.
func (o *options) setMailboxes(list string) error {
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		address, err := mail.ParseAddress(name)
		if err != nil || address.Address != name {
			return fmt.Errorf("%q is not a mail address", name)
		}
		if !slices.Contains(o.mailboxes, name) {
			o.mailboxes = append(o.mailboxes, name)
		}
	}
	return nil
}
