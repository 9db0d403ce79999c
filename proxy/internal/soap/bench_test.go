package soap

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"hmaproxy/proxy/ews"
)

const head = `<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:m="` + ews.MessagesNS + `" xmlns:t="` + ews.TypesNS + `"><soap:Header><t:RequestServerVersion Version="Exchange2013_SP1"/><t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>alice@contoso.com</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation></soap:Header><soap:Body>`

const tail = `</soap:Body></soap:Envelope>`

// getFolder returns a request of 1.6 KB.
func getFolder() []byte {
	id := `<t:FolderId Id="` + strings.Repeat("AAMkAGI2NDg3", 10) + `" ChangeKey="AQAAABYAAADs"/>`
	return []byte(head + `<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape><t:AdditionalProperties><t:FieldURI FieldURI="folder:DisplayName"/></t:AdditionalProperties></m:FolderShape><m:FolderIds>` +
		strings.Repeat(id, 4) + `<t:DistinguishedFolderId Id="inbox"><t:Mailbox><t:EmailAddress>alice@contoso.com</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId></m:FolderIds></m:GetFolder>` + tail)
}

// attachment returns a request with content of about size bytes in lines of 76
// characters. end is the end of each line.
func attachment(size int, end string) []byte {
	line := "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0" + end
	return []byte(head + `<m:CreateAttachment><m:Attachments><t:FileAttachment><t:Content>` +
		strings.Repeat(line, size/len(line)) + `</t:Content></t:FileAttachment></m:Attachments></m:CreateAttachment>` + tail)
}

func items(size int) []byte {
	id := `<t:ItemId Id="` + strings.Repeat("AAMkAGI2NDg3", 12) + `" ChangeKey="CQAAABYAAADs"/>`
	return []byte(head + `<m:GetItem><m:ItemIds>` + strings.Repeat(id, size/len(id)) + `</m:ItemIds></m:GetItem>` + tail)
}

// pieces is the size of the pieces in which net/http returns a body.
const pieces = 32 << 10

func benchmark(b *testing.B, doc []byte) {
	for _, c := range []struct {
		name       string
		references func(ews.Reference) error
	}{
		{"Scanner", func(ews.Reference) error { return nil }},
		{"Scanner without references", nil}, // as with the default scope of the allow-list
	} {
		b.Run(c.name, func(b *testing.B) {
			s := NewScanner()
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				s.Reset(c.references, c.references != nil)
				if err := scan(s, doc, pieces); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("encoding-xml", func(b *testing.B) {
		b.SetBytes(int64(len(doc)))
		b.ReportAllocs()
		for b.Loop() {
			d := xml.NewDecoder(bytes.NewReader(doc))
			for {
				if _, err := d.Token(); err == io.EOF {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

func BenchmarkGetFolder(b *testing.B)      { benchmark(b, getFolder()) }
func BenchmarkAttachment20MB(b *testing.B) { benchmark(b, attachment(20<<20, "")) }
func BenchmarkAttachment20MBLines(b *testing.B) {
	benchmark(b, attachment(20<<20, "\r\n"))
}
func BenchmarkItems5MB(b *testing.B) { benchmark(b, items(5<<20)) }

// Benchmark64MB reports how much memory the scanner needs for a body of 64 MB.
func Benchmark64MB(b *testing.B) {
	piece := attachment(pieces, "\r\n")
	piece = piece[len(piece)/4 : len(piece)/2]
	b.SetBytes(64 << 20)
	b.ReportAllocs()
	for b.Loop() {
		s := NewScanner()
		if _, err := s.Write([]byte(head + "<m:A>")); err != nil {
			b.Fatal(err)
		}
		for range (64 << 20) / len(piece) {
			if _, err := s.Write(piece); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := s.Write([]byte("</m:A>" + tail)); err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendHead(b *testing.B) {
	s := NewScanner()
	if err := scan(s, getFolder(), 0); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = s.AppendHead(buf[:0], s.Request().Identity)
	}
}

// BenchmarkIDs scans a GetItem of 100 ids. In one sub-benchmark the mailboxes of
// the ids are reported, in the other one the ids are only scanned.
func BenchmarkIDs(b *testing.B) {
	id := `<t:ItemId Id="AAMkADRhM2JmZTdhLTBhNjAtNGQyNy1hMjFhLTZjMWRmZDE0ZTNhNABGAAAAAADaJ5hCWQ8ZQZ4C2kvbN9pxBwAPjjxtH5PiTr0lBbBYpF5kAAAAAAEMAAAPjjxtH5PiTr0lBbBYpF5kAAABZ1u3AAA=" ChangeKey="CQAAABYAAAAPjjxtH5PiTr0lBbBYpF5kAAABZ2pY"/>`
	doc := []byte(head + `<m:GetItem><m:ItemShape><t:BaseShape>Default</t:BaseShape></m:ItemShape><m:ItemIds>` + strings.Repeat(id, 100) + `</m:ItemIds></m:GetItem>` + tail)
	for _, ids := range []bool{false, true} {
		b.Run(map[bool]string{false: "addresses", true: "addresses and ids"}[ids], func(b *testing.B) {
			b.ReportAllocs()
			s, found := NewScanner(), 0
			for b.Loop() {
				s.Reset(func(r ews.Reference) error {
					if r.ID.Kind == ews.MailboxGUIDID {
						found++
					}
					return nil
				}, ids)
				if err := scan(s, doc, pieces); err != nil {
					b.Fatal(err)
				}
			}
			if ids && found == 0 {
				b.Fatal("no id was looked at")
			}
		})
	}
}
