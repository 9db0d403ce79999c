package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"hmaproxy/internal/config"
	"hmaproxy/internal/emulator"
	"hmaproxy/internal/logging"
)

const instructions = `
hmaproxy serves EWS at http://%[1]s/EWS/Exchange.asmx and is ready. Behind it
Entra ID, Key Vault and Exchange Server are played, with the mailboxes alice, bob
and ceo at contoso.com; alice and bob are on the allow-list. Stop it with Ctrl-C.

curl:

  curl -s http://%[1]s/EWS/Exchange.asmx -H 'Content-Type: text/xml; charset=utf-8' -d '%[2]s'

exchangelib:

  from exchangelib import Account, Build, Configuration, IMPERSONATION, Version
  from exchangelib.transport import NOAUTH
  config = Configuration(service_endpoint='http://%[1]s/EWS/Exchange.asmx',
                         auth_type=NOAUTH, version=Version(Build(15, 1, 2507, 6)))
  account = Account('alice@contoso.com', config=config, access_type=IMPERSONATION, autodiscover=False)
  print(account.inbox.total_count)

status page: http://%[3]s/    health: http://%[3]s/ready

`

// serveForever keeps emulator and product up until ctx ends.
func serveForever(ctx context.Context, out io.Writer, listen string) error {
	ctx, cancel := context.WithCancel(ctx)
	s, err := newStage(out, emulator.Config{})
	if err != nil {
		cancel()
		return err
	}
	defer s.close()
	defer s.join(cancel)
	for _, subject := range []string{"Welcome", "Minutes of Monday", "Lunch?"} {
		s.world.Exchange().Deliver("alice@contoso.com", subject)
	}
	c, err := config.Load(s.settings(), os.ReadFile)
	if err != nil {
		return err
	}
	log, flush := logging.New(os.Stderr, c)
	defer flush()
	p, err := s.start(ctx, log, "HMA_LISTEN="+listen,
		"HMA_ALLOWED_MAILBOXES=alice@contoso.com,bob@contoso.com", "HMA_DEFAULT_MAILBOX=alice@contoso.com")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, instructions, p.clients, envelope("alice@contoso.com", getFolder), p.admin)
	<-ctx.Done()
	return nil
}
