package proxy_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"

	"hmaproxy/proxy/policy"
)

// rewriteRules are the rules of the section Rewrite of docs/design.md.
func rewriteRules() (rules []rule) {
	const version, culture = `<t:RequestServerVersion Version="Exchange2013_SP1"/>`, "<t:MailboxCulture>de-DE</t:MailboxCulture>"
	odd := []byte("\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x --><s:Envelope xmlns:s=\"" + soap11 + "\" xmlns:t=\"" + types + "\" s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\" xmlns='urn:x'>" +
		"<!-- y --><s:Header>\n" + culture + "<!-- z --><x/>" + impersonation + version + "\n</s:Header> <s:Body  >" +
		`<m:GetFolder xmlns:m="` + msgs + `"><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape></m:GetFolder></s:Body > </s:Envelope >` + "\n<!-- end -->")
	unnamed := func(c *policy.Config) { c.DefaultMailbox = "alice@contoso.com" }
	plain := string(headed())
	for name, doc := range map[string]string{
		"with a Header":       plain,
		"with header blocks":  string(headed(version, culture)),
		"without a Header":    strings.Replace(plain, "<soap:Header></soap:Header>", "", 1),
		"with an empty tag":   strings.Replace(plain, "<soap:Header></soap:Header>", "<soap:Header />", 1),
		"default namespaces":  `<Envelope xmlns="` + soap11 + `"><Body><GetFolder xmlns="` + msgs + `"><FolderIds/></GetFolder></Body></Envelope>`,
		"prefix t is another": `<t:Envelope xmlns:t="` + soap11 + `"><t:Header/><t:Body><GetFolder xmlns="` + msgs + `"><FolderIds/></GetFolder></t:Body></t:Envelope>`,
		"long":                string(envelope("", createItem(400<<10))),
	} {
		rules = append(rules, rule{name: "Default mailbox/" + name, policy: unnamed, request: post([]byte(doc)),
			list: forwarded(bodyKept, rewritten, impersonates("SmtpAddress alice@contoso.com"), mailboxRecorded("alice@contoso.com")),
			all:  forwarded(bodyKept, impersonates("SmtpAddress alice@contoso.com"), mailboxRecorded("alice@contoso.com"))})
	}
	return append(rules,
		rule{name: "Head/as most clients write it", request: post(headed(version, impersonation)),
			list: forwarded(bodyKept, rewritten, headerBlocks("RequestServerVersion", "ExchangeImpersonation")), audit: forwarded(bodyKept, rewritten), open: forwarded(unchanged)},
		rule{name: "Head/as odd as it may be", request: post(odd),
			list: forwarded(bodyKept, rewritten, headerBlocks("MailboxCulture", "RequestServerVersion", "ExchangeImpersonation")), audit: forwarded(bodyKept, rewritten), open: forwarded(unchanged)},
		rule{name: "Head/of a long request", request: post(envelope("alice@contoso.com", createItem(400<<10))),
			list: forwarded(bodyKept, rewritten), open: forwarded(unchanged)},
		rule{name: "Head/in the spelling of the list", request: post(headed(strings.ReplaceAll(impersonation, "alice", "ALICE"))),
			list: forwarded(rewritten, impersonates("SmtpAddress alice@contoso.com")), open: forwarded(unchanged)},
		rule{name: "Head/off the list in audit mode", request: post(headed(strings.ReplaceAll(impersonation, "alice", "bob"))),
			audit: forwarded(bodyKept, impersonates("SmtpAddress bob@contoso.com"), audited("mailbox-not-allowed"))},
	)
}

// rewritten expects that the XML declaration and all tags before the Body were
// written by hmaproxy.
func rewritten(r *result) string {
	for _, s := range r.sent {
		head := s.body[:len(s.body)-len(fromBody(s.body))]
		if !bytes.HasPrefix(head, []byte(`<?xml version="1.0" encoding="utf-8"?><`)) {
			return fmt.Sprintf("the prolog is the client's: %.100q", head)
		}
		if bytes.Contains(head, []byte("<!--")) || bytes.ContainsAny(head, "\r\n\t") {
			return fmt.Sprintf("the head has comments or white space of the client: %q", head)
		}
		var envelope struct {
			XMLName xml.Name
			Attrs   []xml.Attr `xml:",any,attr"`
		}
		if err := xml.Unmarshal(s.body, &envelope); err != nil {
			return err.Error()
		}
		for _, a := range envelope.Attrs {
			if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
				return "the Envelope has the attribute " + a.Name.Local
			}
		}
		blocks, err := readBlocks(s.body)
		if err != nil {
			return err.Error()
		}
		for _, b := range blocks {
			if b.XMLName.Space != types || b.prefixes == 0 {
				return fmt.Sprintf("the block %v does not declare its prefix", b.XMLName)
			}
		}
	}
	return ""
}

type block struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	prefixes int
}

func readBlocks(doc []byte) ([]block, error) {
	var envelope struct {
		Header struct {
			Blocks []block `xml:",any"`
		}
	}
	if err := xml.Unmarshal(bytes.TrimPrefix(doc, []byte("\xef\xbb\xbf")), &envelope); err != nil {
		return nil, err
	}
	blocks := envelope.Header.Blocks
	for i := range blocks {
		for _, a := range blocks[i].Attrs {
			if a.Name.Space == "xmlns" && a.Value == types {
				blocks[i].prefixes++
			}
		}
	}
	return blocks, nil
}

// headerBlocks expects these header blocks at Exchange, in any order.
func headerBlocks(names ...string) func(*result) string {
	return func(r *result) string {
		for _, s := range r.sent {
			blocks, err := readBlocks(s.body)
			if err != nil {
				return err.Error()
			}
			left := append([]string(nil), names...)
			for _, b := range blocks {
				found := false
				for i, name := range left {
					if name == b.XMLName.Local {
						left, found = append(left[:i:i], left[i+1:]...), true
						break
					}
				}
				if !found {
					return fmt.Sprintf("Exchange gets the header block %v", b.XMLName)
				}
			}
			if len(left) > 0 {
				return fmt.Sprintf("Exchange does not get %v", left)
			}
		}
		return ""
	}
}
