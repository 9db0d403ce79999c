package emulator_test

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/ewstest"
)

// FuzzExchange checks that Exchange responds to any document with well-formed XML,
// and runs no operation that the header does not permit.
func FuzzExchange(f *testing.F) {
	e, _ := start(f, emulator.Config{})
	token, err := e.Entra().Grant(e.Resource())
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		soapEnvelope(asAlice, getInbox),
		soapEnvelope(asAlice, createDraft),
		soapEnvelope("", subscribe),
		soapEnvelope(ewstest.Impersonation("SmtpAddress", "IMCEASMTP-a+40b+2"), getInbox),
		`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>`,
		`<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><!-- --><Body a="<"><![CDATA[>]]></Body>`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, document string) {
		if strings.Contains(document, "GetStreamingEvents") {
			t.Skip("keeps the response for minutes")
		}
		e.Exchange().ClearHops()
		r := httptest.NewRequest("POST", e.Exchange().URL()+"/EWS/Exchange.asmx", strings.NewReader(document))
		r.Header.Set("Content-Type", "text/xml")
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		e.Exchange().ServeHTTP(w, r)
		if w.Code != http.StatusOK && w.Code != http.StatusInternalServerError {
			t.Fatalf("status %d", w.Code)
		}
		hop := e.Exchange().LastHop()
		if hop.Executed && hop.Mailbox == "" || w.Code == http.StatusOK && !hop.Executed {
			t.Errorf("hop: %+v", hop)
		}
		for d := xml.NewDecoder(w.Body); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("response: %v", err)
			}
		}
	})
}
