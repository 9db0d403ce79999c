package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"hmaproxy/internal/config"
	"hmaproxy/internal/emulator"
	"hmaproxy/internal/logging"
)

const instructions = `
hmaproxy serves EWS at http://%[1]s/EWS/Exchange.asmx and is ready. Behind it
Entra ID, Key Vault and Exchange Server are emulated, with these mailboxes:

  %[4]s

On the allow-list: %[5]s. A request that names no mailbox acts as %[6]s.
Stop it with Ctrl-C.

curl:

  curl -s http://%[1]s/EWS/Exchange.asmx -H 'Content-Type: text/xml; charset=utf-8' -d '%[2]s'

exchangelib:

  from exchangelib import Account, Build, Configuration, IMPERSONATION, Version
  from exchangelib.transport import NOAUTH
  config = Configuration(service_endpoint='http://%[1]s/EWS/Exchange.asmx',
                         auth_type=NOAUTH, version=Version(Build(15, 1, 2507, 6)))
  account = Account('%[6]s', config=config, access_type=IMPERSONATION, autodiscover=False)
  print(account.inbox.total_count)

status page: http://%[3]s/    health: http://%[3]s/ready

`

// preferredAdmin is the admin address of the product, which the demo takes when it
// is free, so that "hmaproxy health" and bookmarks work with both.
const preferredAdmin = "127.0.0.1:8081"

// serve keeps emulator and product running until ctx ends.
func serve(ctx context.Context, out io.Writer, o options) error {
	ctx, cancel := context.WithCancel(ctx)
	e, err := newEnvironment(out, emulator.Config{Mailboxes: o.mailboxes})
	if err != nil {
		cancel()
		return err
	}
	defer e.close()
	defer e.join(cancel)
	mailboxes := e.cloud.Config().Mailboxes
	first := mailboxes[0]
	listed := mailboxes
	if len(o.mailboxes) == 0 {
		listed = mailboxes[:len(mailboxes)-1] // so that one is refused
	}
	for _, subject := range []string{"Welcome", "Minutes of Monday", "Lunch?"} {
		e.cloud.Exchange().Deliver(first, subject)
	}
	c, err := config.Load(e.settings(), os.ReadFile)
	if err != nil {
		return err
	}
	output, err := logging.Open(c, os.Stderr)
	if err != nil {
		return err
	}
	defer output.Close()
	p, err := e.start(ctx, output.Logger(), "HMA_LISTEN="+o.listen, "HMA_ADMIN_LISTEN="+freeAddress(preferredAdmin, o.listen),
		"HMA_ALLOWED_MAILBOXES="+strings.Join(listed, ","), "HMA_DEFAULT_MAILBOX="+first)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w; choose another address with -listen, or -listen 127.0.0.1:0 for any free port", err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, instructions, p.clients, envelope(first, getFolder), p.admin, strings.Join(mailboxes, "\n  "), strings.Join(listed, ", "), first)
	<-ctx.Done()
	return nil
}

// freeAddress returns the preferred address when it can be bound and is not taken,
// else one with any free port.
func freeAddress(preferred, taken string) string {
	l, err := net.Listen("tcp", preferred)
	if err != nil || preferred == taken {
		preferred = "127.0.0.1:0"
	}
	if err == nil {
		l.Close()
	}
	return preferred
}
