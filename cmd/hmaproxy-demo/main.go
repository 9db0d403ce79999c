// Command hmaproxy-demo shows the whole product at work without an account, a
// network or a setting: it plays Entra ID, Key Vault and Exchange Server in its
// own process, runs hmaproxy against them, and sends EWS requests through it.
//
// With -serve it keeps everything up, for developing an EWS client against it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "hmaproxy-demo:", err)
		os.Exit(1)
	}
}

const about = `hmaproxy-demo - the whole product at work, without account, network or settings

usage: hmaproxy-demo [-serve [-listen ADDRESS]]

Plays Entra ID, Key Vault and Exchange Server in its own process, runs hmaproxy
against them, sends EWS requests through it, and shows each hop. It changes nothing
and leaves nothing behind.

With -serve it keeps all of that up until Ctrl-C, for developing an EWS client, and
prints where EWS is served, a curl line, and the address of the status page.

exit status: 0 everything was as it should be, 1 it was not.

flags:
`

func run(ctx context.Context, args []string, stdout io.Writer) error {
	set := flag.NewFlagSet("hmaproxy-demo", flag.ContinueOnError)
	set.SetOutput(stdout)
	set.Usage = func() {
		fmt.Fprint(stdout, about)
		set.PrintDefaults()
	}
	serve := set.Bool("serve", false, "keep everything up, to develop an EWS client against it")
	listen := set.String("listen", "127.0.0.1:8080", "with -serve: `address` that EWS clients connect to")
	if err := set.Parse(args); err != nil {
		if err == flag.ErrHelp {
			return nil
		}
		return err
	}
	if set.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; run hmaproxy-demo -help", set.Arg(0))
	}
	if *serve {
		return serveForever(ctx, stdout, *listen)
	}
	return play(ctx, stdout)
}
