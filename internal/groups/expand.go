package groups

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

// Limits of one expansion of all groups.
const (
	maxDepth    = 8       // depth of nested groups
	maxMembers  = 20_000  // number of mailboxes in all groups together
	maxGroups   = 1_000   // number of groups, nested groups included; each takes one request
	maxResponse = 8 << 20 // bytes of one response; 20,000 members take 5 MB
)

// A TokenSource supplies the access token for requests to Exchange. It is safe for
// concurrent use.
type TokenSource interface {
	// Token returns a usable token. It blocks only while there is no usable
	// token, and returns ctx.Err() when ctx ends first.
	Token(ctx context.Context) (string, error)
}

// An Expander asks Exchange for the members of groups.
type Expander struct {
	EWS       *url.URL          // URL of Exchange's endpoint
	Transport http.RoundTripper // transport to Exchange
	Tokens    TokenSource
	As        string // the mailbox to impersonate, whose user must see the groups in the address book
}

// Members are the mailboxes in groups, with nested groups expanded.
type Members struct {
	Mailboxes []string // primary SMTP addresses, as Exchange writes them, without duplicates
	Nested    int      // number of nested groups
	Skipped   int      // number of members that are not mailboxes in this organisation: contacts, public folders, addresses that an allow-list does not accept
}

// Expand returns the members of groups. It sends one request at a time. If one
// group fails, Expand fails, because an allow-list without the members of that
// group would refuse these members. A configured group without members is an
// error too, because Exchange reports an unknown group as a group without
// members.
func (e *Expander) Expand(ctx context.Context, groups []string) (Members, error) {
	x := expansion{expander: e, ctx: ctx, seen: map[string]bool{}, mailboxes: map[string]bool{}}
	for _, group := range groups {
		before := x.found
		if err := x.expand(group, 1); err != nil {
			return Members{}, fmt.Errorf("group %s: %w", group, err)
		}
		if x.found == before {
			return Members{}, fmt.Errorf("group %s: Exchange reports no members: it is empty or hidden, or the address is not that of a mail-enabled group", group)
		}
	}
	return x.members, nil
}

// An expansion is one call of Expand.
type expansion struct {
	expander  *Expander
	ctx       context.Context
	members   Members
	seen      map[string]bool // groups that were expanded, in lower case
	mailboxes map[string]bool // addresses that were added, in lower case
	found     int             // number of members of any kind, including duplicates
}

// expand adds the members of a group and of its nested groups. A group that was
// expanded before adds no members, and is not an error.
func (x *expansion) expand(group string, depth int) error {
	key := strings.ToLower(group)
	if x.seen[key] {
		x.found++
		return nil
	}
	x.seen[key] = true
	switch {
	case depth > maxDepth:
		return fmt.Errorf("groups are nested more than %d deep", maxDepth)
	case len(x.seen) > maxGroups:
		return fmt.Errorf("there are more than %d groups", maxGroups)
	}
	entries, err := x.expander.request(x.ctx, group)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		x.found++
		if err := x.add(entry, depth); err != nil {
			return err
		}
	}
	return nil
}

func (x *expansion) add(entry entry, depth int) error {
	switch entry.MailboxType {
	case "Mailbox":
		address, err := policy.ParseAddress(entry.EmailAddress)
		if err != nil || entry.RoutingType != "SMTP" && entry.RoutingType != "" {
			x.members.Skipped++
			return nil
		}
		if key := strings.ToLower(address); !x.mailboxes[key] {
			x.mailboxes[key] = true
			x.members.Mailboxes = append(x.members.Mailboxes, address)
		}
		if len(x.members.Mailboxes) > maxMembers {
			return fmt.Errorf("the groups have more than %d mailboxes", maxMembers)
		}
	case "PublicDL": // Exchange does not expand nested groups itself
		x.members.Nested++
		if err := x.expand(entry.EmailAddress, depth+1); err != nil {
			return fmt.Errorf("nested group: %w", err)
		}
	default:
		x.members.Skipped++
	}
	return nil
}

// An entry is a member as Exchange reports it.
type entry struct {
	EmailAddress string `xml:"EmailAddress"`
	RoutingType  string `xml:"RoutingType"`
	MailboxType  string `xml:"MailboxType"`
}

// expandResponse contains the elements of Exchange's response that are used.
type expandResponse struct {
	Fault *struct {
		Code string `xml:"detail>ResponseCode"`
	} `xml:"Body>Fault"`
	Message *struct {
		Class     string `xml:"ResponseClass,attr"`
		Code      string `xml:"ResponseCode"`
		Expansion *struct {
			Complete string  `xml:"IncludesLastItemInRange,attr"`
			Entries  []entry `xml:"Mailbox"`
		} `xml:"DLExpansion"`
	} `xml:"Body>ExpandDLResponse>ResponseMessages>ExpandDLResponseMessage"`
}

// request returns the direct members of one group, which it requests from Exchange.
func (e *Expander) request(ctx context.Context, group string) ([]entry, error) {
	if _, err := policy.ParseAddress(group); err != nil {
		return nil, errors.New("its address is not an SMTP address")
	}
	token, err := e.Tokens.Token(ctx)
	if err != nil {
		return nil, fmt.Errorf("no access token: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.EWS.String(), bytes.NewReader(e.envelope(group)))
	if err != nil {
		return nil, err
	}
	req.Pattern = "ExpandDL" // the transport chooses the timeout by the Pattern
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	req.Header.Set("X-AnchorMailbox", e.As)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := e.Transport.RoundTrip(req)
	if err != nil {
		return nil, errors.New("no response from Exchange: " + withoutToken(err, token))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusInternalServerError {
		return nil, fmt.Errorf("response of Exchange: status %d", resp.StatusCode)
	}
	return readResponse(resp.Body)
}

// withoutToken returns the text of a transport error. It replaces a text that
// contains the token or quotes data, because quoted data may be part of the
// token.
func withoutToken(err error, token string) string {
	if text := err.Error(); !strings.Contains(text, token) && !strings.Contains(text, `"`) {
		return text
	}
	return "malformed HTTP response"
}

// readResponse returns the members in a response.
func readResponse(body io.Reader) ([]entry, error) {
	text, err := io.ReadAll(io.LimitReader(body, maxResponse+1))
	if err != nil {
		return nil, errors.New("the response of Exchange is cut off")
	}
	if len(text) > maxResponse {
		return nil, fmt.Errorf("the response of Exchange is longer than %d MB", maxResponse>>20)
	}
	var r expandResponse
	if err := xml.Unmarshal(text, &r); err != nil {
		return nil, errors.New("the response is not a SOAP envelope")
	}
	switch {
	case r.Fault != nil:
		return nil, errors.New("the operation ExpandDL responds with " + code(r.Fault.Code))
	case r.Message == nil:
		return nil, errors.New("the response is not one of ExpandDL")
	case r.Message.Class != "Success" || r.Message.Code != "NoError":
		return nil, errors.New("the operation ExpandDL responds with " + code(r.Message.Code))
	case r.Message.Expansion == nil:
		return nil, nil
	case r.Message.Expansion.Complete != "true":
		return nil, errors.New("the response of Exchange holds only a part of the members")
	}
	return r.Message.Expansion.Entries, nil
}

// code returns the response code s if it is short and consists of letters. For
// other texts, which must not be logged, it returns "an error".
func code(s string) string {
	if len(s) > 64 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") != "" || s == "" {
		return "an error"
	}
	return s
}

// envelope returns the request for a group. The addresses e.As and group conform
// to the grammar of package policy, which permits characters that XML must
// escape.
func (e *Expander) envelope(group string) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="` + ews.EnvelopeNS + `" xmlns:t="` + ews.TypesNS + `" xmlns:m="` + ews.MessagesNS +
		`"><s:Header><t:RequestServerVersion Version="Exchange2013"/><t:ExchangeImpersonation><t:ConnectingSID><t:SmtpAddress>`)
	_ = xml.EscapeText(&b, []byte(e.As)) // a Buffer does not fail
	b.WriteString(`</t:SmtpAddress></t:ConnectingSID></t:ExchangeImpersonation></s:Header><s:Body><m:ExpandDL><m:Mailbox><t:EmailAddress>`)
	_ = xml.EscapeText(&b, []byte(group))
	b.WriteString(`</t:EmailAddress></m:Mailbox></m:ExpandDL></s:Body></s:Envelope>`)
	return b.Bytes()
}
