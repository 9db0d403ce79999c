package doctor

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"

	"hmaproxy/internal/lazyregexp"
	"hmaproxy/internal/printable"
)

const (
	envelopeHead = `<?xml version="1.0" encoding="utf-8"?>` +
		`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types" xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages">` +
		`<s:Header><t:RequestServerVersion Version="Exchange2013_SP1"/>`
	envelopeImpersonation = `<t:ExchangeImpersonation><t:ConnectingSID><t:SmtpAddress>%s</t:SmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>`
	envelopeRest          = `</s:Header><s:Body><m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>` +
		`<m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder></s:Body></s:Envelope>`
)

// getFolder uses the token to request the id of a mailbox's inbox. An empty
// mailbox means that the request names no mailbox; Exchange refuses such a
// request, but only after it has accepted the token.
func getFolder(ctx context.Context, s *session, f *facts, mailbox string) ewsResponse {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := newGetFolder(ctx, f, mailbox)
	if err != nil {
		return ewsResponse{sent: true, err: err}
	}
	return sendEWS(s, req)
}

// newGetFolder returns the request that getFolder sends.
func newGetFolder(ctx context.Context, f *facts, mailbox string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.config.EWS.String(), strings.NewReader(getFolderEnvelope(mailbox)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	req.Header.Set("User-Agent", "hmaproxy-doctor")
	req.Header.Set("Authorization", "Bearer "+string(f.token.grant().Token))
	if mailbox != "" {
		req.Header.Set("X-AnchorMailbox", mailbox)
	}
	return req, nil
}

// sendEWS sends a request with the transport that the product uses.
func sendEWS(s *session, req *http.Request) ewsResponse {
	transport, err := s.clients.Exchange()
	if err != nil {
		return ewsResponse{sent: true, err: err}
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	return readEWSResponse(client.Do(req))
}

func getFolderEnvelope(mailbox string) string {
	impersonation := ""
	if mailbox != "" {
		var escaped bytes.Buffer
		_ = xml.EscapeText(&escaped, []byte(mailbox)) // a Buffer returns no error
		impersonation = fmt.Sprintf(envelopeImpersonation, escaped.String())
	}
	return envelopeHead + impersonation + envelopeRest
}

var responseCode = lazyregexp.New(`<(?:[A-Za-z0-9]+:)?ResponseCode[^>]*>\s*([A-Za-z0-9]{1,80})\s*<`)

func readEWSResponse(resp *http.Response, err error) ewsResponse {
	if err != nil {
		return ewsResponse{sent: true, err: err}
	}
	defer resp.Body.Close()
	r := ewsResponse{sent: true, status: resp.StatusCode, header: resp.Header}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody)) // if the body ends early, the part received is evaluated
	if m := responseCode().FindSubmatch(body); m != nil {
		r.code = string(m[1])
	}
	return r
}

// accepted reports whether there was a response with a status other than 401. If
// code is "", another program may have sent the response.
func (r ewsResponse) accepted() bool {
	return r.sent && r.err == nil && r.status != http.StatusUnauthorized
}

// describe returns a text about the response.
func (r ewsResponse) describe() string {
	s := fmt.Sprintf("Exchange returned %d", r.status)
	if r.code != "" {
		s += " " + r.code
	}
	if server := r.header.Get("X-Feserver"); server != "" {
		s += " (server " + printable.Short(server, 40)
		if id := r.header.Get("Request-Id"); id != "" {
			s += ", request-id " + printable.Short(id, 40)
		}
		s += ")"
	}
	return s
}
