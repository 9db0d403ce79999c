package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"hmaproxy/internal/config"
	"hmaproxy/internal/emulator"
	"hmaproxy/internal/ewstest"
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
developer page, with request and response bodies, faults to inject and mail to deliver: http://%[7]s/

`

// preferredAdmin is the product's default admin address. The demo uses this
// address if it is free, so that "hmaproxy health" and bookmarks also work with
// the demo.
const preferredAdmin = "127.0.0.1:8081"

// preferredPage is the address of the developer page, if that address is free.
const preferredPage = "127.0.0.1:8082"

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
		listed = mailboxes[:len(mailboxes)-1] // the last mailbox is not listed, so that requests for it show a refusal
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
	admin, err := freeAddress(preferredAdmin, o.listen)
	if err != nil {
		return err
	}
	calls := new(journal)
	e.listen = calls.listenExcept(admin)
	p, err := e.start(ctx, output.Logger(), "HMA_LISTEN="+o.listen, "HMA_ADMIN_LISTEN="+admin,
		"HMA_ALLOWED_MAILBOXES="+strings.Join(listed, ","), "HMA_DEFAULT_MAILBOX="+first)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w; choose another address with -listen, or -listen 127.0.0.1:0 for any free port", err)
	}
	if err != nil {
		return err
	}
	pageAddress, err := freeAddress(preferredPage, o.listen)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", pageAddress)
	if err != nil {
		return err
	}
	developer := &page{cloud: e.cloud, journal: calls, mailboxes: mailboxes, proxy: p.clients}
	server := &http.Server{Handler: developer.handler(), ReadHeaderTimeout: 5 * time.Second}
	defer server.Close()
	go server.Serve(l)
	fmt.Fprintf(out, instructions, p.clients, ewstest.Envelope(first, getFolder), p.admin, strings.Join(mailboxes, "\n  "), strings.Join(listed, ", "), first, l.Addr())
	<-ctx.Done()
	return nil
}

// freeAddress returns its first argument if that address can be bound and differs
// from the second, which another listener will use. Otherwise it returns an
// address of 127.0.0.1 with a free port.
func freeAddress(preferred, taken string) (string, error) {
	for _, address := range []string{preferred, "127.0.0.1:0"} {
		if address == taken && address == preferred {
			continue
		}
		if l, err := net.Listen("tcp", address); err == nil {
			defer l.Close()
			return l.Addr().String(), nil
		}
	}
	return "", errors.New("no port of 127.0.0.1 is free")
}
