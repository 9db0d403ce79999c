package soap

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hmaproxy/proxy/ews"
)

var carol = ews.Identity{Kind: ews.SmtpAddress, Value: `carol&<"'>@example.org`}

// rewrites returns an error unless AppendHead writes a correct head for a document
// that s has accepted.
func rewrites(s *Scanner, doc []byte) error {
	m := s.Request()
	fresh := s.AppendHead(nil, carol)
	whole := append(fresh[:len(fresh):len(fresh)], doc[m.BodyOffset:]...)
	t := NewScanner()
	if err := scan(t, whole, 0); err != nil {
		return fmt.Errorf("scanned again: %w\n%s", err, fresh)
	}
	if err := agree(t, whole); err != nil {
		return fmt.Errorf("scanned again: %w\n%s", err, fresh)
	}
	n := t.Request()
	if n.Identity != carol || n.Operation != m.Operation || n.Push != m.Push || n.BodyOffset != int64(len(fresh)) {
		return fmt.Errorf("became %+v\n%s", n, fresh)
	}
	if again := t.AppendHead(nil, carol); !bytes.Equal(again, fresh) {
		return fmt.Errorf("not the same when written again:\n%s\n%s", fresh, again)
	}
	before, err := read(doc)
	if err != nil {
		return err
	}
	after, err := read(whole)
	if err != nil {
		return err
	}
	if !slices.Equal(before.body, after.body) {
		return errors.New("another Body")
	}
	return sameBlocks(m, n, before, after)
}

// sameBlocks compares the header blocks that AppendHead wrote (n and after) with
// the client's (m and before). AppendHead must write exactly the known blocks
// without a Problem, the first of each kind, with unchanged content.
func sameBlocks(m, n *ews.Request, before, after reading) error {
	var want, got []string
	for i, b := range m.Blocks {
		known := b.Space == ews.TypesNS && !b.Nil && slices.Contains(blockNames[versionBlock:], b.Name)
		first := !slices.ContainsFunc(m.Blocks[:i], func(o ews.HeaderBlock) bool {
			return o.Space == b.Space && o.Name == b.Name && o.Problem == "" && !o.Nil
		})
		if known && first && b.Problem == "" {
			want = append(want, before.contents[i])
		}
	}
	for i, b := range n.Blocks {
		if b.Problem != "" {
			return fmt.Errorf("a problem in what was written: %+v", b)
		}
		if b.Name != "ExchangeImpersonation" {
			got = append(got, after.contents[i])
		}
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("blocks\n%q, want\n%q", got, want)
	}
	return nil
}

// splices returns an error unless AppendSpliced writes a correct head for a
// document that s has accepted and that names no mailbox.
func splices(s *Scanner, doc []byte) error {
	m := s.Request()
	head := doc[:m.BodyOffset]
	longer := s.AppendSpliced(nil, head, carol)
	whole := append(longer[:len(longer):len(longer)], doc[m.BodyOffset:]...)
	t := NewScanner()
	if err := scan(t, whole, 0); err != nil {
		return fmt.Errorf("scanned again: %w\n%s", err, longer)
	}
	if err := agree(t, whole); err != nil {
		return fmt.Errorf("scanned again: %w\n%s", err, longer)
	}
	n := t.Request()
	if n.Identity != carol || n.Operation != m.Operation || len(n.Blocks) != len(m.Blocks)+1 ||
		len(m.Blocks) > 0 && !reflect.DeepEqual(n.Blocks[:len(m.Blocks)], m.Blocks) {
		return fmt.Errorf("became %+v\n%s", n, longer)
	}
	before, after := 0, 0
	for before < len(head) && head[before] == longer[before] {
		before++
	}
	for after < len(head) && head[len(head)-1-after] == longer[len(longer)-1-after] {
		after++
	}
	if before+after < len(head)-1 { // 1 for the slash of <Header/>, which the rewriting removes
		return fmt.Errorf("more than an insertion:\n%s\n%s", head, longer)
	}
	return nil
}

func impersonates(m *ews.Request) bool {
	return slices.ContainsFunc(m.Blocks, func(b ews.HeaderBlock) bool {
		return b.Space == ews.TypesNS && b.Name == "ExchangeImpersonation"
	})
}

func TestRewrite(t *testing.T) {
	for name, doc := range documents(t) {
		s := NewScanner()
		if scan(s, doc, 0) != nil {
			continue
		}
		if err := rewrites(s, doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if impersonates(s.Request()) {
			continue
		}
		if err := splices(s, doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAppendHead(t *testing.T) {
	doc := `<a:Envelope xmlns:a="` + ews.EnvelopeNS + `" Id="e" xmlns='urn:d'  xmlns:q="http://h/?a=1&amp;b=2" a:encodingStyle="">
 <a:Header Id="h"><x:Other xmlns:x="urn:x"/>
  <v:RequestServerVersion xmlns:v="` + ews.TypesNS + `" Version="Exchange2013" a:mustUnderstand="1"/>
  <v:RequestServerVersion xmlns:v="` + ews.TypesNS + `" Version="Exchange2016"/>
  <v:MailboxCulture xmlns:v="` + ews.TypesNS + `"> nl-BE </v:MailboxCulture>
  <v:DateTimePrecision xmlns:v="` + ews.TypesNS + `">Never</v:DateTimePrecision>
 </a:Header><a:Body><GetRooms xmlns="` + ews.MessagesNS + `"/></a:Body></a:Envelope>`
	want := `<?xml version="1.0" encoding="utf-8"?><a:Envelope xmlns:a="` + ews.EnvelopeNS + `" xmlns="urn:d" xmlns:q="http://h/?a=1&amp;b=2">` +
		`<a:Header><t:RequestServerVersion xmlns:t="` + ews.TypesNS + `" Version="Exchange2013"/>` +
		`<t:MailboxCulture xmlns:t="` + ews.TypesNS + `">nl-BE</t:MailboxCulture>`
	who := `<t:ExchangeImpersonation xmlns:t="` + ews.TypesNS + `"><t:ConnectingSID><t:PrincipalName>a&amp;b@c</t:PrincipalName></t:ConnectingSID></t:ExchangeImpersonation>`
	s := NewScanner()
	if err := scan(s, []byte(doc), 7); err != nil {
		t.Fatal(err)
	}
	if got := string(s.AppendHead(nil, ews.Identity{Kind: ews.PrincipalName, Value: "a&b@c"})); got != want+who+`</a:Header>` {
		t.Errorf("got\n%s, want\n%s", got, want+who+`</a:Header>`)
	}
	if got := string(s.AppendHead([]byte("x"), ews.Identity{})); got != "x"+want+`</a:Header>` {
		t.Errorf("without an identity: got\n%s", got)
	}
}

func TestAppendSpliced(t *testing.T) {
	const (
		env  = `<s:Envelope xmlns:s="` + ews.EnvelopeNS + `">`
		bare = `<Envelope xmlns="` + ews.EnvelopeNS + `">`
		who  = `<t:ExchangeImpersonation xmlns:t="` + ews.TypesNS + `"><t:ConnectingSID><t:SID>S-1-5-21-1</t:SID></t:ConnectingSID></t:ExchangeImpersonation>`
	)
	for _, c := range []struct{ name, head, want string }{
		{"header", env + `<s:Header> <x:a xmlns:x="urn:x"/> </s:Header> `, env + `<s:Header> <x:a xmlns:x="urn:x"/> ` + who + `</s:Header> `},
		{"empty header", env + `<s:Header></s:Header>`, env + `<s:Header>` + who + `</s:Header>`},
		{"self-closed", env + `<s:Header/>`, env + `<s:Header>` + who + `</s:Header>`},
		{"self-closed with attributes", env + ` <s:Header a="/>" /><!-- > -->`, env + ` <s:Header a="/>" >` + who + `</s:Header><!-- > -->`},
		{"self-closed under another prefix", env + `<q:Header xmlns:q="` + ews.EnvelopeNS + `"/>`, env + `<q:Header xmlns:q="` + ews.EnvelopeNS + `">` + who + `</q:Header>`},
		{"none", env + "\n", env + "\n<s:Header>" + who + `</s:Header>`},
		{"none, default namespace", "\xEF\xBB\xBF" + bare, "\xEF\xBB\xBF" + bare + `<Header>` + who + `</Header>`},
		{"none, comment before", env + `<!-- <s:Header/> -->`, env + `<!-- <s:Header/> --><s:Header>` + who + `</s:Header>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := ""
			if strings.Contains(c.head, "s:Envelope") {
				p = "s:"
			}
			doc := []byte(c.head + "<" + p + `Body><GetRooms xmlns="` + ews.MessagesNS + `"/></` + p + "Body></" + p + "Envelope>")
			s := NewScanner()
			if err := scan(s, doc, 5); err != nil {
				t.Fatal(err)
			}
			got := s.AppendSpliced(nil, doc[:s.Request().BodyOffset], ews.Identity{Kind: ews.SID, Value: "S-1-5-21-1"})
			if string(got) != c.want {
				t.Errorf("got\n%s, want\n%s", got, c.want)
			}
			if err := splices(s, doc); err != nil {
				t.Error(err)
			}
		})
	}
}
