package soap

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"hmaproxy/proxy/ews"
)

// snippets are inserted into documents at random. Parsers are known to differ
// in how they read them.
var snippets = []string{
	"<!-- -->", "<!-->", "--", "-->", "<![CDATA[", "]]>", "]]", "<![CDATA[x]]>", "<?xml version='1.0'?>", "<?x?>", "<!DOCTYPE a>",
	"&lt;", "&#64;", "&#x0;", "&#13;", "&amp", "&x;", "bob@contoso.com", "\u017f", "\u00a0", "\xff", "\xc0\xbc", "\x00", "\xEF\xBB\xBF",
	" xmlns=''", " xmlns:t=''", " xmlns:t='urn:x'", " xmlns='" + ews.TypesNS + "'", " xmlns:s='" + ews.TypesNS + "'", " xmlns:x='" + ews.EnvelopeNS + "'",
	" xsi:nil='true'", " s:actor=''", " s:mustUnderstand='1'", " a='<'", " a=\"'>\"", " xml:lang='en'", " t:a='b'",
	"<t:ExchangeImpersonation>", "</t:ExchangeImpersonation>", "<t:ConnectingSID>", "</t:ConnectingSID>",
	"<t:SmtpAddress>bob@contoso.com</t:SmtpAddress>", "<t:SID/>", "<t:MailboxCulture>", "</t:MailboxCulture>", "<s:Header>", "</s:Header>", "<s:Header/>",
	"<s:Body>", "</s:Body>", "</s:Envelope>", "<m:GetFolder>", "</m:GetFolder>", "<m:GetFolder/>", "<m:Subscribe>", "<m:PushSubscriptionRequest/>",
	"/", ">", "<", "'", "\"", "=", ":", "\r\n", "\t",
}

// mutate changes doc at one to three places.
func mutate(doc []byte, random *rand.Rand) []byte {
	doc = slices.Clone(doc)
	for range 1 + random.IntN(3) {
		at := boundary(doc, random)
		switch random.IntN(5) {
		case 0, 1:
			doc = slices.Insert(doc, at, []byte(snippets[random.IntN(len(snippets))])...)
		case 2: // removes a piece
			end := max(at, boundary(doc, random))
			doc = slices.Delete(doc, at, min(end, at+200))
		case 3: // repeats a piece
			end := max(at, boundary(doc, random))
			doc = slices.Insert(doc, at, slices.Clone(doc[at:min(end, at+500)])...)
		default:
			if at < len(doc) {
				doc[at] = byte(random.IntN(256))
			}
		}
	}
	return doc
}

// boundary returns a random index, in three of four cases next to a "<" or ">".
func boundary(doc []byte, random *rand.Rand) int {
	at := random.IntN(len(doc) + 1)
	if random.IntN(4) == 0 {
		return at
	}
	if n := bytes.IndexAny(doc[at:], "<>"); n >= 0 {
		at += n
		if doc[at] == '>' {
			at += random.IntN(2)
		}
	}
	return at
}

// keep appends a line to the file f, which is for other parsers. The line has the
// expected content of doc (the kind and value of the identity, and the operation)
// and doc in base64.
func keep(t *testing.T, f *os.File, m *ews.Request, doc []byte) {
	t.Helper()
	_, err := fmt.Fprintf(f, "%s\t%s\t%s\t%s\n", m.Identity.Kind, m.Identity.Value, m.Operation, base64.StdEncoding.EncodeToString(doc))
	if err != nil {
		t.Fatal(err)
	}
}

// TestMutants changes documents at random and checks the documents that the
// scanner accepts. HMAPROXY_MUTANTS sets the number of changed documents.
// HMAPROXY_MUTANTS_FILE names a file for the accepted documents, as input for
// other parsers. Each accepted document is written to the file with the head that
// AppendHead writes. If a policy allows the document, it is also written unchanged.
func TestMutants(t *testing.T) {
	count := 20_000
	if n, err := strconv.Atoi(os.Getenv("HMAPROXY_MUTANTS")); err == nil {
		count = n
	}
	var seeds [][]byte
	for _, dir := range []string{"testdata/good", "testdata/problem"} {
		for _, doc := range load(t, dir, "*.xml") {
			if len(doc) < 10_000 {
				seeds = append(seeds, doc)
			}
		}
	}
	slices.SortFunc(seeds, bytes.Compare)
	var out *os.File
	if name := os.Getenv("HMAPROXY_MUTANTS_FILE"); name != "" {
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		out = f
	}
	s, random, accepted := NewScanner(), rand.New(rand.NewPCG(3, uint64(count))), 0
	for range count {
		doc := mutate(seeds[random.IntN(len(seeds))], random)
		s.Reset(nil, false)
		if scan(s, doc, 0) != nil {
			continue
		}
		accepted++
		if err := agree(s, doc); err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		if err := rewrites(s, doc); err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		m := s.Request()
		if !impersonates(m) {
			if err := splices(s, doc); err != nil {
				t.Fatalf("%v\n%s", err, doc)
			}
		}
		if out == nil {
			continue
		}
		if allowsAlice(t, s) {
			keep(t, out, m, doc)
		}
		fresh := *m
		fresh.Identity = carol
		keep(t, out, &fresh, append(s.AppendHead(nil, carol), doc[m.BodyOffset:]...))
	}
	if accepted < count/100 {
		t.Errorf("only %d of %d mutants were accepted: the test shows little", accepted, count)
	}
	t.Logf("%d of %d accepted", accepted, count)
}
