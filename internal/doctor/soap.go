package doctor

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
)

// An answer is what Exchange said to GetFolder.
type answer struct {
	status int
	header http.Header
	code   string // EWS response code, "" where there was none
	err    error
}

const (
	envelopeHead = `<?xml version="1.0" encoding="utf-8"?>` +
		`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types" xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages">` +
		`<s:Header><t:RequestServerVersion Version="Exchange2013_SP1"/>`
	envelopeAs   = `<t:ExchangeImpersonation><t:ConnectingSID><t:SmtpAddress>%s</t:SmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>`
	envelopeRest = `</s:Header><s:Body><m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>` +
		`<m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder></s:Body></s:Envelope>`
)

// ask asks for the inbox's id with the token, as a mailbox or, with "", as
// nobody, which Exchange refuses only after it has accepted the token.
func (x *examination) ask(ctx context.Context, mailbox string) answer {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var body strings.Builder
	body.WriteString(envelopeHead)
	if mailbox != "" {
		var escaped bytes.Buffer
		_ = xml.EscapeText(&escaped, []byte(mailbox)) // a Buffer takes all
		fmt.Fprintf(&body, envelopeAs, escaped.String())
	}
	body.WriteString(envelopeRest)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.config.EWS.String(), strings.NewReader(body.String()))
	if err != nil {
		return answer{err: err}
	}
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	req.Header.Set("User-Agent", "hmaproxy-doctor")
	req.Header.Set("Authorization", "Bearer "+string(x.grant.Token))
	if mailbox != "" {
		req.Header.Set("X-AnchorMailbox", mailbox)
	}
	transport, err := x.clients.Exchange()
	if err != nil {
		return answer{err: err}
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	return readAnswer(client.Do(req))
}

var responseCode = regexp.MustCompile(`<(?:[A-Za-z0-9]+:)?ResponseCode[^>]*>\s*([A-Za-z0-9]{1,80})\s*<`)

func readAnswer(resp *http.Response, err error) answer {
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // what came is judged
	if m := responseCode.FindSubmatch(body); m != nil {
		a.code = string(m[1])
	}
	return a
}

// describe names the answer for people.
func (a answer) describe() string {
	s := fmt.Sprintf("Exchange answered %d", a.status)
	if a.code != "" {
		s += " " + a.code
	}
	if server := a.header.Get("X-Feserver"); server != "" {
		s += " (server " + printable(server, 40)
		if id := a.header.Get("Request-Id"); id != "" {
			s += ", request-id " + printable(id, 40)
		}
		s += ")"
	}
	return s
}
