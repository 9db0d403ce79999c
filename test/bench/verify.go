//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// A message is a request of a client.
type message struct{ body, anchor, authorization string }

const (
	alice   = "alice@contoso.com"
	foreign = "ceo@contoso.com"
	// password is the clients' password, which proxies replace with the token.
	password = "Basic YWxpY2U6cGFzc3dvcmQ="
)

// The function request returns the message that the measurements with small
// requests send.
func request() message { return message{string(file("request.xml")), alice, password} }

// The method request returns the message as an HTTP request of a client.
func (m message) request(ctx context.Context, base string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/EWS/Exchange.asmx", strings.NewReader(m.body))
	if err != nil {
		return nil, err
	}
	r.Host = "localhost"
	r.Header.Set("Content-Type", "text/xml; charset=utf-8")
	r.Header.Set("User-Agent", "ExchangeServicesClient/15.00.0847.030")
	r.Header.Set("Authorization", m.authorization)
	r.Header.Set("X-AnchorMailbox", m.anchor)
	return r, nil
}

// post sends a message as clients do and reads the whole response.
func post(ctx context.Context, client *http.Client, base string, m message) (status int, body []byte, err error) {
	r, err := m.request(ctx, base)
	if err != nil {
		return 0, nil, err
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// verifyRefusals checks that requests for another mailbox are refused and do not
// reach Exchange.
func (b *bench) verifyRefusals(ctx context.Context, client *http.Client, i *instance) error {
	body := string(file("request.xml"))
	for what, m := range map[string]message{
		"impersonates":   {strings.ReplaceAll(body, alice, foreign), alice, password},
		"is anchored at": {body, foreign, password},
	} {
		before, _, err := b.seen(ctx)
		if err != nil {
			return err
		}
		status, _, err := post(ctx, client, i.url(), m)
		if err != nil {
			return err
		}
		after, _, err := b.seen(ctx)
		if err != nil {
			return err
		}
		if status < 400 || after != before {
			return fmt.Errorf("a request that %s another's mailbox was not refused: %d, and %d requests reached Exchange", what, status, after-before)
		}
	}
	return nil
}

func (b *bench) verifyGood(ctx context.Context, client *http.Client, i *instance) error {
	status, body, err := post(ctx, client, i.url(), request())
	switch {
	case err != nil:
		return err
	case status != http.StatusOK:
		return fmt.Errorf("a valid request got %d", status)
	case !bytes.Equal(body, file("response.xml")):
		return fmt.Errorf("the response has %d bytes of %d", len(body), len(file("response.xml")))
	}
	_, seen, err := b.seen(ctx)
	if err != nil {
		return err
	}
	token, ok := strings.CutPrefix(seen, "Bearer ")
	if !ok || max(len(token)-len(b.token), len(b.token)-len(token)) > 16 {
		return fmt.Errorf("no bearer token of about %d bytes reached Exchange, but an Authorization of %d", len(b.token), len(seen))
	}
	return nil
}

// seen returns the number of requests that reached Exchange, and the
// Authorization header of the last one.
func (b *bench) seen(ctx context.Context) (count int, authorization string, err error) {
	text, err := b.ask(ctx, "/seen")
	if err != nil {
		return 0, "", err
	}
	number, authorization, _ := strings.Cut(text, " ")
	count, err = strconv.Atoi(number)
	return count, authorization, err
}

// ask returns the text that the emulated Exchange has at path: counters of what
// reached it.
func (b *bench) ask(ctx context.Context, path string) (string, error) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // a certificate of the benchmark's own backend
	}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+b.direct+path, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}
