package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// discovered requests the URL of Exchange from the product, and opens the Inbox
// at that URL. A client that is configured with only an address does the same.
// For a mailbox that is not allowed, the product must return no URL.
func discovered(ctx context.Context, d *demo) error {
	found, err := d.discover(ctx, "alice@contoso.com")
	if err != nil {
		return err
	}
	if u, err := url.Parse(found.URL); err != nil || u.Host != d.enforcing.clients {
		return fmt.Errorf("the client got the URL %q", found.URL)
	}
	if _, err := d.expect(ctx, d.enforcing, "alice@contoso.com", "", "NoError", 1); err != nil {
		return err
	}
	other, err := d.discover(ctx, "ceo@contoso.com")
	if err == nil && (other.ErrorCode != "UserNotFound" || other.URL != "") {
		err = fmt.Errorf("a mailbox that is not allowed is found: %+v", other)
	}
	if err == nil && len(d.env.hops()) > 0 {
		err = errors.New("a request reached Exchange")
	}
	return err
}

// A discovery is the JSON response to an Autodiscover request.
type discovery struct {
	URL       string `json:"Url"`
	ErrorCode string
}

// discover sends an Autodiscover request and prints it with its response.
func (d *demo) discover(ctx context.Context, mailbox string) (discovery, error) {
	target := "/autodiscover/autodiscover.json?Email=" + url.QueryEscape(mailbox) + "&Protocol=EWS"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.enforcing.clients+target, nil)
	if err != nil {
		return discovery{}, err
	}
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return discovery{}, err
	}
	defer resp.Body.Close()
	var got discovery
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		return discovery{}, err
	}
	d.env.printf("   client → proxy      GET %s\n   client ← proxy      %d %s\n", target, resp.StatusCode, strings.TrimSpace(got.URL+" "+got.ErrorCode))
	return got, nil
}
