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
)

const (
	getFolder = `<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>` +
		`<m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>`
	subscribe = `<m:Subscribe><m:StreamingSubscriptionRequest><t:FolderIds><t:DistinguishedFolderId Id="inbox"/></t:FolderIds>` +
		`<t:EventTypes><t:EventType>NewMailEvent</t:EventType></t:EventTypes></m:StreamingSubscriptionRequest></m:Subscribe>`
	streaming = `<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>%s</t:SubscriptionId></m:SubscriptionIds>` +
		`<m:ConnectionTimeout>1</m:ConnectionTimeout></m:GetStreamingEvents>`
)

// A scene is one thing that is shown. It returns an error where what happened
// differs from what should.
type scene struct {
	title string
	play  func(context.Context, *actors) error
}

// actors are the two products on the stage: one that enforces its allow-list,
// and one in audit mode with a default mailbox.
type actors struct {
	*stage
	strict, audit *product
}

func scenes() []scene {
	return []scene{
		{"An allowed mailbox", allowed},
		{"A client that sends Basic credentials of its own", basic},
		{"A mailbox that is not on the allow-list", refused},
		{"Audit mode: the same is forwarded, and the log tells", audited},
		{"A client that names nobody gets the default mailbox", injected},
		{"Streaming notifications, event by event", streamed},
		{"The token nears its expiry and is replaced in time", expiry},
		{"Entra ID is down for a while", outage},
		{"Exchange refuses the token: a new one, and the request once more", revoked},
		{"The certificate is rotated", rotated},
	}
}

// play shows every scene and reports the ones that differed.
func play(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	s, err := newStage(out, emulator.Config{})
	if err != nil {
		cancel()
		return err
	}
	defer s.close()
	defer s.join(cancel)
	s.printf("hmaproxy demo: contoso.com with Entra ID, Key Vault and Exchange Server, all played in this process\n")
	a := &actors{stage: s}
	var failed []string
	for i, scene := range scenes() {
		s.printf("\n%d. %s\n", i+1, scene.title)
		if err := scene.play(ctx, a); err != nil {
			s.hops()
			s.printf("   ✗ %v\n", err)
			failed = append(failed, scene.title)
			continue
		}
		s.printf("   ✓\n")
	}
	return s.summary(failed)
}

// join ends the products and waits for them.
func (s *stage) join(cancel func()) {
	cancel()
	for _, ended := range s.stopped {
		<-ended
	}
}

func (s *stage) summary(failed []string) error {
	if len(failed) > 0 {
		return fmt.Errorf("%d of %d scenes differed: %s", len(failed), len(scenes()), strings.Join(failed, "; "))
	}
	s.printf("\nShown, each as it should be:\n")
	for _, scene := range scenes() {
		s.printf("  ✓ %s\n", scene.title)
	}
	s.printf("\nNext: hmaproxy-demo -serve keeps this up to develop against; README.md has the settings for a real Exchange.\n")
	return nil
}

// expect sends a request, prints all hops, and demands an outcome: the EWS
// response code, and how often Exchange was asked. It returns the hops to Exchange.
func (a *actors) expect(ctx context.Context, p *product, mailbox, user, code string, asked int) ([]emulator.Hop, error) {
	got, err := p.send(ctx, "GetFolder", mailbox, getFolder, user)
	if err != nil {
		return nil, err
	}
	hops := slices.DeleteFunc(a.hops(), func(h emulator.Hop) bool { return h.Service != "exchange" }) // a vault may be polled meanwhile
	a.received(got)
	switch n := len(hops); {
	case got.code() != code:
		return hops, fmt.Errorf("the client should have got %s: %s", code, got.text)
	case n != asked:
		return hops, fmt.Errorf("exchange was asked %d times instead of %d", n, asked)
	}
	return hops, nil
}

func allowed(ctx context.Context, a *actors) (err error) {
	if a.strict, err = a.start(ctx, slog.New(slog.DiscardHandler), "HMA_ALLOWED_MAILBOXES=alice@contoso.com"); err != nil {
		return err
	}
	_, err = a.expect(ctx, a.strict, "alice@contoso.com", "", "NoError", 1)
	return err
}

func basic(ctx context.Context, a *actors) error {
	hops, err := a.expect(ctx, a.strict, "alice@contoso.com", "alice", "NoError", 1)
	if err != nil {
		return err
	}
	if got := hops[0].Header["Authorization"]; len(got) != 1 || !strings.HasPrefix(got[0], "Bearer ") {
		return errors.New("the client's credentials reached exchange")
	}
	return nil
}

func refused(ctx context.Context, a *actors) error {
	_, err := a.expect(ctx, a.strict, "ceo@contoso.com", "", "ErrorImpersonateUserDenied", 0)
	return err
}

func audited(ctx context.Context, a *actors) (err error) {
	log := &auditLog{Handler: slog.DiscardHandler}
	if a.audit, err = a.start(ctx, slog.New(log), "HMA_ALLOWED_MAILBOXES=alice@contoso.com",
		"HMA_ALLOW_LIST_MODE=audit", "HMA_DEFAULT_MAILBOX=alice@contoso.com"); err != nil {
		return err
	}
	if _, err = a.expect(ctx, a.audit, "bob@contoso.com", "", "NoError", 1); err != nil {
		return err
	}
	var line string
	err = eventually(ctx, "the log has no word of it", func() bool { line = log.line(); return line != "" })
	a.hop("log", line)
	return err
}

func injected(ctx context.Context, a *actors) error {
	hops, err := a.expect(ctx, a.audit, "", "", "NoError", 1)
	if err == nil && hops[len(hops)-1].Mailbox != "alice@contoso.com" {
		err = errors.New("exchange acted for somebody else")
	}
	return err
}

var subscriptionID = regexp.MustCompile(`SubscriptionId[^>]*>([^<]+)<`)

func streamed(ctx context.Context, a *actors) error {
	got, err := a.strict.send(ctx, "Subscribe", "alice@contoso.com", subscribe, "")
	if err != nil {
		return err
	}
	a.hops()
	a.received(got)
	id := subscriptionID.FindStringSubmatch(got.text)
	if id == nil {
		return errors.New("no subscription: " + got.text)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	a.hop("client → proxy", "GetStreamingEvents as alice@contoso.com")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+a.strict.clients+"/EWS/Exchange.asmx",
		strings.NewReader(envelope("alice@contoso.com", fmt.Sprintf(streaming, id[1]))))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	a.hops()
	for i := range 3 {
		a.world.Exchange().Deliver("alice@contoso.com", fmt.Sprint("message ", i+1))
		if err := until(resp.Body, "NewMailEvent"); err != nil {
			return err
		}
		a.hop("client ← proxy", fmt.Sprintf("NewMailEvent %d, while the answer stays open", i+1))
	}
	return nil
}

// until reads on until a text has come.
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
