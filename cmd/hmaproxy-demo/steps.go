package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/ewstest"
)

const (
	getFolder = `<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>` +
		`<m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>`
	subscribe = `<m:Subscribe><m:StreamingSubscriptionRequest><t:FolderIds><t:DistinguishedFolderId Id="inbox"/></t:FolderIds>` +
		`<t:EventTypes><t:EventType>NewMailEvent</t:EventType></t:EventTypes></m:StreamingSubscriptionRequest></m:Subscribe>`
	streaming = `<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>%s</t:SubscriptionId></m:SubscriptionIds>` +
		`<m:ConnectionTimeout>1</m:ConnectionTimeout></m:GetStreamingEvents>`
)

// A step shows one behaviour of the product. It returns an error if the product
// behaves differently.
type step struct {
	title string
	run   func(context.Context, *demo) error
}

// A demo is the state of a run. It has two instances of the product: one that
// enforces its allow-list, and one in audit mode with a default mailbox.
type demo struct {
	env                 *environment
	enforcing, auditing *product
}

func steps() []step {
	return []step{
		{"An allowed mailbox", allowed},
		{"A client that sends Basic credentials of its own", basic},
		{"A client that looks for Exchange by Autodiscover finds hmaproxy", discovered},
		{"A mailbox that is not on the allow-list", refused},
		{"Audit mode: such a request is forwarded, and the log says so", audited},
		{"A client that names no mailbox gets the default mailbox", injected},
		{"Streaming notifications, event by event", streamed},
		{"The token nears its expiry and is replaced in time", expiry},
		{"Entra ID is down for a while", outage},
		{"Exchange refuses the token: the request is replayed with a new one", revoked},
		{"The certificate is rotated", rotated},
	}
}

// runSteps runs every step and returns an error that names the failed steps.
func runSteps(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	e, err := newEnvironment(out, emulator.Config{})
	if err != nil {
		cancel()
		return err
	}
	defer e.close()
	defer e.join(cancel)
	e.printf("hmaproxy demo: contoso.com with Entra ID, Key Vault and Exchange Server, all emulated in this process\n")
	d := &demo{env: e}
	var failed []string
	for i, step := range steps() {
		e.printf("\n%d. %s\n", i+1, step.title)
		if err := step.run(ctx, d); err != nil {
			e.hops()
			e.printf("   ✗ %v\n", err)
			failed = append(failed, step.title)
			continue
		}
		e.printf("   ✓\n")
	}
	return e.summary(failed)
}

// join cancels the instances of the product and waits for them to end.
func (e *environment) join(cancel func()) {
	cancel()
	for _, ended := range e.stopped {
		<-ended
	}
}

func (e *environment) summary(failed []string) error {
	if len(failed) > 0 {
		return fmt.Errorf("%d of %d steps failed: %s", len(failed), len(steps()), strings.Join(failed, "; "))
	}
	e.printf("\nShown, each with the expected result:\n")
	for _, step := range steps() {
		e.printf("  ✓ %s\n", step.title)
	}
	e.printf("\nNext: hmaproxy-demo -serve keeps this running to develop against; README.md has the settings for a real Exchange.\n")
	return nil
}

// expect sends a request, prints all requests that follow from it, and returns
// the requests to Exchange. The parameters code and attempts are the expected EWS
// response code and the expected number of requests to Exchange.
func (d *demo) expect(ctx context.Context, p *product, mailbox, user, code string, attempts int) ([]emulator.Hop, error) {
	got, err := p.send(ctx, "GetFolder", mailbox, getFolder, user)
	if err != nil {
		return nil, err
	}
	hops := slices.DeleteFunc(d.env.hops(), func(h emulator.Hop) bool { return h.Service != "exchange" }) // only requests to Exchange are counted, because polls of the vault come at any time
	d.env.received(got)
	switch n := len(hops); {
	case got.code() != code:
		return hops, fmt.Errorf("the response is not %s: %s", code, got.text)
	case n != attempts:
		return hops, fmt.Errorf("%d requests reached Exchange instead of %d", n, attempts)
	}
	return hops, nil
}

func allowed(ctx context.Context, d *demo) (err error) {
	if d.enforcing, err = d.env.start(ctx, slog.New(slog.DiscardHandler), "HMA_ALLOWED_MAILBOXES=alice@contoso.com", "HMA_AUTODISCOVER=auto"); err != nil {
		return err
	}
	_, err = d.expect(ctx, d.enforcing, "alice@contoso.com", "", "NoError", 1)
	return err
}

func basic(ctx context.Context, d *demo) error {
	hops, err := d.expect(ctx, d.enforcing, "alice@contoso.com", "alice", "NoError", 1)
	if err != nil {
		return err
	}
	if got := hops[0].Header["Authorization"]; len(got) != 1 || !strings.HasPrefix(got[0], "Bearer ") {
		return errors.New("the client's credentials reached Exchange")
	}
	return nil
}

func refused(ctx context.Context, d *demo) error {
	_, err := d.expect(ctx, d.enforcing, "ceo@contoso.com", "", "ErrorImpersonateUserDenied", 0)
	return err
}

func audited(ctx context.Context, d *demo) (err error) {
	log := &auditLog{Handler: slog.DiscardHandler}
	if d.auditing, err = d.env.start(ctx, slog.New(log), "HMA_ALLOWED_MAILBOXES=alice@contoso.com",
		"HMA_ALLOW_LIST_MODE=audit", "HMA_DEFAULT_MAILBOX=alice@contoso.com"); err != nil {
		return err
	}
	if _, err = d.expect(ctx, d.auditing, "bob@contoso.com", "", "NoError", 1); err != nil {
		return err
	}
	var line string
	err = eventually(ctx, "the log does not show the request", func() bool { line = log.line(); return line != "" })
	d.env.hop("log", line)
	return err
}

func injected(ctx context.Context, d *demo) error {
	hops, err := d.expect(ctx, d.auditing, "", "", "NoError", 1)
	if err == nil && hops[len(hops)-1].Mailbox != "alice@contoso.com" {
		err = errors.New("exchange acted as another mailbox")
	}
	return err
}

var subscriptionID = regexp.MustCompile(`SubscriptionId[^>]*>([^<]+)<`)

func streamed(ctx context.Context, d *demo) error {
	got, err := d.enforcing.send(ctx, "Subscribe", "alice@contoso.com", subscribe, "")
	if err != nil {
		return err
	}
	d.env.hops()
	d.env.received(got)
	id := subscriptionID.FindStringSubmatch(got.text)
	if id == nil {
		return errors.New("no subscription: " + got.text)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	d.env.hop("client → proxy", "GetStreamingEvents as alice@contoso.com")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+d.enforcing.clients+"/EWS/Exchange.asmx",
		strings.NewReader(ewstest.Envelope("alice@contoso.com", fmt.Sprintf(streaming, id[1]))))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	d.env.hops()
	for i := range 3 {
		d.env.cloud.Exchange().Deliver("alice@contoso.com", fmt.Sprint("message ", i+1))
		if err := until(resp.Body, "NewMailEvent"); err != nil {
			return err
		}
		d.env.hop("client ← proxy", fmt.Sprintf("NewMailEvent %d, while the response stays open", i+1))
	}
	return nil
}

// until(r, text) reads from r until it has read text.
func until(r io.Reader, text string) error {
	var got strings.Builder
	buf := make([]byte, 8<<10)
	for !strings.Contains(got.String(), text) {
		n, err := r.Read(buf)
		got.Write(buf[:n])
		if err != nil {
			return fmt.Errorf("the stream ended before %s: %w", text, err)
		}
	}
	return nil
}

// granted returns the number of tokens for Exchange that Entra ID has issued.
func (d *demo) granted() (n int) {
	for _, h := range d.env.cloud.Entra().Hops() {
		if h.Form.Get("client_assertion") != "" && h.Status == 200 {
			n++
		}
	}
	return n
}
