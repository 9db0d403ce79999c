package proxy_test

import (
	"bytes"
	"fmt"
	"strings"

	"hmaproxy/internal/ewstest"
)

const (
	soap11 = "http://schemas.xmlsoap.org/soap/envelope/"
	types  = "http://schemas.microsoft.com/exchange/services/2006/types"
	msgs   = "http://schemas.microsoft.com/exchange/services/2006/messages"
)

// impersonation is a header block that names alice.
const impersonation = `<t:ExchangeImpersonation><t:ConnectingSID><t:SmtpAddress>alice@contoso.com</t:SmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>`

// headed returns an envelope with these header blocks.
func headed(blocks ...string) []byte { return enveloped(strings.Join(blocks, ""), getFolder) }

// enveloped returns an envelope without an XML declaration.
func enveloped(header, body string) []byte {
	return []byte(strings.TrimPrefix(ewstest.Document(header, body), ewstest.Declaration))
}

// inspectRules are the rules of the section Inspect of docs/design.md.
func inspectRules() (rules []rule) {
	text := string(headed(impersonation))
	edit := func(old, new string) []byte {
		if !strings.Contains(text, old) {
			panic("the document does not contain " + old)
		}
		return []byte(strings.Replace(text, old, new, 1))
	}
	const declaration = ewstest.Declaration
	accepted := map[string][]byte{
		"no declaration":                     []byte(text),
		"declaration":                        []byte(declaration + text),
		"declaration in upper case":          []byte(`<?xml version="1.0" encoding="UTF-8"?>` + text),
		"declaration without an encoding":    []byte(`<?xml version="1.0"?>` + text),
		"declaration that stands alone":      []byte(`<?xml version='1.0' encoding='utf-8' standalone='yes' ?>` + text),
		"byte order mark":                    []byte("\xef\xbb\xbf" + text),
		"byte order mark and declaration":    []byte("\xef\xbb\xbf" + declaration + text),
		"white space and comments around":    []byte(declaration + "\r\n<!-- x -->\n" + text + "\n<!-- y -->\t\n"),
		"white space and comments between":   edit("<soap:Header>", " <!-- x --><soap:Header>\n\t<!-- y -->"),
		"default namespaces":                 []byte(strings.ReplaceAll(strings.ReplaceAll(text, "soap:", ""), "xmlns:soap", "xmlns")),
		"other prefixes":                     []byte(strings.NewReplacer("soap:", "s-1.x:", "xmlns:soap=", "xmlns:s-1.x=", "<t:", "<_t:", "</t:", "</_t:", "xmlns:t=", "xmlns:_t=").Replace(text)),
		"prefixes declared where they are":   []byte(strings.ReplaceAll(text, "<t:ExchangeImpersonation>", `<t:ExchangeImpersonation xmlns:t="`+types+`">`)),
		"CDATA in the Body":                  edit("IdOnly", "<![CDATA[IdOnly]]>"),
		"escaped markup in the Body":         edit("IdOnly", "&lt;t:ExchangeImpersonation&gt;&amp;&#60;&apos;&quot;"),
		"characters of all planes":           edit("IdOnly", "\u00e9\u20ac\U0001F4E7\uFFFD"),
		"an envelope in CDATA":               edit("IdOnly", "<![CDATA["+text+"]]>"),
		"single quotes":                      edit(`xmlns:m="`+msgs+`"`, `xmlns:m='`+msgs+`'`),
		"96 attributes of one element":       edit("<t:BaseShape>", "<t:BaseShape"+attributes(96)+">"),
		"120 levels":                         edit("IdOnly", strings.Repeat("<t:x>", 120)+strings.Repeat("</t:x>", 120)),
		"a tag of 30 KiB":                    edit("<t:BaseShape>", `<t:BaseShape x="`+strings.Repeat("x", 30<<10)+`">`),
		"a head of 150 KiB":                  edit("<soap:Header>", "<soap:Header>"+strings.Repeat(" ", 150<<10)),
		"encodingStyle on Envelope":          edit("<soap:Envelope ", `<soap:Envelope soap:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/" `),
		"encodingStyle on Header":            edit("<soap:Header>", `<soap:Header soap:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">`),
		"encodingStyle on Body":              edit("<soap:Body>", `<soap:Body soap:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">`),
		"xml_lang on Envelope":               edit("<soap:Envelope ", `<soap:Envelope xml:lang="de" `),
		"xml_lang on Header":                 edit("<soap:Header>", `<soap:Header xml:lang="de">`),
		"xml_lang on Body":                   edit("<soap:Body>", `<soap:Body xml:lang="de">`),
		"xsi_schemaLocation on Envelope":     edit("<soap:Envelope ", `<soap:Envelope xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b" `),
		"xsi_schemaLocation on Header":       edit("<soap:Header>", `<soap:Header xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b">`),
		"xsi_schemaLocation on Body":         edit("<soap:Body>", `<soap:Body xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b">`),
		"a SOAP header of bob in a comment":  edit("<soap:Header>", "<soap:Header><!-- "+strings.ReplaceAll(impersonation, "alice", "bob")+" -->"),
		"an impersonation of bob in a value": edit("IdOnly", "&lt;t:SmtpAddress&gt;bob@contoso.com&lt;/t:SmtpAddress&gt;"),
	}
	for name, doc := range accepted {
		rules = append(rules,
			rule{name: "Accepted/" + name, request: post(doc), all: forwarded(bodyKept, audited(""), mailboxRecorded("alice@contoso.com"))},
		)
	}
	rules = append(rules, rule{name: "Accepted/in chunks", request: post(headed(impersonation)).inChunks(), all: forwarded(bodyKept)})
	for name, doc := range map[string][]byte{
		"empty":                           {},
		"no XML":                          []byte("hello"),
		"truncated":                       []byte(text[:len(text)-1]),
		"two byte order marks":            []byte("\xef\xbb\xbf\xef\xbb\xbf" + text),
		"UTF-16":                          []byte(utf16(text)),
		"a byte that is not UTF-8":        edit("IdOnly", "\xff"),
		"ISO 8859-1":                      edit("IdOnly", "caf\xe9"),
		"an overlong form":                edit("IdOnly", "\xc0\xbc"),
		"a surrogate":                     edit("IdOnly", "\xed\xa0\x80"),
		"another encoding declared":       []byte(`<?xml version="1.0" encoding="iso-8859-1"?>` + text),
		"UTF-16 declared":                 []byte(`<?xml version="1.0" encoding="utf-16"?>` + text),
		"XML 1.1":                         []byte(`<?xml version="1.1" encoding="utf-8"?>` + text),
		"declaration after white space":   []byte(" " + declaration + text),
		"declaration twice":               []byte(declaration + declaration + text),
		"DOCTYPE":                         []byte(declaration + `<!DOCTYPE x [<!ENTITY e "bob">]>` + text),
		"DOCTYPE in the Body":             edit("IdOnly", "<!DOCTYPE x>"),
		"processing instruction":          []byte(declaration + "<?x y?>" + text),
		"processing instruction inside":   edit("IdOnly", "<?x y?>"),
		"processing instruction at end":   []byte(text + "<?x y?>"),
		"name beyond ASCII":               edit("<t:BaseShape>IdOnly</t:BaseShape>", "<t:caf\u00e9/>"),
		"attribute beyond ASCII":          edit("<t:BaseShape>", "<t:BaseShape caf\u00e9=''>"),
		"undeclared prefix":               edit("<t:BaseShape>IdOnly</t:BaseShape>", "<u:BaseShape/>"),
		"undeclared prefix of attribute":  edit("<t:BaseShape>", "<t:BaseShape u:a=''>"),
		"attribute twice":                 edit("<t:BaseShape>", "<t:BaseShape a='' a=''>"),
		"attribute twice by two prefixes": edit("<t:BaseShape>", `<t:BaseShape xmlns:u="`+types+`" t:a='' u:a=''>`),
		"prefix declared twice":           edit("<t:BaseShape>", `<t:BaseShape xmlns:u="urn:a" xmlns:u="urn:b">`),
		"prefix xml bound elsewhere":      edit("<t:BaseShape>", `<t:BaseShape xmlns:xml="urn:a">`),
		"97 attributes":                   edit("<t:BaseShape>", "<t:BaseShape"+attributes(97)+">"),
		"200 levels":                      edit("IdOnly", strings.Repeat("<t:x>", 200)+strings.Repeat("</t:x>", 200)),
		"a tag of 40 KiB":                 edit("<t:BaseShape>", `<t:BaseShape x="`+strings.Repeat("x", 40<<10)+`">`),
		"a head of 170 KiB":               edit("<soap:Header>", "<soap:Header>"+strings.Repeat(" ", 170<<10)),
		"unknown entity":                  edit("IdOnly", "&nbsp;"),
		"reference to no character":       edit("IdOnly", "&#0;"),
		"a zero byte":                     edit("IdOnly", "\x00"),
		"a control character":             edit("IdOnly", "\x0b"),
		"ampersand alone":                 edit("IdOnly", "a & b"),
		"less-than in an attribute":       edit("<t:BaseShape>", "<t:BaseShape a='<'>"),
		"CDATA end in text":               edit("IdOnly", "]]>"),
		"two hyphens in a comment":        edit("IdOnly", "<!-- a -- b -->"),
		"unclosed comment":                []byte(text + "<!-- "),
		"tags that do not match":          edit("</t:BaseShape>", "</t:Baseshape>"),
		"SOAP 1.2":                        []byte(strings.ReplaceAll(text, soap11, "http://www.w3.org/2003/05/soap-envelope")),
		"no namespace":                    edit(`xmlns:soap="`+soap11+`"`, `xmlns:soap="urn:x"`),
		"another root":                    []byte(strings.ReplaceAll(text, "soap:Envelope", "soap:Envelop")),
		"two Headers":                     edit("<soap:Header>", "<soap:Header/><soap:Header>"),
		"Header after Body":               edit("</soap:Body>", "</soap:Body><soap:Header/>"),
		"two Bodies":                      edit("</soap:Body>", "</soap:Body><soap:Body>"+getFolder+"</soap:Body>"),
		"no Body":                         edit("<soap:Body>"+getFolder+"</soap:Body>", ""),
		"empty Body":                      edit(getFolder, ""),
		"another element in Envelope":     edit("<soap:Body>", "<t:x/><soap:Body>"),
		"two operations":                  edit(getFolder, getFolder+getFolder),
		"operation of another namespace":  edit(getFolder, "<t:GetFolder/>"),
		"operation of no namespace":       edit(getFolder, "<GetFolder/>"),
		"text in Envelope":                edit("<soap:Header>", "x<soap:Header>"),
		"text in Header":                  edit("<soap:Header>", "<soap:Header>x"),
		"text in Body":                    edit("<soap:Body>", "<soap:Body>x"),
		"text before the root":            []byte("x" + text),
		"text after the root":             []byte(text + "x"),
		"CDATA after the root":            []byte(text + "<![CDATA[ ]]>"),
		"element after the root":          []byte(text + "<x/>"),
		"another document after it":       []byte(text + text),
		"a SOAP element in the operation": edit("IdOnly", "<soap:Header/>"),
		"SOAP attribute on Envelope":      edit("<soap:Envelope ", `<soap:Envelope soap:actor="x" `),
	} {
		rules = append(rules, rule{
			name: "Refused/" + name, request: post(doc),
			list:  faulted("ErrorSchemaValidation", "envelope-refused"),
			audit: forwarded(unchanged, audited("envelope-refused"), mailboxRecorded("unreadable")),
			open:  forwarded(unchanged, audited(""), mailboxRecorded("unreadable")),
		})
	}
	return append(rules, holdBackRules()...)
}

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " a%d=''", i)
	}
	return b.String()
}

// utf16 encodes ASCII as little-endian UTF-16 with a byte order mark.
func utf16(s string) string {
	b := []byte{0xff, 0xfe}
	for i := range len(s) {
		b = append(b, s[i], 0)
	}
	return string(b)
}

// bodyKept expects that Exchange gets the document from "<Body" to its end
// unchanged.
func bodyKept(r *result) string {
	for _, s := range r.sent {
		if got, want := fromBody(s.body), fromBody(r.request.body); got == nil || !bytes.Equal(got, want) {
			return fmt.Sprintf("the Body changed to %.300q", got)
		}
	}
	return ""
}

// fromBody returns the part of the document that begins at the first start tag
// of a Body.
func fromBody(doc []byte) []byte {
	for at := 0; ; at += len("Body") {
		n := bytes.Index(doc[at:], []byte("Body"))
		if n < 0 {
			return nil
		}
		at += n
		if open := bytes.LastIndexByte(doc[:at], '<'); open >= 0 && !bytes.ContainsAny(doc[open+1:at], "/ >") {
			return doc[open:]
		}
	}
}

// holdBackRules are the rules about the time at which bytes are sent to Exchange. No
// byte is sent before it was scanned. The operation's end tag and the bytes after it
// are sent only after the whole document was accepted.
func holdBackRules() []rule {
	long := string(envelope("alice@contoso.com", createItem(400<<10)))
	turned := strings.Replace(long, "QUJDREVGQUJDREVG</t:MimeContent>", "<!DOCTYPE x></t:MimeContent>", 1)
	early := strings.Replace(long, "<t:MimeContent>U3Vi", "<t:MimeContent><?x ?>", 1)
	list := faulted("ErrorSchemaValidation", "envelope-refused")
	return []rule{
		{name: "Hold-back/long body", request: post([]byte(long)), all: forwarded(bodyKept, audited(""))},
		{name: "Hold-back/long body in chunks", request: post([]byte(long)).inChunks(), all: forwarded(bodyKept, audited(""))},
		{name: "Hold-back/violation late in a long body", request: post([]byte(turned)), list: list.and(notSent("DOCTYPE")),
			audit: forwarded(bodyKept, audited("envelope-refused")), open: forwarded(unchanged)},
		{name: "Hold-back/violation late in chunks", request: post([]byte(turned)).inChunks(), list: list.and(notSent("DOCTYPE")),
			audit: forwarded(bodyKept, audited("envelope-refused")), open: forwarded(unchanged)},
		{name: "Hold-back/violation early in a long body", request: post([]byte(early)), list: list.and(notSent("<m:CreateItem")),
			audit: forwarded(unchanged, audited("envelope-refused")), open: forwarded(unchanged)},
		{name: "Hold-back/junk after a long document", request: post([]byte(long + "x")), list: list.and(notSent("</m:CreateItem>")),
			audit: forwarded(bodyKept, audited("envelope-refused")), open: forwarded(unchanged)},
		{name: "Hold-back/long document without its end", request: post([]byte(strings.TrimSuffix(long, "</soap:Envelope>"))), list: list.and(notSent("</m:CreateItem>")),
			audit: forwarded(bodyKept, audited("envelope-refused")), open: forwarded(unchanged)},
		{name: "Hold-back/white space after a long document", request: post([]byte(long + strings.Repeat(" \r\n", 10000))), all: forwarded(bodyKept)},
		{name: "Hold-back/second operation after a long one", request: post([]byte(strings.Replace(long, "</m:CreateItem>", "</m:CreateItem><m:AddDelegate/>", 1))), list: list.and(notSent("AddDelegate"), notSent("</m:CreateItem>"))},
	}
}

// notSent expects that the text does not reach Exchange.
func notSent(text string) func(*result) string {
	return func(r *result) string {
		for _, s := range r.sent {
			if bytes.Contains(s.body, []byte(text)) {
				return fmt.Sprintf("Exchange got %q", text)
			}
		}
		return ""
	}
}
