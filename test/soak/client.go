package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/ewstest"
)

const gaveUp = "the client gave up"

// A client sends one request after another.
type client struct {
	*soak
	number int
	random *rand.Rand
	http   *http.Client
	sent   int
}

func (c *client) run(ctx context.Context) {
	defer c.http.CloseIdleConnections()
	for ctx.Err() == nil {
		c.once()
		time.Sleep(time.Duration(c.random.IntN(20)) * time.Millisecond)
	}
}

// The method "once" sends a message of random size or a small request. Sometimes it
// disconnects before the response.
func (c *client) once() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	impatient := c.random.IntN(25) == 0
	if impatient {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(c.random.IntN(60))*time.Millisecond)
		defer cancel()
	}
	began := time.Now()
	subject, operation := "", askFolder
	if c.random.IntN(5) > 0 {
		c.sent++
		subject = fmt.Sprintf("message %d of client %d", c.sent, c.number)
		operation = create(subject, c.size())
	}
	text := envelope(operation)
	c.ledger.promise(subject, emulator.BodySHA256([]byte(text), "soap"))
	o, reason := c.post(ctx, text)
	if impatient && ctx.Err() != nil && o == unknown {
		reason = gaveUp
	}
	c.ledger.settle(subject, o, reason, began)
}

// size returns mostly small sizes, sometimes one that is buffered for a replay, and
// sometimes one that is too large for that.
func (c *client) size() int {
	switch c.random.IntN(10) {
	case 0:
		return 300<<10 + c.random.IntN(1<<20)
	case 1, 2:
		return c.random.IntN(256 << 10)
	}
	return c.random.IntN(2 << 10)
}

// post sends a request and returns the outcome that its response shows. reason is
// empty for success.
func (c *client) post(ctx context.Context, text string) (o outcome, reason string) {
	var body io.Reader = strings.NewReader(text)
	if c.random.IntN(4) == 0 {
		body = io.MultiReader(body) // a reader without a known length, so the body is chunked
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.address+"/EWS/Exchange.asmx", body)
	if err != nil {
		return never, err.Error()
	}
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	resp, err := c.http.Do(req)
	if err != nil {
		return unknown, "connection broken before the response"
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	switch reason := resp.Header.Get("X-Hmaproxy-Error"); {
	case err != nil:
		return unknown, "connection broken in the response"
	case strings.Contains(string(content), "eyJ"):
		c.ledger.complain("a response contains a token")
		return unknown, "leak"
	case resp.StatusCode == http.StatusOK && strings.Contains(string(content), "NoError") && strings.HasSuffix(string(content), "Envelope>"):
		return done, ""
	case reason == "no-token", reason == "upstream-unreachable", reason == "upstream-401":
		return never, reason
	case reason != "":
		return unknown, reason
	}
	return unknown, fmt.Sprint("Exchange's own ", resp.StatusCode)
}

const askFolder = `<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape><m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>`

func create(subject string, size int) string {
	return `<m:CreateItem MessageDisposition="SaveOnly"><m:Items><t:Message><t:MimeContent>` + strings.Repeat("QUJD", size/4) +
		`</t:MimeContent><t:Subject>` + subject + `</t:Subject></t:Message></m:Items></m:CreateItem>`
}

// envelope returns a request that impersonates alice.
func envelope(operation string) string { return ewstest.Envelope(mailbox, operation) }
