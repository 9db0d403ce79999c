package exchange

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net/mail"
	"regexp"
	"strings"
)

// readMIME sets fields that are not set yet from the header of MimeContent. It
// also sets the body if the message consists of one text part.
func readMIME(i *item) {
	content := i.field("MimeContent")
	if content == nil {
		return
	}
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(content.text), ""))
	if err != nil {
		return
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return
	}
	decode := func(s string) string {
		if text, err := new(mime.WordDecoder).DecodeHeader(s); err == nil {
			return text
		}
		return s
	}
	fill := func(n *node) {
		if i.field(n.name.Local) == nil {
			i.set(n)
		}
	}
	fill(leaf("Subject", decode(m.Header.Get("Subject"))))
	if id := m.Header.Get("Message-Id"); id != "" {
		fill(leaf("InternetMessageId", id))
	}
	for header, field := range map[string]string{"To": "ToRecipients", "Cc": "CcRecipients", "Bcc": "BccRecipients"} {
		if list, err := m.Header.AddressList(header); err == nil {
			fill(branch(field, mailboxNodes(list)...))
		}
	}
	if list, err := m.Header.AddressList("From"); err == nil {
		fill(branch("From", mailboxNodes(list)[0]))
	}
	if kind, _, _ := mime.ParseMediaType(m.Header.Get("Content-Type")); kind == "" || kind == "text/plain" {
		text, _ := io.ReadAll(m.Body)
		fill(leaf("Body", string(text)).with("BodyType", "Text"))
	}
}

func mailboxNodes(list []*mail.Address) []*node {
	var nodes []*node
	for _, a := range list {
		nodes = append(nodes, branch("Mailbox", leaf("Name", a.Name), leaf("EmailAddress", a.Address), leaf("RoutingType", "SMTP")))
	}
	return nodes
}

// mimeOf returns the MIME content of an item that was not created from MIME.
func mimeOf(i *item) string {
	var b bytes.Buffer
	address := func(header string, list []*node) {
		var parts []string
		for _, n := range list {
			parts = append(parts, (&mail.Address{Name: n.value("Name"), Address: n.value("EmailAddress")}).String())
		}
		if len(parts) > 0 {
			fmt.Fprintf(&b, "%s: %s\r\n", header, strings.Join(parts, ", "))
		}
	}
	address("From", i.recipients("From"))
	address("To", i.recipients("ToRecipients"))
	address("Cc", i.recipients("CcRecipients"))
	fmt.Fprintf(&b, "Subject: %s\r\nDate: %s\r\nMessage-ID: <%d@contoso.com>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n",
		mime.QEncoding.Encode("utf-8", i.subject()), i.created.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"), i.number(), plainBody(i))
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

var markup = regexp.MustCompile(`<[^>]*>`)

// plainBody returns the body without its markup.
func plainBody(i *item) string {
	body := i.field("Body")
	if body == nil {
		return ""
	}
	if strings.EqualFold(body.attribute("", "BodyType"), "HTML") {
		return strings.TrimSpace(markup.ReplaceAllString(body.text, ""))
	}
	return body.text
}
